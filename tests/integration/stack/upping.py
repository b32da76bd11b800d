"""Starts `aidashboard up` as a person would, for the tests of this folder."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aidashboard.stack.waiting import wait_until

# More than the product's own limits, whose messages say more.
START_SECONDS = 150


@dataclass(slots=True, kw_only=True)
class Up:
    """One `aidashboard up`."""

    data_dir: Path
    process: subprocess.Popen[str]
    output_path: Path

    @property
    def output(self) -> str:
        return self.output_path.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"Pages: +(\S+)", self.output)
        assert found is not None, self.output
        return found[1]

    def get(self, path: str) -> http.client.HTTPResponse:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response

    def manage(self, *arguments: str) -> str:
        """Run a management command in this stack, and return what it prints."""
        result = run_cli("manage", "--data-dir", str(self.data_dir), *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def find_pid(self, name: str) -> int:
        """The process that the journal names as the last one started under this name."""
        return self._list_starts(name)[-1]

    def has_started(self, name: str) -> bool:
        return bool(self._list_starts(name))

    def _list_starts(self, name: str) -> list[int]:
        journal = self.data_dir / "logs" / "stack.log"
        if not journal.exists():
            return []
        return [int(pid) for pid in re.findall(rf"^\S+ {name} \((\d+)\) started", journal.read_text(), re.MULTILINE)]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def clean_environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without the product's variables, which the test run has set for itself."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("AIDASHBOARD_", "DJANGO_"))}
    return {**others, **(variables or {})}


def run_cli(*arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "aidashboard.cli", *arguments],
        env=clean_environment(variables),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )


@contextlib.contextmanager
def starting(data_dir: Path, *, variables: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> Iterator[Up]:
    """A stack on a free port that has just been told to start; whatever the test did, nothing of it runs afterwards."""
    output_path = data_dir.with_name(f"{data_dir.name}.output")
    command = [*prefix, sys.executable, "-m", "aidashboard.cli", "up", "--data-dir", str(data_dir), "--port", "0"]
    with output_path.open("w") as output:
        process = subprocess.Popen(command, env=clean_environment(variables), stdout=output, stderr=output, text=True)
    up = Up(data_dir=data_dir, process=process, output_path=output_path)
    try:
        yield up
    finally:
        if process.poll() is None:
            up.stop()
        wait_until(lambda: not find_holders(data_dir), seconds=30, describe="the end of all processes")


@contextlib.contextmanager
def running(data_dir: Path, *, variables: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> Iterator[Up]:
    """The same once it has printed its summary."""
    with starting(data_dir, variables=variables, prefix=prefix) as up:
        wait_until(
            lambda: "Stop:" in up.output or up.process.poll() is not None,
            seconds=START_SECONDS,
            describe=lambda: f"the summary; so far: {up.output}",
        )
        assert up.process.poll() is None, up.output
        yield up


def find_holders(data_dir: Path) -> list[int]:
    """Every process that holds the lock of the data folder open: the stack and all it has started."""
    lock = str(data_dir / "lock")
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if lock in _open_files(pid)]


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(f"/proc/{pid}/fd/{descriptor}")
