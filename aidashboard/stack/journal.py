"""What happened to the processes: all of it in a log file, and what matters to a person as a line in the terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aidashboard.stack.events import EventKind, ProcessEvent


class Journal:
    """Takes the events of a supervisor, and never fails: the terminal may have been closed, the disk may be full."""

    def __init__(self, path: Path, *, report: Callable[[str], None]) -> None:
        self._path = path
        self._report = report

    def note(self, event: ProcessEvent) -> None:
        with contextlib.suppress(OSError):
            self._write(event)
        line = describe_for_terminal(event)
        if line:
            with contextlib.suppress(OSError, ValueError):  # ValueError: the stream is closed
                self._report(line)

    def _write(self, event: ProcessEvent) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        took = f" after {event.seconds:.2f} s" if event.kind in {EventKind.READY, EventKind.STOPPED} else ""
        detail = f": {event.detail}" if event.detail else ""
        now = datetime.now(tz=UTC).isoformat(timespec="milliseconds")
        with self._path.open("a") as file:
            file.write(f"{now} {event.name} ({event.pid}) {event.kind}{took}{detail}\n")


def describe_for_terminal(event: ProcessEvent) -> str:
    """The line for a person, or nothing for what goes as planned."""
    if event.kind is EventKind.CRASHED:
        return f"{event.name} crashed ({event.detail})"
    if event.kind is EventKind.RESTARTED:
        return f"{event.name} runs again"
    if event.kind is EventKind.STOPPED and event.detail:
        return f"{event.name} was {event.detail}"
    return ""
