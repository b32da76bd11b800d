"""The exporter's threads: two that follow nodes and pods, and an HTTP server that answers `/metrics` and `/healthz`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from sandbox.api import KubeApi, Listing, follow
from sandbox.gpus.exposition import CONTENT_TYPE, render
from sandbox.gpus.fleet import Fleet
from sandbox.gpus.inventory import read_node, read_pod
from sandbox.gpus.memory import load_memory, save_memory

# Well within the time that a resumed counter is charged at full power (thermals.UNSEEN_SECONDS).
SAVE_SECONDS: Final = 20.0
RUNNING: Final = {"fieldSelector": "status.phase=Running"}


class Exporter:
    """The fleet behind one lock, the threads that feed it, and what is asked of it."""

    def __init__(self, api: KubeApi, *, memory_path: Path, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._memory_path = memory_path
        self._clock = clock
        self._fleet = Fleet(load_memory(memory_path))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._has_nodes = threading.Event()
        self._has_pods = threading.Event()
        self._threads = [
            threading.Thread(target=self._follow_nodes, name="nodes", daemon=True),
            threading.Thread(target=self._follow_pods, name="pods", daemon=True),
            threading.Thread(target=self._save_now_and_then, name="memory", daemon=True),
        ]

    @property
    def is_ready(self) -> bool:
        """Whether nodes and pods are known: before that a scrape would show every card free."""
        return self._has_nodes.is_set() and self._has_pods.is_set()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Call it when nobody can ask any more: what is remembered now is the last word."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=2)
        if self.is_ready:
            self._save(is_exact=True)

    def render(self) -> str:
        with self._lock:
            readings = self._fleet.read(now=self._clock())
        return render(readings)

    def _follow_nodes(self) -> None:
        for news in follow(self._api, "/api/v1/nodes", stop=self._stop):
            with self._lock:
                now = self._clock()
                if isinstance(news, Listing):
                    found = [read_node(item) for item in news.items]
                    self._fleet.replace_nodes([node for node in found if node is not None], now=now)
                    self._has_nodes.set()
                    continue
                node = read_node(news.item)
                if node is None or news.kind == "DELETED":
                    self._fleet.remove_node(news.item["metadata"]["name"])
                else:
                    self._fleet.put_node(node, now=now)

    def _follow_pods(self) -> None:
        # With this selector a pod that ends arrives as DELETED, like one that is removed.
        for news in follow(self._api, "/api/v1/pods", parameters=RUNNING, stop=self._stop):
            # Assignments are remembered per card, so the cards have to be there first.
            self._has_nodes.wait(timeout=30)
            with self._lock:
                if isinstance(news, Listing):
                    found = [read_pod(item) for item in news.items]
                    self._fleet.replace_pods([pod for pod in found if pod is not None])
                    self._has_pods.set()
                    continue
                pod = read_pod(news.item)
                if pod is None or news.kind == "DELETED":
                    self._fleet.remove_pod(news.item["metadata"]["uid"])
                else:
                    self._fleet.put_pod(pod)

    def _save_now_and_then(self) -> None:
        while not self._stop.is_set() and not (self._has_nodes.wait(0.5) and self._has_pods.wait(0.5)):
            pass
        # At once: from the first answer on, the memory that was loaded is no longer exact.
        while not self._stop.is_set():
            self._save(is_exact=False)
            self._stop.wait(SAVE_SECONDS)

    def _save(self, *, is_exact: bool) -> None:
        with self._lock:
            # Reading carries the counters up to now, also when nobody scrapes.
            self._fleet.read(now=self._clock())
            memory = self._fleet.remember(is_exact=is_exact)
        save_memory(self._memory_path, memory)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # Who hangs up in the middle of an answer is no news either; anything else shows its traceback.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants a socket


def build_server(exporter: Exporter, *, port: int, host: str = "127.0.0.1") -> ThreadingHTTPServer:
    """The HTTP server, bound and not yet serving."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "sandbox-gpus"

        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(200 if exporter.is_ready else 503, "ok\n" if exporter.is_ready else "waiting for nodes\n")
            elif self.path != "/metrics":
                self._answer(404, "only /metrics and /healthz\n")
            elif not exporter.is_ready:
                self._answer(503, "waiting for nodes and pods\n")
            else:
                self._answer(200, exporter.render())

        def log_message(self, format: str, *args: object) -> None:
            """Silent: a scrape every few seconds is no news."""

        def _answer(self, http_status: int, text: str) -> None:
            body = text.encode()
            self.send_response(http_status)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return _Server((host, port), Handler)
