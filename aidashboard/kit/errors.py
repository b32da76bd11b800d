"""The errors that people meet, named for what the caller can do about them.

An app subclasses one of the five children. Two adapters turn them into HTTP: `aidashboard.api_errors` (problem+json) and
`frontend.middleware` (pages and htmx fragments). Nothing else decides on status codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule, in the words that a person reads.

    `field` names the input, `value` is what was given, `rule` the stable code of the rule, `message` the whole sentence.
    A finding that is a warning does not stop the change.
    """

    rule: str
    message: str
    field: str = ""
    value: str = ""
    subject: str = ""
    is_warning: bool = False


class AppError(Exception):
    """Root of every error that is meant for the person at the other end."""

    status = 500
    default_code = "error"

    def __init__(self, message: str, *, code: str = "", hint: str = "", findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.findings = tuple(findings)

    def list_conflicts(self) -> list[dict[str, object]]:
        """Both versions of what somebody else has changed, field by field, for errors that know them."""
        return []


class InvalidError(AppError):
    """The input breaks a rule; the caller can correct it."""

    status = 422
    default_code = "invalid"


class ForbiddenError(AppError):
    """The caller lacks the right; somebody else may have it."""

    status = 403
    default_code = "forbidden"


class MissingError(AppError):
    """There is no such thing, or none that the caller may see."""

    status = 404
    default_code = "missing"


class ConflictError(AppError):
    """The thing has changed since the caller read it; read again and decide anew."""

    status = 409
    default_code = "conflict"


class UnavailableError(AppError):
    """Something that we need does not answer; try later."""

    status = 503
    default_code = "unavailable"
