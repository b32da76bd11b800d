"""What can go wrong between a checkout and a running sandbox, each with a hint on what to do."""

from __future__ import annotations

from aidashboard.kit.errors import ConflictError, UnavailableError


class BuildError(UnavailableError):
    """A program of the sandbox could not be had. `hint` says what the person can do."""

    default_code = "sandbox-build"


class StartError(UnavailableError):
    """The cluster did not come up. The message names the process, the hint its log."""

    default_code = "sandbox-start"


class NotRunningError(ConflictError):
    """Somebody asked a sandbox for something that only a running one can do."""

    default_code = "sandbox-not-running"


class KubectlError(UnavailableError):
    """kubectl said no; the message is what it wrote to its standard error."""

    default_code = "sandbox-kubectl"
