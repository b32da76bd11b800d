"""What reading a metric can give: a value with its age, or the reason why there is none. Never a zero that stands for "unknown".

Vocabulary: a *reading* is either; a reading is *stale* when its source stopped answering and the last good value is shown with
its age; *no telemetry* means that the source answers and has nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

Value = TypeVar("Value")
Other = TypeVar("Other")


class UnavailableReason(StrEnum):
    """Why there is no value. The first group is about the source, the last about its content."""

    NO_SOURCE = "no_source"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    TIMEOUT = "timeout"
    QUERY_FAILED = "query_failed"
    TOO_MANY_SAMPLES = "too_many_samples"
    NO_TELEMETRY = "no_telemetry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """There is no value, and this is why. `message` is the sentence for people."""

    is_available: ClassVar[bool] = False

    reason: UnavailableReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry(Generic[Value]):
    """A value, the time it was true, and whether that is longer ago than it should be.

    `problem` says why a stale value could not be renewed; `warnings` are Prometheus' own words about a partial answer.
    """

    is_available: ClassVar[bool] = True

    value: Value
    as_of: datetime
    problem: Unavailable | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_stale(self) -> bool:
        return self.problem is not None

    @property
    def is_partial(self) -> bool:
        return bool(self.warnings)

    def age_seconds(self, *, now: datetime) -> float:
        return max(0.0, (now - self.as_of).total_seconds())

    def map(self, change: Callable[[Value], Other]) -> Telemetry[Other]:
        """The same reading of something derived from the value."""
        return Telemetry(value=change(self.value), as_of=self.as_of, problem=self.problem, warnings=self.warnings)


Reading = Telemetry[Value] | Unavailable
