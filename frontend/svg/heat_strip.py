"""The heat strip: what every GPU of a node does, one cell per card, as SVG from plain values.

Vocabulary: a *cell* is one card; each of the six states has a shape of its own, so that the strip reads without colour.
Cells of one state share one path: a strip of 1,000 nodes with 8 cards stays at a handful of elements per node.
What a single cell is about (pod, owner, memory, power) is fetched when somebody points at the node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from monitoring.domain.gpus import GpuState

CELL_WIDTH: Final = 9
CELL_HEIGHT: Final = 12
CELL_GAP: Final = 2
LONGEST_ROW: Final = 16

STATE_WORDS: Final = {
    GpuState.BUSY: "busy",
    GpuState.LOW: "low",
    GpuState.IDLE: "idle",
    GpuState.FREE: "free",
    GpuState.UNHEALTHY: "unhealthy",
    GpuState.NO_TELEMETRY: "no telemetry",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCell:
    """One card; `duty_ratio` (0..1) is the height of a busy cell."""

    state: GpuState
    duty_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """One node: its name, where a click leads, its cards, and a mark for a node that takes no work."""

    name: str
    url: str
    cells: tuple[HeatCell, ...]
    note: str = ""


def draw_heat_strip(rows: Sequence[HeatRow]) -> SafeString:
    """The list items of one pool: per node a link with its name and its cells."""
    return mark_safe("".join(_draw_row(row) for row in rows))  # noqa: S308  (names are escaped in _draw_row)


def draw_cells(cells: Sequence[HeatCell]) -> SafeString:
    """The cells of one node as one SVG, with a text of the same content."""
    lines = [cells[start : start + LONGEST_ROW] for start in range(0, len(cells), LONGEST_ROW)]
    width = max((len(line) for line in lines), default=0) * (CELL_WIDTH + CELL_GAP) or CELL_WIDTH
    height = max(len(lines), 1) * (CELL_HEIGHT + CELL_GAP)
    paths: dict[str, list[str]] = {}
    for row, line in enumerate(lines):
        for column, cell in enumerate(line):
            x, y = 1 + column * (CELL_WIDTH + CELL_GAP), 1 + row * (CELL_HEIGHT + CELL_GAP)
            for name, path in _shape(cell, x, y):
                paths.setdefault(name, []).append(path)
    drawn = "".join(f'<path class="heat-{name}" d="{"".join(parts)}"/>' for name, parts in paths.items())
    return mark_safe(  # noqa: S308  (only numbers and our own words)
        f'<svg class="heat-cells" width="{width + 1}" height="{height}" viewBox="0 0 {width + 1} {height}" role="img"'
        f' aria-label="{describe_cells(cells)}">{drawn}</svg>'
    )


def describe_cells(cells: Iterable[HeatCell]) -> str:
    """The cells in words, most telling state first: `1 unhealthy, 5 busy, 2 free`."""
    counts = Counter(cell.state for cell in cells)
    order = (
        GpuState.UNHEALTHY,
        GpuState.IDLE,
        GpuState.LOW,
        GpuState.BUSY,
        GpuState.FREE,
        GpuState.NO_TELEMETRY,
    )
    return ", ".join(f"{counts[state]} {STATE_WORDS[state]}" for state in order if counts[state]) or "no GPU"


def _draw_row(row: HeatRow) -> str:
    note = f'<span class="heat-note">{escape(row.note)}</span>' if row.note else ""
    return (
        f'<li class="heat-row{" is-out" if row.note else ""}"><a href="{escape(row.url)}" data-aid-peek>'
        f'<span class="heat-name">{escape(row.name)}</span>{draw_cells(row.cells)}{note}</a></li>'
    )


def _shape(cell: HeatCell, x: int, y: int) -> list[tuple[str, str]]:
    """The path pieces of one cell as (class, path data), the frame first."""
    frame = f"M{x} {y}h{CELL_WIDTH}v{CELL_HEIGHT}h-{CELL_WIDTH}z"
    middle_x, middle_y = x + CELL_WIDTH / 2, y + CELL_HEIGHT // 2
    match cell.state:
        case GpuState.BUSY:
            filled = max(2, round(CELL_HEIGHT * min(max(cell.duty_ratio, 0.0), 1.0)))
            return [("track", frame), ("busy", _bar(x, y, filled))]
        case GpuState.LOW:
            return [("track", frame), ("low", _bar(x, y, CELL_HEIGHT // 2))]
        case GpuState.IDLE:
            dot = f"M{middle_x - 2:g} {middle_y}a2 2 0 1 0 4 0a2 2 0 1 0 -4 0z"
            return [("hollow", frame), ("dot", dot)]
        case GpuState.FREE:
            return [("free", frame)]
        case GpuState.UNHEALTHY:
            cross = f"M{x + 1.5:g} {y + 2.5:g}l6 7M{x + 7.5:g} {y + 2.5:g}l-6 7"
            return [("broken", frame), ("cross", cross)]
        case GpuState.NO_TELEMETRY:
            return [("silent", frame), ("dash", f"M{x + 2} {middle_y}h{CELL_WIDTH - 4}")]


def _bar(x: int, y: int, filled: int) -> str:
    return f"M{x} {y + CELL_HEIGHT - filled}h{CELL_WIDTH}v{filled}h-{CELL_WIDTH}z"
