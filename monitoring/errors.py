"""What can go wrong with metrics sources, in the words that people read. The gateway's own family is `monitoring.prometheus.errors`."""

from aidashboard.kit.errors import InvalidError, MissingError, UnavailableError


class SourceInvalidError(InvalidError):
    """The address or token of a Prometheus can't be used; `findings` say why."""


class SourceMissingError(MissingError):
    """The cluster has no metrics source."""


class TokenUnreadableError(UnavailableError):
    """A stored bearer token can't be decrypted: the encryption key is not the one it was stored with."""
