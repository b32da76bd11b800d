"""A stub in place of a Prometheus that misbehaves: only the behaviours that a healthy server can't be made to show."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Reply:
    """`drip_seconds` is the pause before every byte; `delay_seconds` that before the answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    drip_seconds: float = 0.0


@dataclass
class StubPrometheus:
    """What it answers is `answer`, by the path and the form; what it was asked is in `asked`."""

    url: str
    answer: Callable[[str, dict[str, str]], Reply]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def count(self, path: str = "/api/v1/query") -> int:
        return sum(1 for asked, _ in self.asked if asked == path)


def vector(*samples: tuple[dict[str, str], float], warnings: tuple[str, ...] = ()) -> Reply:
    result = [{"metric": labels, "value": [0, str(value)]} for labels, value in samples]
    document: dict[str, Any] = {"status": "success", "data": {"resultType": "vector", "result": result}}
    if warnings:
        document["warnings"] = list(warnings)
    return Reply(body=json.dumps(document).encode())


def failure(status: int, error_type: str, error: str) -> Reply:
    return Reply(status=status, body=json.dumps({"status": "error", "errorType": error_type, "error": error}).encode())


@contextmanager
def stub_prometheus(answer: Callable[[str, dict[str, str]], Reply]) -> Iterator[StubPrometheus]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._respond({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self._respond({name: values[0] for name, values in parse_qs(body).items()})

        def _respond(self, form: dict[str, str]) -> None:
            stub.asked.append((self.path, form))
            stub.authorizations.append(self.headers.get("Authorization", ""))
            reply = stub.answer(self.path, form)
            time.sleep(reply.delay_seconds)
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                step = 1 if reply.drip_seconds else max(1, len(reply.body))
                for start in range(0, len(reply.body), step):
                    time.sleep(reply.drip_seconds)
                    self.wfile.write(reply.body[start : start + step])
                    self.wfile.flush()
            except OSError:
                pass  # The client has given up, as it should.

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub = StubPrometheus(url=f"http://127.0.0.1:{server.server_address[1]}", answer=answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
