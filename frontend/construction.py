"""What the building of the sandbox cluster has come to, as `aidashboard demo` writes it into a file for the pages to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Construction:
    """Progress of the sandbox: `index` of `count` steps, `program` the one under way, `seconds_left` an estimate or None."""

    phase: str
    program: str
    message: str
    index: int
    count: int
    seconds_left: float | None

    @property
    def has_failed(self) -> bool:
        return self.phase == "failed"

    @property
    def minutes_left(self) -> int | None:
        return None if self.seconds_left is None else max(1, round(self.seconds_left / 60))


def read_construction(path: str) -> Construction | None:
    """What is being built, or None when nothing is: no file, an unreadable one, or one that says `done`."""
    if not path:
        return None
    try:
        progress = orjson.loads(Path(path).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    if not isinstance(progress, dict) or progress.get("done"):
        return None
    seconds_left = progress.get("seconds_left")
    return Construction(
        phase=str(progress.get("phase") or ""),
        program=str(progress.get("program") or ""),
        message=str(progress.get("message") or ""),
        index=_read_int(progress.get("index")),
        count=_read_int(progress.get("count")),
        seconds_left=float(seconds_left) if isinstance(seconds_left, int | float) else None,
    )


def _read_int(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value >= 0 else 0
