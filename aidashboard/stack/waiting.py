"""Waiting for a condition, with pauses that grow: quick for what is quick, cheap for what is slow."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FIRST_PAUSE_SECONDS: Final = 0.005
LONGEST_PAUSE_SECONDS: Final = 0.1
GROWTH: Final = 1.5


class WaitTimeoutError(TimeoutError):
    """The condition did not hold in time; the message says what was waited for and how long."""


def wait_until(condition: Callable[[], bool], *, seconds: float, describe: str | Callable[[], str]) -> None:
    """Return as soon as `condition()` is true; it is asked at least once, however short the time.

    `describe` completes the sentence "gave up after 5 s waiting for ...", and may be a function where the words depend on
    how far things have come.

    Raises: WaitTimeoutError when `seconds` have passed. What `condition` raises passes through.
    """
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while not condition():
        left = deadline - time.monotonic()
        if left <= 0:
            what = describe if isinstance(describe, str) else describe()
            raise WaitTimeoutError(f"gave up after {seconds:g} s waiting for {what}")
        time.sleep(min(pause, left))
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)
