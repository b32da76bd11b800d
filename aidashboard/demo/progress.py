"""How far the demo is: one line on the terminal, one small file that the page reads."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Final

TERMINAL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`phase` is `build`, `start`, `fill`, `ready` or `failed`. While building: program `index` of `count`, `seconds_left` estimated."""

    phase: str
    message: str
    program: str = ""
    index: int = 0
    count: int = 0
    seconds_left: float | None = None

    @property
    def done(self) -> bool:
        return self.phase == "ready"


class ProgressReporter:
    """Writes each progress to the file (whole or not at all) and, when it says something new, to the terminal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._last_words = ""
        self._last_told = 0.0

    def report(self, progress: Progress) -> None:
        with self._lock:
            scratch = self._path.with_suffix(".partial")
            scratch.write_text(json.dumps({**asdict(progress), "done": progress.done}), encoding="utf-8")
            scratch.replace(self._path)
            self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        words = describe(progress)
        is_new_step = progress.message != self._last_words
        if is_new_step or time.monotonic() - self._last_told > TERMINAL_SECONDS:
            self._last_words, self._last_told = progress.message, time.monotonic()
            sys.stdout.write(f"  {words}\n")
            sys.stdout.flush()


def describe(progress: Progress) -> str:
    """One line for people. Example: `Building kube-apiserver (2 of 11), about 4 min left`."""
    if progress.phase != "build" or progress.seconds_left is None:
        return progress.message
    return f"{progress.message} ({progress.index} of {progress.count}), {describe_seconds(progress.seconds_left)} left"


def describe_seconds(seconds: float) -> str:
    """Roughly, as people say it: `less than a minute`, `about 4 min`."""
    return "less than a minute" if seconds < 60 else f"about {round(seconds / 60)} min"
