"""A small client of the API server for the sandbox's own processes: raw JSON in, raw JSON out.

It reads a kubeconfig with a client certificate or a bearer token, keeps one connection per thread, and knows get, list,
create, replace, patch, delete and watch; nothing else. It is free for every module of the sandbox to use, and
deliberately not the product's gateway: what drives the cluster in the demo must not share the mistakes of what is being
demonstrated.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import yaml

from aidashboard.kit.errors import UnavailableError

JsonObject = dict[str, Any]  # raw Kubernetes JSON: its shape is checked by the reader of each kind

REQUEST_SECONDS: Final = 20.0
WATCH_SECONDS: Final = 290  # the server ends a watch after this; the client simply opens the next
PAGE_LIMIT: Final = 500

# How a connection shows that the server closed it while nobody used it (after 90 s).
STALE_CONNECTION: Final = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_BODY: Final = "application/json"


class ApiError(UnavailableError):
    """The API server answered with an error, or not at all (`http_status` 0)."""

    default_code = "sandbox-api"

    def __init__(self, message: str, *, http_status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.http_status = http_status
        self.reason = reason

    @property
    def is_conflict(self) -> bool:
        return self.http_status == 409

    @property
    def is_missing(self) -> bool:
        return self.http_status == 404

    @property
    def is_expired(self) -> bool:
        """The resourceVersion of a list or watch is too old: list again."""
        return self.http_status == 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All objects of a list and the version from which a watch continues it."""

    items: tuple[JsonObject, ...]
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """`kind` is ADDED, MODIFIED, DELETED or BOOKMARK."""

    kind: str
    item: JsonObject


