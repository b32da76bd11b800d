"""Errors in the words of the error pages: what happened, what was kept, what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aidashboard.kit.errors import AppError, Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownError:
    """What an error page says."""

    status: int
    title: str
    message: str
    hint: str
    findings: Sequence[Finding] = ()


_TITLES: Final = {
    400: "The request was not understood",
    403: "Not allowed",
    404: "There is nothing here",
    409: "Somebody changed this in the meantime",
    422: "That does not work",
    500: "Something broke on our side",
    503: "Not available right now",
}
_MESSAGES: Final = {
    400: ("The address or the form had a shape that we don't accept.", "Nothing was changed. Go back and try again."),
    403: ("Your role does not allow this.", "Ask an administrator of AI Dashboard."),
    404: ("The page does not exist, or it is not yours to see.", "Check the address, or start from the overview."),
    500: (
        "The error was logged.",
        "Nothing was saved. Try again; if it stays, quote the request id to your administrator.",
    ),
}
_CSRF: Final = (
    "The form had expired, or it came from another site.",
    "Nothing was changed. Open the page again and repeat the step; cookies must be allowed.",
)


def describe_status(status: int, *, code: str = "") -> ShownError:
    """The words for an error that has none of its own."""
    message, hint = _CSRF if code == "csrf" else _MESSAGES[status]
    return ShownError(status=status, title=_TITLES[status], message=message, hint=hint)


def describe_error(error: AppError) -> ShownError:
    """The words for an error of a service; its findings are listed when there are more than the message itself."""
    findings = [finding for finding in error.findings if finding.message != error.message]
    return ShownError(
        status=error.status,
        title=_TITLES.get(error.status, _TITLES[500]),
        message=error.message,
        hint=error.hint,
        findings=findings,
    )
