"""One authenticated connection pool to one API server, with a deadline on every call.

Retries what may be repeated without harm: reads, server-side applies and deletes after a fault of the network or the server, any
request that was certainly never sent, and 429 as the server asks. Never 401, 403, 409 or 422: those are answers.
"""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import orjson
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from clusters.domain.access import ClusterAccess, Credential
from clusters.kube.answers import build_error, parse_answer
from clusters.kube.errors import (
    ClusterUnreachableError,
    KubeError,
    TooManyRequestsError,
    UnexpectedAnswerError,
    UnreachableCause,
)
from clusters.kube.protocol import JsonObject, Query

USER_AGENT: Final = "aidashboard"
_CHUNK_BYTES: Final = 256 * 1024
_REPEATABLE: Final = frozenset({"GET", "PATCH", "DELETE", "PUT"})
_CERTIFICATE_HINT: Final = "Check the CA certificate and the TLS server name of the registration."


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long we wait. `read_seconds` bounds a whole answer; no new attempt begins when `budget_seconds` have passed."""

    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    attempts: int = 3
    first_pause_seconds: float = 0.2
    budget_seconds: float = 15.0


class KubeClient:
    """Implements `protocol.KubeApi`. Safe to use from many threads."""

    def __init__(self, access: ClusterAccess, *, timing: Timing | None = None) -> None:
        self._base = access.api_server_url
        self._timing = timing or Timing()
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if access.credential.bearer_token:
            headers["Authorization"] = f"Bearer {access.credential.bearer_token}"
        self._headers = headers
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=16,
            retries=False,
            ssl_context=_build_ssl_context(access),
            server_hostname=access.tls_server_name or None,
            assert_hostname=access.tls_server_name or None,
        )

    def __repr__(self) -> str:
        return f"KubeClient({self._base!r})"

    def close(self) -> None:
        self._pool.clear()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: JsonObject | None = None,
        content_type: str = "application/json",
        read_seconds: float | None = None,
    ) -> JsonObject:
        """The JSON object that the API server answers.

        Raises: KubeError after at most `attempts` attempts.
        """
        status, data = self._request(method, path, query, body, content_type, read_seconds)
        return parse_answer(status, data)

    def call_text(self, path: str, *, query: Query = ()) -> str:
        """A plain text answer: logs."""
        return self._request("GET", path, query, None, "", None)[1].decode("utf-8", "replace")

    def stream(self, path: str, *, query: Query = (), read_seconds: float) -> KubeLines:
        """Open an answer that has no end; silent for `read_seconds` it counts as broken. One attempt: the caller resumes."""
        response = self._open("GET", path, query, None, "", read_seconds)
        if response.status != 200:
            with response:
                data = self._read_body(response, time.monotonic() + self._timing.read_seconds)
            raise build_error(response.status, data, retry_after=response.headers.get("Retry-After"))
        return KubeLines(response, self._base)

    def _request(
        self,
        method: str,
        path: str,
        query: Query,
        body: JsonObject | None,
        content_type: str,
        read_seconds: float | None,
    ) -> tuple[int, bytes]:
        timing = self._timing
        give_up_at = time.monotonic() + timing.budget_seconds
        for attempt in range(1, timing.attempts + 1):
            try:
                return self._request_once(method, path, query, body, content_type, read_seconds or timing.read_seconds)
            except KubeError as error:
                pause = _find_pause(error, method, timing.first_pause_seconds * 3 ** (attempt - 1))
                if pause is None or attempt == timing.attempts or time.monotonic() + pause > give_up_at:
                    raise
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _request_once(
        self, method: str, path: str, query: Query, body: JsonObject | None, content_type: str, read_seconds: float
    ) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._timing.connect_seconds + read_seconds
        with self._open(method, path, query, body, content_type, read_seconds) as response:
            data = self._read_body(response, deadline)
        if 200 <= response.status < 300:
            return response.status, data
        if 300 <= response.status < 400:
            raise UnexpectedAnswerError(
                f"{self._base} redirects elsewhere ({response.status}): enter the address of the API server itself."
            )
        raise build_error(response.status, data, retry_after=response.headers.get("Retry-After"))

    def _open(
        self, method: str, path: str, query: Query, body: JsonObject | None, content_type: str, read_seconds: float
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {**self._headers, "Content-Type": content_type} if body is not None else self._headers
        try:
            return self._pool.request(
                method,
                url,
                body=orjson.dumps(body) if body is not None else None,
                headers=headers,
                timeout=urllib3.Timeout(connect=self._timing.connect_seconds, read=read_seconds),
                preload_content=False,
                redirect=False,
            )
        except (HTTPError, OSError) as error:
            raise _unreachable(error, self._base) from error
        except ValueError:
            # What the standard library says of a header or server name that can't be sent; it may quote the token.
            raise ClusterUnreachableError(
                f"The credential or the TLS server name for {self._base} has characters that can't be sent.",
                cause=UnreachableCause.TLS,
            ) from None

    def _read_body(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """The whole body. The socket's timeout bounds each wait, the deadline a server that only trickles."""
        chunks: list[bytes] = []
        try:
            for chunk in response.stream(_CHUNK_BYTES):
                chunks.append(chunk)
                if time.monotonic() > deadline:
                    raise ClusterUnreachableError(
                        f"{self._base} answers too slowly to be of use.", cause=UnreachableCause.TIMEOUT
                    )
        except (HTTPError, OSError) as error:
            raise _unreachable(error, self._base) from error
        return b"".join(chunks)


