"""What can go wrong with clusters, in the words that people read. The gateway's own family is `clusters.kube.errors`."""

from aidashboard.kit.errors import ConflictError, InvalidError, MissingError, UnavailableError


class ClusterMissingError(MissingError):
    """There is no such cluster."""


class NodeMissingError(MissingError):
    """The cluster has no such node, or the observer has not seen it."""


class ManagedObjectMissingError(MissingError):
    """We keep no such object."""


class ClusterNameTakenError(ConflictError):
    """Another cluster has the name."""


class ClusterInUseError(ConflictError):
    """Something still refers to the cluster; `findings` list it."""


class ClusterChangedError(ConflictError):
    """Somebody changed the cluster since the caller read it."""


class ClusterInvalidError(InvalidError):
    """The name, address or credential has the wrong form; `findings` say which and why."""


class KubeconfigInvalidError(InvalidError):
    """The kubeconfig can't be used; `findings` say why, one each."""


class ClusterCheckFailedError(InvalidError):
    """The cluster did not pass the check before registration; `findings` say precisely what failed."""


class CredentialUnreadableError(UnavailableError):
    """A stored credential can't be decrypted: the encryption key is not the one it was stored with."""
