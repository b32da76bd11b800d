"""Faults between the product and a real API server.

`FaultProxy` passes bytes and can hang, delay, refuse or cut. `AnsweringProxy` ends TLS itself, so it can also answer in the server's
place: with a status, a page, or half an answer. Both listen on loopback and work in threads of their own.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_RESET: Final = struct.pack("ii", 1, 0)


class FaultProxy:
    """A TCP proxy on loopback. Change its attributes at any time; they hold for what passes from then on."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.is_hanging = False
        self.delay_seconds = 0.0
        self._sockets: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the same port as before after a `close_port`."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close_port(self) -> None:
        """Refuse new connections and reset those there are: the host is up, the server is gone."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._listener = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection. SO_LINGER 0 makes it a reset; without it the other side sees a clean end."""
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._sockets.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            upstream = socket.create_connection(self._target, timeout=5)
            self._sockets.add(upstream)
            self._pump(client, upstream)
        for one in (client, *((upstream,) if "upstream" in locals() else ())):
            self._sockets.discard(one)
            one.close()

    def _pump(self, client: socket.socket, upstream: socket.socket) -> None:
        other = {client: upstream, upstream: client}
        while True:
            readable, _, _ = select.select([client, upstream], [], [], 0.5)
            while self.is_hanging:
                time.sleep(0.05)
            for one in readable:
                data = one.recv(65536)
                if not data:
                    return
                time.sleep(self.delay_seconds)
                other[one].sendall(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said in the server's place. `cut_after` bytes of the body the connection is reset."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    content_type: str = "application/json"


@dataclass(slots=True, kw_only=True)
class Rule:
    """Answer requests whose "METHOD /path?query" matches `pattern`; at most `count` of them, then pass on."""

    pattern: str
    answer: Answer
    count: int = 10**9
    used: int = 0

    def takes(self, line: str) -> bool:
        if self.used >= self.count or not re.search(self.pattern, line):
            return False
        self.used += 1
        return True


class AnsweringProxy:
    """A TLS reverse proxy with rules. `seen` lists every request line, passed on or not."""

    def __init__(self, target: str, *, target_authority: str, directory: Path) -> None:
        self.rules: list[Rule] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(
            maxsize=32, retries=False, ssl_context=ssl.create_default_context(cadata=target_authority)
        )
        self._target = target
        self.certificate_authority, key = make_certificate()
        pair = directory / "proxy.pem"
        pair.write_text(self.certificate_authority + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        self._server = _QuietServer(("127.0.0.1", 0), _build_handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._pool.clear()

    @contextlib.contextmanager
    def answering(self, pattern: str, answer: Answer, *, count: int = 10**9) -> Iterator[Rule]:
        rule = Rule(pattern=pattern, answer=answer, count=count)
        self.rules.insert(0, rule)
        try:
            yield rule
        finally:
            self.rules.remove(rule)

    def count_seen(self, pattern: str) -> int:
        return sum(1 for line in self.seen if re.search(pattern, line))

    def find_answer(self, line: str) -> Answer | None:
        with self._lock:
            self.seen.append(line)
            return next((rule.answer for rule in self.rules if rule.takes(line)), None)

    def pass_on(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> urllib3.BaseHTTPResponse:
        return self._pool.request(
            method,
            self._target + path,
            headers=headers,
            body=body or None,
            preload_content=False,
            redirect=False,
            timeout=60,
        )


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what these tests are about."""


def _build_handler(proxy: AnsweringProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = proxy.find_answer(f"{self.command} {self.path}")
            if answer is not None:
                self._say(answer)
            else:
                self._relay(body)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _handle  # noqa: N815  (the names that http.server looks for)

        def _say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in {
                "Content-Type": answer.content_type,
                "Content-Length": str(len(answer.body)),
                **answer.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body if answer.cut_after is None else answer.body[: answer.cut_after])
            self.wfile.flush()
            if answer.cut_after is not None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.close_connection = True

        def _relay(self, body: bytes) -> None:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-length"}
            }
            with proxy.pass_on(self.command, self.path, headers, body) as response:
                self.send_response(response.status)
                self.send_header("Content-Type", response.headers.get("Content-Type", ""))
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for chunk in response.stream(65536):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the console."""

    return Handler


def make_certificate(name: str = "fault-proxy") -> tuple[str, str]:
    """A certificate for 127.0.0.1 that is its own authority, and its key: PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(name)]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def wait_for(condition: Callable[[], object], *, seconds: float = 20, what: str = "") -> None:
    """Until `condition` holds; fails with `what` when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(0.05)
