"""What can go wrong between us and an API server.

One family; every member says whether trying again can help (`is_retryable`) and what a person can do. No exception of an HTTP
library leaves the gateway. A service that meets one turns it into an `AppError`; a reconciler writes it into rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UnreachableCause(StrEnum):
    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConflict:
    """A field that another manager owns."""

    manager: str
    field: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """A field that the API server refuses."""

    field: str
    message: str


class KubeError(Exception):
    """Root of the family. `message` is a whole sentence for people; it holds no credential."""

    is_retryable = False

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class ClusterUnreachableError(KubeError):
    """No answer at all. A TLS fault is permanent (a person must act), the other causes pass by themselves."""

    def __init__(self, message: str, *, cause: UnreachableCause) -> None:
        super().__init__(message)
        self.cause = cause
        self.is_retryable = cause is not UnreachableCause.TLS


class ClusterUnauthorizedError(KubeError):
    """401: the credential is wrong, expired or revoked."""


class ClusterForbiddenError(KubeError):
    """403: the credential lacks a right; `verb` and `resource` say which."""

    def __init__(self, message: str, *, verb: str, resource: str) -> None:
        super().__init__(message)
        self.verb = verb
        self.resource = resource


class ObjectMissingError(KubeError):
    """404: no such object, or no such kind in this cluster."""


class ObjectChangedError(KubeError):
    """409: it exists already, or a precondition on uid or version does not hold. Read again."""


class ApplyConflictError(KubeError):
    """409 of a server-side apply: other managers own fields that we want to set."""

    def __init__(self, message: str, *, conflicts: tuple[FieldConflict, ...]) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class GoneError(KubeError):
    """410: the resource version or page token is too old. List again from the start."""


class ObjectInvalidError(KubeError):
    """400 or 422: the object breaks the schema or a validation rule; `fields` say where."""

    def __init__(self, message: str, *, fields: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class RefusedByWebhookError(KubeError):
    """An admission webhook or policy of the cluster said no; its words are in the message."""


class WebhookUnavailableError(KubeError):
    """An admission webhook that must be asked does not answer, Kueue's while it restarts for instance."""

    is_retryable = True


class TooManyRequestsError(KubeError):
    """429: the API server asks for patience; `retry_after_seconds` says how much."""

    is_retryable = True


class ServerFaultError(KubeError):
    """5xx: the API server is in trouble."""

    is_retryable = True


class UnexpectedAnswerError(KubeError):
    """Something answered, but not a Kubernetes API server: a login page or a proxy's error page for instance."""

    is_retryable = True
