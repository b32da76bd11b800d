"""The figures that our judgements rest on. Each is a choice of ours, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FATAL_XIDS: Final = frozenset({46, 48, 62, 64, 74, 79, 94, 95, 119, 120, 140, 143})
"""XID codes that speak of the card. 13, 31, 43 and 45 are faults of a user's program and never make a card unhealthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """`idle_window_minutes`: a GPU is idle when its peak over the window is below `idle_peak_percent`.
    `idle_share_of_samples`: how much of the window must be known: a gap never counts as idle.
    `empty_memory_mib`: an idle GPU that holds less is idle-empty, otherwise idle-held.
    `low_ratio`: below this a busy GPU is drawn as low. `xid_memory_hours`: how long a fatal XID marks its card;
    longer is dearer, every sample in between is read. `hot_celsius`: from where a card counts as too hot.
    """

    idle_window_minutes: int = 60
    idle_step_seconds: int = 60
    idle_peak_percent: float = 1.0
    idle_share_of_samples: float = 0.9
    empty_memory_mib: int = 500
    low_ratio: float = 0.1
    xid_memory_hours: int = 6
    hot_celsius: float = 90.0

    @property
    def idle_samples(self) -> int:
        """Samples that must be there: 54 of 60."""
        expected = self.idle_window_minutes * 60 // self.idle_step_seconds
        return round(expected * self.idle_share_of_samples)


DEFAULT_THRESHOLDS: Final = Thresholds()
