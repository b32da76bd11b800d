import time
from itertools import count

import pytest

from aidashboard.stack.waiting import WaitTimeoutError, wait_until


def test_condition_that_holds_is_asked_once_even_without_time():
    calls = count()

    wait_until(lambda: next(calls) >= 0, seconds=0, describe="nothing")

    assert next(calls) == 1


def test_waiting_ends_as_soon_as_the_condition_holds():
    calls = count()
    started_at = time.monotonic()

    wait_until(lambda: next(calls) >= 3, seconds=30, describe="the fourth call")

    assert time.monotonic() - started_at < 1


def test_giving_up_says_what_was_waited_for_and_how_long():
    with pytest.raises(WaitTimeoutError, match=r"gave up after 0\.01 s waiting for a reply from the moon"):
        wait_until(lambda: False, seconds=0.01, describe=lambda: "a reply from the moon")


def test_error_of_the_condition_passes_through():
    def fail() -> bool:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        wait_until(fail, seconds=1, describe="anything")
