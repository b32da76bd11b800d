"""The quota bar: one quota and one resource, from 0 to the effective Max, as SVG from plain numbers.

Vocabulary: *guaranteed* is what is used within Min (solid), *borrowed* what is used above it (striped), *lent* the part of our Min
that others use (outline, striped the other way), *free* the rest of Min (light) and what may still be borrowed (empty), *pending*
what waits (a dotted ghost after what is used). A parent's used part is stacked from its children's.

The patterns that fill it stand once per page, in templates/shell/patterns.html; its colours in css/components/quota-bar.css.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Room to the right of Max, where pending work that goes beyond it sticks out.
OVERHANG: Final = 0.08
# An unlimited quota has no end to draw to: its bar ends a little behind what there is to show.
UNLIMITED_AIR: Final = 1.25
SMALLEST_MARK: Final = 1.5


class BarSize(Enum):
    """In a table's row; in a side panel and at the top of a page, with the scale above."""

    ROW = "row"
    PANEL = "panel"
    HEADER = "header"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Geometry:
    width: float
    top: float
    bar: float
    bottom: float

    @property
    def height(self) -> float:
        return self.top + self.bar + self.bottom


_GEOMETRIES: Final = {
    BarSize.ROW: _Geometry(width=240, top=3, bar=12, bottom=3),
    BarSize.PANEL: _Geometry(width=340, top=20, bar=16, bottom=5),
    BarSize.HEADER: _Geometry(width=720, top=22, bar=24, bottom=5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPart:
    """What one child uses of its parent's bar."""

    name: str
    used: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaBar:
    """The numbers of one bar, all in the resource's own unit. `max` None is unlimited."""

    name: str
    resource: str
    min: int
    max: int | None
    used: int
    borrowed: int = 0
    lent: int = 0
    pending: int = 0
    parts: Sequence[BarPart] = ()

    @property
    def guaranteed(self) -> int:
        """What is used within Min."""
        return max(0, self.used - self.borrowed)

    @property
    def end(self) -> float:
        """The value at the right end of the bar."""
        if self.max is not None:
            return float(max(self.max, 1))
        return max(self.min, self.used + self.pending, 1) * UNLIMITED_AIR


def describe_bar(bar: QuotaBar, *, write: Callable[[int], str] = str) -> str:
    """The same content as text.

    Example: `research, GPU: 24 used of at most 40, 16 guaranteed, 8 borrowed, 4 pending`.
    """
    ceiling = "without a Max" if bar.max is None else f"of at most {write(bar.max)}"
    words = [f"{write(bar.used)} used {ceiling}", f"{write(bar.min)} guaranteed"]
    words += [
        f"{write(value)} {word}"
        for value, word in ((bar.borrowed, "borrowed"), (bar.lent, "lent"), (bar.pending, "pending"))
        if value
    ]
    return f"{bar.name}, {bar.resource}: {', '.join(words)}"


def draw_quota_bar(bar: QuotaBar, *, size: BarSize = BarSize.ROW, write: Callable[[int], str] = str) -> SafeString:
    """The bar as an SVG element. `write` puts a value into words with its unit."""
    geometry = _GEOMETRIES[size]
    description = escape(describe_bar(bar, write=write))
    shapes = "".join(_draw_shapes(bar, geometry, size=size, write=write))
    return mark_safe(  # noqa: S308  (every text in it is escaped here)
        f'<svg class="quota-bar quota-bar-{size.value}" width="{_n(geometry.width)}" height="{_n(geometry.height)}" '
        f'viewBox="0 0 {_n(geometry.width)} {_n(geometry.height)}" role="img" aria-label="{description}">'
        f"<title>{description}</title>{shapes}</svg>"
    )


def _draw_shapes(bar: QuotaBar, geometry: _Geometry, *, size: BarSize, write: Callable[[int], str]) -> Iterator[str]:
    track = geometry.width / (1 + OVERHANG)

    def at(value: float) -> float:
        return max(0.0, min(value / bar.end, 1 + OVERHANG)) * track

    ceiling_class = "quota-bar-track" if bar.max is not None else "quota-bar-track is-unlimited"
    yield _rect(ceiling_class, 0, track, geometry)
    yield _rect("quota-bar-free", at(0), at(min(bar.min, bar.end)), geometry)
    yield from _draw_lent(bar, geometry, at)
    yield from _draw_used(bar, geometry, at)
    yield from _draw_pending(bar, geometry, at)
    yield from _draw_scale(bar, geometry, at, size=size, write=write)


def _draw_lent(bar: QuotaBar, geometry: _Geometry, at: Callable[[float], float]) -> Iterator[str]:
    if bar.lent <= 0:
        return
    start, end = at(max(bar.min - bar.lent, bar.guaranteed)), at(bar.min)
    yield _rect("quota-bar-lent", start, end, geometry, inset=0.5, fill="url(#aid-lent)")


def _draw_used(bar: QuotaBar, geometry: _Geometry, at: Callable[[float], float]) -> Iterator[str]:
    """Solid up to what is guaranteed, striped above, cut into the children when there are any."""
    start = 0
    for index, part in enumerate(bar.parts or (BarPart(name="", used=bar.used),)):
        if part.used <= 0:
            continue
        end = start + part.used
        title = f"<title>{escape(part.name)}: {part.used}</title>" if part.name else ""
        kind = f"quota-bar-used part-{index % 2}" if part.name else "quota-bar-used"
        solid_end = min(end, bar.guaranteed)
        if solid_end > start:
            yield _rect(kind, at(start), at(solid_end), geometry, content=title)
        if end > bar.guaranteed:
            striped_start = max(start, bar.guaranteed)
            yield _rect(
                "quota-bar-borrowed", at(striped_start), at(end), geometry, fill="url(#aid-borrowed)", content=title
            )
        if part.name and index and start:
            yield _line("quota-bar-seam", at(start), geometry.top, geometry.top + geometry.bar)
        start = end


def _draw_pending(bar: QuotaBar, geometry: _Geometry, at: Callable[[float], float]) -> Iterator[str]:
    if bar.pending <= 0:
        return
    start = at(bar.used)
    end = max(at(bar.used + bar.pending), start + SMALLEST_MARK)
    yield _rect("quota-bar-pending", start, end, geometry, inset=1.5, fill="url(#aid-pending)")


def _draw_scale(
    bar: QuotaBar,
    geometry: _Geometry,
    at: Callable[[float], float],
    *,
    size: BarSize,
    write: Callable[[int], str],
) -> Iterator[str]:
    """The tick at Min and the stop at Max; with their numbers on the large bar."""
    bottom = geometry.top + geometry.bar
    has_min = 0 < bar.min <= bar.end
    if has_min:
        yield _line("quota-bar-min", at(bar.min), geometry.top - 3, bottom + 3)
    if bar.max is not None:
        yield _line("quota-bar-max", at(bar.max), geometry.top - 3, bottom + 3)
    if size is BarSize.ROW:
        return
    baseline = geometry.top - 8
    if has_min:
        yield _text(at(bar.min), baseline, f"Min {write(bar.min)}", anchor=_anchor(at(bar.min), geometry))
    if bar.max is not None and not (has_min and at(bar.max) - at(bar.min) < 90):
        yield _text(at(bar.max), baseline, f"Max {write(bar.max)}", anchor="end")


def _anchor(x: float, geometry: _Geometry) -> str:
    if x < 40:
        return "start"
    return "end" if x > geometry.width - 120 else "middle"


def _rect(
    kind: str, start: float, end: float, geometry: _Geometry, *, inset: float = 0, fill: str = "", content: str = ""
) -> str:
    width = max(0.0, end - start - 2 * inset)
    if width <= 0:
        return ""
    pattern = f' fill="{fill}"' if fill else ""
    shape = (
        f'<rect class="{kind}" x="{_n(start + inset)}" y="{_n(geometry.top + inset)}" width="{_n(width)}" '
        f'height="{_n(geometry.bar - 2 * inset)}"{pattern}'
    )
    return f"{shape}>{content}</rect>" if content else f"{shape}/>"


def _line(kind: str, x: float, top: float, bottom: float) -> str:
    return f'<line class="{kind}" x1="{_n(x)}" x2="{_n(x)}" y1="{_n(top)}" y2="{_n(bottom)}"/>'


def _text(x: float, y: float, words: str, *, anchor: str) -> str:
    return f'<text class="quota-bar-text" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(words)}</text>'


def _n(value: float) -> str:
    """A coordinate without a tail of zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
