"""A histogram whose bars are links: how many things there are of each size, as SVG from plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

BAR_WIDTH: Final = 26
BAR_GAP: Final = 6
TALLEST: Final = 56
ABOVE: Final = 16
BELOW: Final = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramBar:
    """`count` things of the size that `label` names; `url` lists them; `words` is the sentence that is read out."""

    label: str
    count: int
    url: str
    words: str


def draw_histogram(bars: Sequence[HistogramBar], *, title: str) -> SafeString:
    """The bars side by side, each with its count above and its label below. The tallest takes the full height;
    a bar with a count never vanishes, one without is a thin line."""
    most = max((bar.count for bar in bars), default=0) or 1
    width = max(len(bars), 1) * (BAR_WIDTH + BAR_GAP) + BAR_GAP
    height = ABOVE + TALLEST + BELOW
    drawn = "".join(_draw_bar(bar, index=index, most=most) for index, bar in enumerate(bars))
    return mark_safe(  # noqa: S308  (texts are escaped in _draw_bar)
        f'<svg class="histogram" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="group"'
        f' aria-label="{escape(title)}">{drawn}</svg>'
    )


def _draw_bar(bar: HistogramBar, *, index: int, most: int) -> str:
    x = BAR_GAP + index * (BAR_WIDTH + BAR_GAP)
    middle = x + BAR_WIDTH // 2
    tall = max(3, round(TALLEST * bar.count / most)) if bar.count else 1
    top = ABOVE + TALLEST - tall
    kind = "histogram-bar" if bar.count else "histogram-bar is-empty"
    shapes = (
        f"<title>{escape(bar.words)}</title>"
        f'<rect class="histogram-hit" x="{x}" y="0" width="{BAR_WIDTH}" height="{ABOVE + TALLEST + BELOW}"/>'
        f'<rect class="{kind}" x="{x}" y="{top}" width="{BAR_WIDTH}" height="{tall}" rx="2"/>'
        f'<text class="histogram-count" x="{middle}" y="{top - 4}" text-anchor="middle">{bar.count}</text>'
        f'<text class="histogram-label" x="{middle}" y="{ABOVE + TALLEST + 14}" text-anchor="middle">'
        f"{escape(bar.label)}</text>"
    )
    if not bar.count:
        return f"<g>{shapes}</g>"
    return f'<a href="{escape(bar.url)}" aria-label="{escape(bar.words)}">{shapes}</a>'
