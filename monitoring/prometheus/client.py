"""THE HTTP to Prometheus, or to anything that speaks its API: one deadline per call, one retry when the connection breaks.

Queries travel as POST forms, because the expressions are longer than what proxies allow in an address.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import requests
import urllib3

from monitoring.prometheus import parsing
from monitoring.prometheus.errors import (
    BadQueryError,
    PrometheusError,
    QueryTimeoutError,
    TooManySamplesError,
    UnauthorizedError,
    UnreachableError,
)

DEADLINE_SECONDS: Final = 3.0
LARGEST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_ATTEMPTS: Final = 2
_CHUNK: Final = 256 * 1024
_local = threading.local()

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusClient:
    """One endpoint: `url` without a trailing slash, `bearer_token` empty when it wants none."""

    url: str
    bearer_token: str = ""
    deadline_seconds: float = DEADLINE_SECONDS

    def query(self, text: str, *, at: datetime) -> parsing.Vector:
        """Evaluate at one moment. Raises: a PrometheusError."""
        form = {"query": text, "time": str(at.timestamp()), "timeout": self._timeout}
        return self._ask("/api/v1/query", form, parsing.parse_vector)

    def query_range(self, text: str, *, start: datetime, end: datetime, step_seconds: int) -> parsing.Matrix:
        """Evaluate every `step_seconds` from `start` to `end`. Raises: a PrometheusError."""
        form = {
            "query": text,
            "start": str(start.timestamp()),
            "end": str(end.timestamp()),
            "step": str(step_seconds),
            "timeout": self._timeout,
        }
        return self._ask("/api/v1/query_range", form, parsing.parse_matrix)

    def find_version(self) -> str:
        """The server's version, empty when it keeps that to itself. Raises: a PrometheusError."""
        try:
            return self._ask("/api/v1/status/buildinfo", None, parsing.parse_version)
        except BadQueryError:
            return ""  # Thanos and Mimir have no such page.

    @property
    def _timeout(self) -> str:
        return f"{self.deadline_seconds:g}s"

    def _ask(self, path: str, form: Mapping[str, str] | None, parse: Callable[[bytes], Parsed]) -> Parsed:
        give_up_at = time.monotonic() + self.deadline_seconds
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return parse(self._send(path, form, give_up_at))
            except PrometheusError as error:
                if not error.is_retryable or attempt == _ATTEMPTS or time.monotonic() >= give_up_at:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _send(self, path: str, form: Mapping[str, str] | None, give_up_at: float) -> bytes:
        headers = {"Authorization": f"Bearer {self.bearer_token}"} if self.bearer_token else {}
        left = max(0.05, give_up_at - time.monotonic())
        try:
            with _session().request(
                "GET" if form is None else "POST",
                self.url + path,
                data=form,
                headers=headers,
                timeout=left,
                stream=True,
                # A redirect is a login page or a wrong address; following it would carry the token elsewhere.
                allow_redirects=False,
            ) as response:
                body = _read(response, give_up_at)
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise QueryTimeoutError(f"no answer within {self.deadline_seconds:g} s") from error
        except requests.exceptions.SSLError as error:
            raise UnreachableError("its TLS certificate is not trusted") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(_describe(error)) from error
        if response.status_code != requests.codes.ok:
            raise _error_of(response.status_code, body)
        return body


def _session() -> requests.Session:
    """One per thread: a session keeps connections open, and is not made for sharing."""
    session: requests.Session | None = getattr(_local, "session", None)
    if session is None:
        session = _local.session = requests.Session()
    return session


def _read(response: requests.Response, give_up_at: float) -> bytes:
    """The body, within the deadline as a whole: the timeout of requests counts from one byte to the next."""
    parts: list[bytes] = []
    size = 0
    # read1 gives what has come so far: a server that drips bytes can't hold us beyond the deadline.
    while part := response.raw.read1(_CHUNK, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER_BYTES:
            raise TooManySamplesError(f"the answer is larger than {LARGEST_ANSWER_BYTES // 1024 // 1024} MiB")
        if time.monotonic() > give_up_at:
            raise requests.Timeout
    return b"".join(parts)


def _error_of(status: int, body: bytes) -> PrometheusError:
    failure = parsing.parse_failure(body)
    if status in {401, 403}:
        return UnauthorizedError("it refuses our credential" if status == 403 else "it wants a valid bearer token")
    if failure is None:
        if 300 <= status < 400:
            return UnreachableError(f"it redirects elsewhere (HTTP {status}): give the address of Prometheus itself")
        if status == 404:
            return UnreachableError("there is no Prometheus API at this address (HTTP 404)")
        return UnreachableError(f"it answers HTTP {status}")
    words = failure.error.lower()
    if "too many samples" in words or "exceeded maximum resolution" in words:
        return TooManySamplesError(failure.error)
    if failure.error_type in {"timeout", "canceled"}:
        return QueryTimeoutError("the query took too long")
    if failure.error_type in {"bad_data", "execution", "not_found"}:
        return BadQueryError(failure.error)
    return UnreachableError(failure.error)


def _describe(error: Exception) -> str:
    words = str(error)
    if "Name or service not known" in words or "NameResolutionError" in words:
        return "its host name is not known"
    if "Connection refused" in words:
        return "the connection is refused"
    return "the connection fails"
