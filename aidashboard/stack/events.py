"""What a supervisor tells whoever listens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    STARTED = "started"
    READY = "ready"
    CRASHED = "crashed"
    RESTARTED = "restarted"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessEvent:
    """Something happened to a process. `detail` says it in words for people; `seconds` is how long it took, where that means something."""

    kind: EventKind
    name: str
    pid: int
    detail: str = ""
    seconds: float = 0.0
