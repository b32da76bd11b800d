"""What a page says about a metrics source: how old its figures are, or why there are none; and histories as charts and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from frontend.tables import TableQuery
from monitoring.domain.gpus import History
from monitoring.domain.ranges import TimeRange
from monitoring.domain.telemetry import Reading, Telemetry, UnavailableReason

TABLE_ROWS: Final = 13
RANGE_LABELS: Final = {TimeRange.HOUR: "1 h", TimeRange.SIX_HOURS: "6 h", TimeRange.DAY: "24 h", TimeRange.WEEK: "7 d"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """`message` is empty when all is well. `can_connect`: nobody has connected a source yet. `as_of` is the age of what is shown."""

    is_available: bool
    is_stale: bool
    message: str
    can_connect: bool
    as_of: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineLook:
    """How one line of a history is called and drawn; a ratio runs along the right axis, a count along the left one."""

    label: str
    unit: Literal["ratio", "count"]
    style: Literal["line", "area", "step"] = "line"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesRow:
    at: datetime
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesTable:
    """A history for readers without script: every so-manieth value. `message` says why there are no rows."""

    header: tuple[str, ...]
    rows: tuple[SeriesRow, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeChoice:
    label: str
    url: str
    is_current: bool


def describe_reading(reading: Reading[Any]) -> SourceState:  # Any: whatever was read
    if isinstance(reading, Telemetry):
        problem = reading.problem
        return SourceState(
            is_available=True,
            is_stale=problem is not None,
            message=_sentence(problem.message if problem else "; ".join(reading.warnings)),
            can_connect=False,
            as_of=reading.as_of,
        )
    return SourceState(
        is_available=False,
        is_stale=False,
        message=_sentence(reading.message),
        can_connect=reading.reason == UnavailableReason.NO_SOURCE,
        as_of=None,
    )


def _sentence(message: str) -> str:
    """The source's own words as a sentence."""
    return f"{message[:1].upper()}{message[1:].rstrip('.')}." if message else ""


def build_series(reading: Reading[History], looks: Mapping[str, LineLook]) -> dict[str, Any]:  # Any: JSON
    """The JSON that `<aid-time-series>` draws: times in seconds, one list of values per line, None for a gap."""
    if not isinstance(reading, Telemetry):
        return {"times": [], "lines": [], "message": _sentence(reading.message)}
    history = reading.value
    return {
        "times": [int(at.timestamp()) for at in history.at],
        "lines": [
            {"name": look.label, "unit": look.unit, "style": look.style, "values": history.lines[name]}
            for name, look in looks.items()
            if name in history.lines
        ],
        "message": "",
    }


def build_series_table(reading: Reading[History], looks: Mapping[str, LineLook]) -> SeriesTable:
    header = tuple(look.label for look in looks.values())
    if not isinstance(reading, Telemetry):
        return SeriesTable(header=header, rows=(), message=_sentence(reading.message))
    history = reading.value
    count = len(history.at)
    stride = max(1, (count - 1) // (TABLE_ROWS - 1)) if count else 1
    # Backwards from the newest, so that the last value is always among them.
    shown = list(range(count - 1, -1, -stride))
    return SeriesTable(
        header=header,
        rows=tuple(
            SeriesRow(
                at=history.at[index],
                values=tuple(_format(history.lines.get(name, ()), index, look) for name, look in looks.items()),
            )
            for index in shown
        ),
        message="",
    )


def read_range(table: TableQuery, *, default: TimeRange = TimeRange.DAY) -> TimeRange:
    """The range that the address says; what is unknown counts as not said."""
    text = table.get("range")
    return TimeRange(text) if text in set(TimeRange) else default


def build_range_choices(table: TableQuery, *, current: TimeRange) -> tuple[RangeChoice, ...]:
    return tuple(
        RangeChoice(label=label, url=table.url(range=span.value), is_current=span == current)
        for span, label in RANGE_LABELS.items()
    )


def _format(values: tuple[float | None, ...], index: int, look: LineLook) -> str:
    value = values[index] if index < len(values) else None
    if value is None:
        return "–"
    return f"{round(value * 100)}%" if look.unit == "ratio" else f"{round(value)}"
