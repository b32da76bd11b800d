"""Ctrl-C, `kill` and a closed terminal, all as one exception in the main thread."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# One press can arrive twice: from the terminal, and passed on by make or another parent.
ECHO_SECONDS: Final = 0.5


class StopRequested(KeyboardInterrupt):
    """Somebody wants us to stop."""


@contextmanager
def stop_signals() -> Iterator[None]:
    """Inside, a stop signal raises StopRequested; an echo of it within `ECHO_SECONDS` does not. Main thread only."""
    last_at = float("-inf")

    def request_stop(number: int, frame: FrameType | None) -> None:
        nonlocal last_at
        before, last_at = last_at, time.monotonic()
        if last_at - before > ECHO_SECONDS:
            raise StopRequested

    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in previous.items():
        # Started with nohup: the terminal may go, we stay. SIGINT is ignored in whatever a script starts with `&`; there
        # `kill -INT` must still work, so that one is always ours.
        if handler is not signal.SIG_IGN or number is not signal.SIGHUP:
            signal.signal(number, request_stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