class KubeLines:
    """An open stream. `close` may be called from any thread, again and again."""

    def __init__(self, response: urllib3.BaseHTTPResponse, address: str) -> None:
        self._response = response
        self._address = address
        self._is_closed = False

    def lines(self) -> Iterator[bytes]:
        """Each line as soon as it is complete. Ends with the stream.

        Raises: ClusterUnreachableError when it breaks or stays silent too long.
        """
        rest = b""
        try:
            for chunk in self._response.stream(_CHUNK_BYTES):
                *complete, rest = (rest + chunk).split(b"\n") if rest else chunk.split(b"\n")
                yield from complete
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            # ValueError and AttributeError: urllib3's way to say that another thread has closed the stream.
            if not self._is_closed:
                raise _unreachable(error, self._address) from error
        finally:
            self._response.close()

    def close(self) -> None:
        self._is_closed = True
        try:
            self._response.shutdown()
        except (HTTPError, OSError, ValueError, RuntimeError):
            return  # it has ended by itself


def _find_pause(error: KubeError, method: str, pause: float) -> float | None:
    """How long to wait before trying again; None when it must not be tried."""
    if not error.is_retryable:
        return None
    was_not_processed = isinstance(error, TooManyRequestsError) or (
        isinstance(error, ClusterUnreachableError) and error.cause in {UnreachableCause.DNS, UnreachableCause.REFUSED}
    )
    if method not in _REPEATABLE and not was_not_processed:
        return None
    # The jitter keeps many workers that failed together from coming back together.
    return error.retry_after_seconds or pause * random.uniform(0.5, 1.5)  # noqa: S311  (not a secret)


def _unreachable(error: Exception, address: str) -> ClusterUnreachableError:
    """What a fault of the network means, in words."""
    reason = str(error.__cause__ or error) if isinstance(error, SSLError) else str(error)
    if isinstance(error, NameResolutionError):
        return ClusterUnreachableError(
            f"The name in {address} can't be resolved: check the address and this machine's DNS.",
            cause=UnreachableCause.DNS,
        )
    if isinstance(error, SSLError | ssl.SSLError | ssl.CertificateError):
        return ClusterUnreachableError(
            f"No trusted TLS connection to {address}: {_shorten_tls(reason)}. {_CERTIFICATE_HINT}",
            cause=UnreachableCause.TLS,
        )
    # Before the timeout, which urllib3 makes its parent class.
    if isinstance(error, NewConnectionError):
        return _unconnected(error, address)
    if isinstance(error, ConnectTimeoutError):
        return ClusterUnreachableError(
            f"{address} does not answer: no connection in time. Check the address, routes and firewalls.",
            cause=UnreachableCause.TIMEOUT,
        )
    if isinstance(error, ReadTimeoutError | TimeoutError):
        return ClusterUnreachableError(
            f"{address} accepts connections but does not answer in time: the API server hangs or is overloaded.",
            cause=UnreachableCause.TIMEOUT,
        )
    if isinstance(error, LocationParseError):
        return ClusterUnreachableError(f"{address} is not an address.", cause=UnreachableCause.DNS)
    return ClusterUnreachableError(
        f"The connection to {address} broke off: the API server or something in between closed it.",
        cause=UnreachableCause.RESET,
    )


def _unconnected(error: NewConnectionError, address: str) -> ClusterUnreachableError:
    cause = error.__cause__
    if isinstance(cause, OSError) and not isinstance(cause, ConnectionRefusedError):
        return ClusterUnreachableError(
            f"{address} can't be reached: {cause.strerror or cause}. Check the address, routes and firewalls.",
            cause=UnreachableCause.REFUSED,
        )
    return ClusterUnreachableError(
        f"{address} refuses connections: the API server is not running there, or the port is wrong.",
        cause=UnreachableCause.REFUSED,
    )


def _shorten_tls(reason: str) -> str:
    """OpenSSL's words without the brackets and line numbers around them."""
    return reason.rpartition("] ")[2].partition(" (_ssl")[0] or reason


def _build_ssl_context(access: ClusterAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=access.certificate_authority or None)
        if access.credential.client_certificate:
            _load_client_certificate(context, access.credential)
    except (ssl.SSLError, ValueError) as error:
        raise ClusterUnreachableError(
            "The CA certificate, or the client certificate with its key, can't be read: paste the PEM blocks whole.",
            cause=UnreachableCause.TLS,
        ) from error
    return context


def _load_client_certificate(context: ssl.SSLContext, credential: Credential) -> None:
    """OpenSSL reads them from files only: this one exists in memory and has no name in the file system."""
    descriptor = os.memfd_create("client-certificate")
    try:
        os.write(descriptor, f"{credential.client_certificate}\n{credential.client_key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
