"""From an HTTP status and body to a member of the error family. Pure: no I/O.

Source: k8s.io/apimachinery, pkg/apis/meta/v1, Status; the texts of k8s.io/apiserver for webhooks and RBAC. The texts are matched
loosely: where one changes, the error falls back to the plain class of its status.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from clusters.kube.errors import (
    ApplyConflictError,
    ClusterForbiddenError,
    ClusterUnauthorizedError,
    FieldConflict,
    FieldError,
    GoneError,
    KubeError,
    ObjectChangedError,
    ObjectInvalidError,
    ObjectMissingError,
    RefusedByWebhookError,
    ServerFaultError,
    TooManyRequestsError,
    UnexpectedAnswerError,
    WebhookUnavailableError,
)
from clusters.kube.protocol import JsonObject

UNAUTHORIZED_MESSAGE: Final = (
    "The cluster does not accept the credential (401): it is wrong, expired or revoked. Enter a new one."
)
NOT_KUBERNETES_MESSAGE: Final = (
    "No Kubernetes API server answered, but something else ({status}, {kind}): check the address."
)
_RBAC_HINT: Final = "Give it the ClusterRole of deploy/rbac."
_FORBIDDEN: Final = re.compile(
    r'cannot (?P<verb>[\w*]+) resource "(?P<resource>[^"]+)" in API group "(?P<group>[^"]*)"'
)
_MANAGER: Final = re.compile(r'conflict with "(?P<manager>[^"]+)"')
_DENIED: Final = re.compile(r"admission webhook \"[^\"]+\" denied the request|ValidatingAdmissionPolicy")
_WEBHOOK_DOWN: Final = re.compile(r'(failed calling|conversion) webhook (for )?"?(?P<name>[^":,]+)')
_LONGEST_MESSAGE: Final = 2000


def build_error(status: int, body: bytes, *, retry_after: str | None = None) -> KubeError:
    """The error that an answer with this status means. Never raises."""
    answer = _parse_status(body)
    if answer is None:
        return _judge_foreign(status, body, retry_after)
    message = str(answer.get("message") or answer.get("reason") or f"status {status}")[:_LONGEST_MESSAGE]
    seconds = _read_seconds(retry_after, answer)
    if status == 401:
        return ClusterUnauthorizedError(UNAUTHORIZED_MESSAGE)
    if _DENIED.search(message):
        return RefusedByWebhookError(f"A rule of the cluster refused it: {message}")
    if status == 403:
        return _judge_forbidden(message, answer)
    if status == 404:
        return ObjectMissingError(message)
    if status == 409:
        return _judge_conflict(message, answer)
    if status == 410:
        return GoneError(message)
    # The server fails with a 500 on an applied field that its schema does not know; no other attempt will help.
    if status in {400, 413, 415, 422} or message.startswith("failed to create typed patch object"):
        return ObjectInvalidError(f"The cluster refused the object: {message}", fields=_read_fields(answer))
    if status == 429:
        return TooManyRequestsError("The API server asks for patience (429).", retry_after_seconds=seconds)
    down = _WEBHOOK_DOWN.search(message)
    if down:
        text = f"The webhook {down['name'].strip()} of the cluster does not answer, so nothing it guards can change: {message}"
        return WebhookUnavailableError(text, retry_after_seconds=seconds)
    if status >= 500:
        return ServerFaultError(f"The API server is in trouble ({status}): {message}", retry_after_seconds=seconds)
    return UnexpectedAnswerError(f"The API server answered {status}: {message}")


def parse_answer(status: int, body: bytes) -> JsonObject:
    """The JSON object of a good answer.

    Raises: UnexpectedAnswerError when it is none.
    """
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_kubernetes(status, body) from error
    if not isinstance(answer, dict):
        raise _not_kubernetes(status, body)
    return answer


def _parse_status(body: bytes) -> JsonObject | None:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict) and answer.get("kind") == "Status" else None


def _judge_foreign(status: int, body: bytes, retry_after: str | None) -> KubeError:
    """An answer without a Status: from a proxy, or from the few paths where the API server itself answers in plain text."""
    text = body[:200].decode("utf-8", "replace").strip()
    is_plain = not text.startswith(("<", "{"))
    if status == 401:
        return ClusterUnauthorizedError(UNAUTHORIZED_MESSAGE)
    if status == 429:
        return TooManyRequestsError(
            "The API server asks for patience (429).", retry_after_seconds=_read_seconds(retry_after, {})
        )
    if status == 404 and is_plain:
        return ObjectMissingError("The cluster does not have this kind of object.")
    if status >= 500 and is_plain:
        return ServerFaultError(f"The API server is in trouble ({status}): {text}")
    return _not_kubernetes(status, body)


def _not_kubernetes(status: int, body: bytes) -> UnexpectedAnswerError:
    start = body[:200].lstrip().lower()
    kind = "HTML" if start.startswith((b"<!doctype", b"<html", b"<")) else "no Kubernetes JSON"
    return UnexpectedAnswerError(NOT_KUBERNETES_MESSAGE.format(status=status, kind=kind))


def _judge_forbidden(message: str, answer: JsonObject) -> KubeError:
    if any(cause.get("reason") == "NamespaceTerminating" for cause in _causes(answer)):
        error = ObjectChangedError("The namespace is being deleted: nothing can be made in it until it is gone.")
        error.is_retryable = True
        return error
    match = _FORBIDDEN.search(message)
    if match is None:
        return ClusterForbiddenError(f"The cluster forbids it: {message}", verb="", resource="")
    resource = f"{match['resource']}.{match['group']}" if match["group"] else match["resource"]
    text = f"AI Dashboard may not {match['verb']} {resource} in this cluster. {_RBAC_HINT}"
    return ClusterForbiddenError(text, verb=match["verb"], resource=resource)


def _judge_conflict(message: str, answer: JsonObject) -> KubeError:
    conflicts = tuple(
        FieldConflict(
            manager=match["manager"] if (match := _MANAGER.search(str(cause.get("message", "")))) else "unknown",
            field=str(cause.get("field", "")).lstrip("."),
        )
        for cause in _causes(answer)
        if cause.get("reason") == "FieldManagerConflict"
    )
    if not conflicts:
        return ObjectChangedError(message)
    places = ", ".join(f"{conflict.field} (set by {conflict.manager})" for conflict in conflicts)
    return ApplyConflictError(f"Somebody else has set {places}.", conflicts=conflicts)


def _read_fields(answer: JsonObject) -> tuple[FieldError, ...]:
    return tuple(
        FieldError(field=str(cause.get("field", "")), message=str(cause.get("message", "")))
        for cause in _causes(answer)
    )


def _causes(answer: JsonObject) -> list[JsonObject]:
    details = answer.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return [cause for cause in causes if isinstance(cause, dict)] if isinstance(causes, list) else []


def _read_seconds(retry_after: str | None, answer: JsonObject) -> float | None:
    if retry_after is not None and retry_after.isdigit():
        return float(retry_after)
    details = answer.get("details")
    seconds = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return float(seconds) if isinstance(seconds, int) and seconds > 0 else None
