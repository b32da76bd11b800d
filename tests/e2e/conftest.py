"""The whole demo, as `make demo` starts it, with a small scenario; and a browser that fails a test on any error in its console."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from sandbox.build import build

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 240
STOP_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDemo:
    """What demo.json says, and the process."""

    url: str
    admin: Login
    researcher: Login
    kubeconfig: Path
    data_dir: Path
    process: subprocess.Popen[bytes]

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        command = [str(build().kubectl), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=input, capture_output=True, text=True, timeout=60, check=True).stdout


def start_demo(data_dir: Path) -> RunningDemo:
    """Start it as a person would, and wait until demo.json is complete."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIDASHBOARD_", "DJANGO_"))
    }
    log_path = data_dir.with_suffix(".log")
    (data_dir / "demo.json").unlink(missing_ok=True)  # of one that was killed
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "aidashboard.cli", "demo"),
                *("--data-dir", str(data_dir), "--port", "0", "--scenario", "tests"),
            ],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + READY_SECONDS
    while not (data_dir / "demo.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the demo did not come up:\n{log_path.read_text()}")
        time.sleep(0.2)
    summary = json.loads((data_dir / "demo.json").read_text())
    return RunningDemo(
        url=summary["url"],
        admin=Login(**summary["admin"]),
        researcher=Login(**summary["researcher"]),
        kubeconfig=Path(summary["kubeconfig"]),
        data_dir=data_dir,
        process=process,
    )


def stop_demo(demo: RunningDemo) -> None:
    """Ctrl-C; everything it has started must be gone afterwards."""
    children = psutil.Process(demo.process.pid).children(recursive=True)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(timeout=STOP_SECONDS) == 0
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, f"left running: {[process.cmdline() for process in alive]}"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = start_demo(tmp_path_factory.mktemp("demo") / "data")
    yield running
    stop_demo(running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "Chromium is missing: run .ci/setup browser"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium)
        yield launched
        launched.close()


SignIn = Callable[[Login], Page]


@pytest.fixture
def sign_in(browser: Browser, demo: RunningDemo) -> Iterator[SignIn]:
    """Open a page of one's own, signed in. Afterwards no error may stand in any console: CSP breaches show up only there."""
    complaints: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    def open_page(login: Login) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=demo.url)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/login")
        page.fill("input[name=login]", login.username)
        page.fill("input[name=password]", login.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
