"""A demo of our own for the benchmarks, and a signed-in client of its REST API."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sandbox.build import build

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 300
CALL_SECONDS = 10


@dataclass(slots=True, kw_only=True)
class DemoSession:
    """A running demo. `first_page_seconds` and `live_seconds` count from the start of the command."""

    data_dir: Path
    process: subprocess.Popen[bytes]
    started_at: float
    url: str = ""
    first_page_seconds: float = 0.0
    ready_seconds: float = 0.0
    live_seconds: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)  # Any: demo.json
    http: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **parameters: str) -> Any:  # Any: the API's JSON
        reply = self.http.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=CALL_SECONDS)
        reply.raise_for_status()
        return reply.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:  # Any: the API's JSON
        headers = {"X-CSRFToken": self.http.cookies["csrftoken"], "Referer": self.url}
        reply = self.http.post(f"{self.url}/api/v1/{path}", json=body, headers=headers, timeout=CALL_SECONDS)
        if not reply.ok:
            raise RuntimeError(f"{path}: {reply.status_code} {reply.text}")
        return reply.json()

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        command = [str(build().kubectl), f"--kubeconfig={self.summary['kubeconfig']}", *arguments]
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=60, check=True).stdout

    def sign_in(self, role: str = "admin") -> None:
        page = self.http.get(f"{self.url}/login", timeout=CALL_SECONDS).text
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found, "no login form"
        login = self.summary[role]
        form = {"csrfmiddlewaretoken": found[1], "login": login["username"], "password": login["password"]}
        reply = self.http.post(f"{self.url}/login", data=form, headers={"Referer": self.url}, timeout=CALL_SECONDS)
        assert "/login" not in reply.url, "the login was refused"


@contextmanager
def run_demo(data_dir: Path, *, port: int) -> Iterator[DemoSession]:
    """Start `aidashboard demo` on a folder, wait until it is live, stop it at the end."""
    started_at = time.monotonic()
    log = (data_dir.parent / f"{data_dir.name}.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "aidashboard.cli", "demo", "--data-dir", str(data_dir), "--port", str(port)],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("AIDASHBOARD_")},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    session = DemoSession(data_dir=data_dir, process=process, started_at=started_at, url=f"http://127.0.0.1:{port}")
    try:
        _wait_for_first_page(session)
        _wait_for_summary(session)
        session.sign_in()
        _wait_for_figures(session)
        yield session
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=90)
        log.close()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aid-bench-") as folder:
        yield Path(folder)


def _wait_for_first_page(session: DemoSession) -> None:
    while True:
        _check(session)
        try:
            if requests.get(f"{session.url}/login", timeout=2).ok:
                session.first_page_seconds = time.monotonic() - session.started_at
                return
        except requests.ConnectionError:
            time.sleep(0.05)


def _wait_for_summary(session: DemoSession) -> None:
    path = session.data_dir / "demo.json"
    while not path.exists():
        _check(session)
        time.sleep(0.05)
    session.summary = json.loads(path.read_text())
    session.ready_seconds = time.monotonic() - session.started_at


def _wait_for_figures(session: DemoSession) -> None:
    """Live means: every node is there, and work runs on them."""
    while True:
        _check(session)
        nodes = session.get("nodes/", page_size="1")["count"]
        running = session.get("workloads/", state="admitted", page_size="1")["count"]
        if nodes >= 64 and running > 0:
            session.live_seconds = time.monotonic() - session.started_at
            return
        time.sleep(0.1)


def _check(session: DemoSession) -> None:
    if session.process.poll() is not None:
        raise RuntimeError(f"the demo ended with {session.process.returncode}; see {session.data_dir}.log")
    if time.monotonic() - session.started_at > READY_SECONDS:
        raise RuntimeError(f"the demo was not ready after {READY_SECONDS} s; see {session.data_dir}.log")
