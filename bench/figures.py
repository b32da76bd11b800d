"""What a benchmark finds, and how it is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value. `target` is the largest that we accept, None where nothing was promised."""

    name: str
    value: float
    unit: str
    target: float | None = None

    def __str__(self) -> str:
        verdict = "" if self.target is None else f"   target <= {self.target:g} {self.unit}   {self._verdict()}"
        return f"  {self.name:<58}{self.value:>10.2f} {self.unit}{verdict}"

    def _verdict(self) -> str:
        return "reached" if self.value <= (self.target or 0) else "MISSED"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0..1) of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
