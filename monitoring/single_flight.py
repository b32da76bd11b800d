"""One question at a time: values kept for the scrape interval, asked for by one caller while the others wait or take the old one.

When the source fails, the last good value is given with its age and the reason; a failure is remembered for a few seconds, so
that a page of ten tiles does not knock ten times. Without Redis everything still works, only without memory.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

import redis
import structlog
from django.core.cache import cache

from monitoring.domain.telemetry import Reading, Telemetry, Unavailable, UnavailableReason
from monitoring.prometheus.errors import NoTelemetryError, PrometheusError

Value = TypeVar("Value")

log = structlog.get_logger(__name__)

# Part of every key: raise it when a cached dataclass changes its fields, or an old process's pickle meets a new class.
VERSION: Final = 1
RETRY_SECONDS: Final = 5
KEEP_SECONDS: Final = 24 * 3600
WAIT_SECONDS: Final = 3.5
# Longer than the slowest fetch; a lock of a killed process is gone by then.
LOCK_SECONDS: Final = 20
_PAUSE_SECONDS: Final = 0.05
# A value this many times its freshness old is still given to those who would have to wait for the new one.
_SERVE_OLD: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[Value]):
    """What a fetch gives: the value and Prometheus' warnings about it."""

    value: Value
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[Value]):
    answer: Answer[Value]
    as_of: datetime

    def as_reading(self, problem: Unavailable | None = None) -> Telemetry[Value]:
        return Telemetry(value=self.answer.value, as_of=self.as_of, problem=problem, warnings=self.answer.warnings)


def read_once(
    key: str, *, now: datetime, fresh_seconds: int, fetch: Callable[[], Answer[Value]], about: str
) -> Reading[Value]:
    """The value under `key`, at most `fresh_seconds` old if the source allows. `about` names the query in the log."""
    try:
        return _read_through_cache(
            f"telemetry:{VERSION}:{key}", now=now, fresh_seconds=fresh_seconds, fetch=fetch, about=about
        )
    except redis.RedisError:
        outcome = _fetch(fetch, now=now, about=about)
        return outcome if isinstance(outcome, Unavailable) else outcome.as_reading()


def _read_through_cache(
    key: str, *, now: datetime, fresh_seconds: int, fetch: Callable[[], Answer[Value]], about: str
) -> Reading[Value]:
    found: tuple[Reading[Value] | None, Entry[Value] | None] = _look(key, now=now, fresh_seconds=fresh_seconds)
    reading, entry = found
    if reading is not None:
        return reading
    ticket = secrets.token_hex(8)
    if not cache.add(f"{key}:lock", ticket, timeout=LOCK_SECONDS):
        return _wait(key, now=now, fresh_seconds=fresh_seconds, entry=entry)
    try:
        # Whoever had the lock may have answered between our look and our turn.
        reading, entry = _look(key, now=now, fresh_seconds=fresh_seconds)
        if reading is not None:
            return reading
        outcome = _fetch(fetch, now=now, about=about)
        if isinstance(outcome, Entry):
            cache.set(key, outcome, timeout=KEEP_SECONDS)
            return outcome.as_reading()
        seconds = fresh_seconds if outcome.reason == UnavailableReason.NO_TELEMETRY else RETRY_SECONDS
        cache.set(f"{key}:failure", outcome, timeout=seconds)
        return _combine(entry, outcome)
    finally:
        if cache.get(f"{key}:lock") == ticket:
            cache.delete(f"{key}:lock")


def _look(key: str, *, now: datetime, fresh_seconds: int) -> tuple[Reading[Value] | None, Entry[Value] | None]:
    """What the cache has: a reading that will do, and the last good value whether it will or not."""
    found = cache.get_many([key, f"{key}:failure"])
    entry: Entry[Value] | None = found.get(key)
    failure: Unavailable | None = found.get(f"{key}:failure")
    if entry is not None and now - entry.as_of < timedelta(seconds=fresh_seconds):
        return entry.as_reading(), entry
    if failure is not None:
        return _combine(entry, failure), entry
    return None, entry


def _wait(key: str, *, now: datetime, fresh_seconds: int, entry: Entry[Value] | None) -> Reading[Value]:
    """Somebody else is asking: take the old value when it is not very old, else wait for theirs."""
    if entry is not None and now - entry.as_of < timedelta(seconds=fresh_seconds * _SERVE_OLD):
        return entry.as_reading()
    give_up_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up_at:
        time.sleep(_PAUSE_SECONDS)
        reading, entry = _look(key, now=now, fresh_seconds=fresh_seconds)
        if reading is not None:
            return reading
    return _combine(
        entry, Unavailable(reason=UnavailableReason.TIMEOUT, message="another request is still waiting for it")
    )


def _combine(entry: Entry[Value] | None, failure: Unavailable) -> Reading[Value]:
    """The last good value with the reason why it is old. A source that answers "nothing" makes the old value untrue."""
    if entry is None or failure.reason == UnavailableReason.NO_TELEMETRY:
        return failure
    return entry.as_reading(failure)


def _fetch(fetch: Callable[[], Answer[Value]], *, now: datetime, about: str) -> Entry[Value] | Unavailable:
    try:
        return Entry(answer=fetch(), as_of=now)
    except NoTelemetryError as error:
        return error.as_unavailable()
    except PrometheusError as error:
        log.warning("prometheus_query_failed", query=about, reason=error.reason.value, error=error.message)
        return error.as_unavailable()
