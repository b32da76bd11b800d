"""A sparkline: a short series as one line without axes, as SVG from plain values. A missing value leaves a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

WIDTH: Final = 96
HEIGHT: Final = 20


def draw_sparkline(values: Sequence[float | None], *, top: float, words: str) -> SafeString:
    """The values from left to right between 0 and `top`; values beyond are drawn at the edge. `words` says the same as text."""
    path = "".join(_line(values, top=top)) if top > 0 else ""
    drawn = f'<path class="sparkline-line" d="{path}"/>' if path else ""
    return mark_safe(  # noqa: S308  (numbers, and words that are escaped)
        f'<svg class="sparkline" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(words)}"><path class="sparkline-base" d="M0 {HEIGHT - 0.5:g}h{WIDTH}"/>{drawn}</svg>'
    )


def _line(values: Sequence[float | None], *, top: float) -> list[str]:
    step = WIDTH / max(len(values) - 1, 1)
    parts: list[str] = []
    is_open = False
    for index, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        y = 1 + (HEIGHT - 2) * (1 - min(max(value / top, 0.0), 1.0))
        # A lone sample is a dot: a line of no length with round ends.
        parts.append(f"{'L' if is_open else 'M'}{index * step:.1f} {y:.1f}" + ("" if is_open else "h0"))
        is_open = True
    return parts
