"""The whole demo, as `make demo` starts it, with a small scenario."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.build import build

ROOT = Path(__file__).resolve().parent.parent
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