class KubeApi:
    """One API server, as one identity. Safe to share between threads."""

    def __init__(self, *, host: str, port: int, tls: ssl.SSLContext, token: str = "") -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._headers = {"Accept": JSON_BODY, "User-Agent": "aidashboard-sandbox"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._local = threading.local()
        self._opened: list[http.client.HTTPSConnection] = []

    @classmethod
    def from_kubeconfig(cls, path: Path) -> KubeApi:
        """The cluster and user of the current context.

        Raises: ApiError when the file names no such context, cluster or user.
        """
        config = yaml.safe_load(path.read_text())
        try:
            context = _named(config["contexts"], config["current-context"])["context"]
            cluster = _named(config["clusters"], context["cluster"])["cluster"]
            user = _named(config["users"], context["user"])["user"]
            address = urlsplit(cluster["server"])
        except (KeyError, TypeError, LookupError) as error:
            raise ApiError(f"{path} is not a usable kubeconfig: {error} is missing") from error
        tls = ssl.create_default_context(cadata=_material(cluster, "certificate-authority").decode() or None)
        # From Python 3.13 on the default asks for extensions that a throw-away authority need not have.
        tls.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if certificate := _material(user, "client-certificate"):
            _load_client_certificate(tls, certificate, _material(user, "client-key"))
        return cls(host=address.hostname or "127.0.0.1", port=address.port or 443, tls=tls, token=user.get("token", ""))

    def close(self) -> None:
        """Close the connections of every thread; one that is used again opens itself."""
        for connection in self._opened:
            connection.close()

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> JsonObject:
        return self._request("GET", path, parameters)

    def find(self, path: str) -> JsonObject | None:
        """The object at `path`, or None when there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def list(self, path: str, parameters: Mapping[str, str] | None = None) -> Listing:
        """Every object of a collection, read in pages.

        Raises: ApiError; with `is_expired` when the collection changed too long between two pages.
        """
        items: list[JsonObject] = []
        query = {"limit": str(PAGE_LIMIT), **(parameters or {})}
        while True:
            page = self._request("GET", path, query)
            items += page.get("items") or []
            metadata = page["metadata"]
            if not metadata.get("continue"):
                return Listing(items=tuple(items), resource_version=metadata["resourceVersion"])
            query["continue"] = metadata["continue"]

    def create(self, path: str, body: JsonObject, parameters: Mapping[str, str] | None = None) -> JsonObject:
        return self._request("POST", path, parameters, body)

    def replace(self, path: str, body: JsonObject) -> JsonObject:
        return self._request("PUT", path, None, body)

    def patch(self, path: str, body: JsonObject, *, content_type: str = MERGE_PATCH) -> JsonObject:
        return self._request("PATCH", path, None, body, content_type)

    def delete(self, path: str, *, propagation: str = "Background") -> None:
        """Ask for deletion; an object that is gone already is fine."""
        try:
            self._request("DELETE", path, {"propagationPolicy": propagation})
        except ApiError as error:
            if not error.is_missing:
                raise

    def watch(
        self,
        path: str,
        *,
        resource_version: str,
        parameters: Mapping[str, str] | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[WatchEvent]:
        """Events since `resource_version`, until the server ends the stream or `stop` is set.

        Raises: ApiError; with `is_expired` list again.
        """
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
            **(parameters or {}),
        }
        # A connection of its own: a watch occupies it until it ends.
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=WATCH_SECONDS + 30, context=self._tls)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}", headers=self._headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise _refusal("GET", path, response.status, response.read())
            watcher = _close_when_set(connection, stop) if stop is not None else contextlib.nullcontext()
            with watcher:
                for line in response:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        raise _refusal(
                            "GET", path, event["object"].get("code", 500), json.dumps(event["object"]).encode()
                        )
                    yield WatchEvent(kind=event["type"], item=event["object"])
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            # Closing the socket under a blocked read surfaces as any of these, which is how `stop` ends the loop.
            if stop is not None and stop.is_set():
                return
            raise ApiError(f"the watch of {path} broke: {error}") from error
        finally:
            connection.close()

    def _request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        content_type: str = JSON_BODY,
    ) -> JsonObject:
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        payload = json.dumps(body).encode() if body is not None else None
        headers = {**self._headers, "Content-Type": content_type} if payload is not None else self._headers
        for is_last_attempt in (False, True):
            connection = self._connection()
            try:
                connection.request(method, target, body=payload, headers=headers)
                response = connection.getresponse()
                data = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # The server closes idle connections; only that case is safe to repeat for a write.
                if is_last_attempt or not isinstance(error, STALE_CONNECTION):
                    raise ApiError(f"{method} {path}: the API server does not answer: {error}") from error
                continue
            if response.status >= 400:
                raise _refusal(method, path, response.status, data)
            parsed: JsonObject = json.loads(data)
            return parsed
        raise AssertionError("unreachable: the second attempt returns or raises")

    def _connection(self) -> http.client.HTTPSConnection:
        connection: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self.host, self.port, timeout=REQUEST_SECONDS, context=self._tls)
            self._local.connection = connection
            self._opened.append(connection)
        return connection


def follow(
    api: KubeApi, path: str, *, parameters: Mapping[str, str] | None = None, stop: threading.Event
) -> Iterator[Listing | WatchEvent]:
    """A list, then every event after it, for ever: relists after 410 and after a lost connection, until `stop` is set.

    Each `Listing` replaces everything known before it.
    """
    pause_seconds = 0.5
    while not stop.is_set():
        try:
            listing = api.list(path, parameters)
            yield listing
            version = listing.resource_version
            pause_seconds = 0.5
            while not stop.is_set():
                for event in api.watch(path, resource_version=version, parameters=parameters, stop=stop):
                    version = event.item["metadata"]["resourceVersion"]
                    if event.kind != "BOOKMARK":
                        yield event
        except ApiError:
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, 10.0)


@contextlib.contextmanager
def _close_when_set(connection: http.client.HTTPSConnection, stop: threading.Event) -> Iterator[None]:
    """Close the socket of a blocked read as soon as `stop` is set."""
    done = threading.Event()

    def wait() -> None:
        while not done.wait(0.3):
            if stop.is_set():
                with contextlib.suppress(OSError, AttributeError):
                    connection.sock.shutdown(2)
                return

    thread = threading.Thread(target=wait, name="watch-stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def _named(entries: list[JsonObject], name: str) -> JsonObject:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise LookupError(name)


def _material(section: JsonObject, key: str) -> bytes:
    if inline := section.get(f"{key}-data"):
        return base64.b64decode(inline)
    file = section.get(key)
    return Path(file).read_bytes() if file else b""


def _load_client_certificate(tls: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # The ssl module reads certificates from files only; the file is private and gone right after.
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(certificate + b"\n" + key)
        file.flush()
        tls.load_cert_chain(file.name)


def _refusal(method: str, path: str, http_status: int, data: bytes) -> ApiError:
    try:
        status = json.loads(data)
        message, reason = status.get("message", ""), status.get("reason", "")
    except ValueError:
        message, reason = data.decode(errors="replace")[:200], ""
    return ApiError(f"{method} {path}: {http_status} {message}", http_status=http_status, reason=reason)
