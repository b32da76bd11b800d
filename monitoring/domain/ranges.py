"""The time ranges a person can choose, and the step each is drawn with."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TimeRange(StrEnum):
    """A span that ends now."""

    HOUR = "1h"
    SIX_HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"


SECONDS: Final = {
    TimeRange.HOUR: 3600,
    TimeRange.SIX_HOURS: 6 * 3600,
    TimeRange.DAY: 24 * 3600,
    TimeRange.WEEK: 7 * 24 * 3600,
}
# About 180 points each: as many as a chart can show, and few enough for an inline expression over every GPU.
STEPS: Final = {TimeRange.HOUR: 20, TimeRange.SIX_HOURS: 120, TimeRange.DAY: 480, TimeRange.WEEK: 3600}
