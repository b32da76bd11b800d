"""State chips: which word, icon and tone a state has, the same on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from clusters.models import Connection, SyncState, WorkloadState


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A state and, when there is one, its reason: condition, numbers, since when, what to do. `facts` are (name, value)."""

    label: str
    tone: str
    icon: str
    reason: str = ""
    since: datetime | None = None
    facts: tuple[tuple[str, str], ...] = ()
    url: str = ""


Look = tuple[str, str, str]
"""Word, tone and icon."""

_SYNC: Final[Mapping[str, Look]] = {
    SyncState.SYNCED: ("Synced", "good", "check"),
    SyncState.SYNCING: ("Syncing", "busy", "loader-2"),
    SyncState.WAITING: ("Waiting", "warn", "clock"),
    SyncState.DRIFTED: ("Drifted", "warn", "arrows-move"),
    SyncState.CONFLICT: ("Conflict", "bad", "alert-triangle"),
    SyncState.FAILED: ("Failed", "bad", "x"),
    SyncState.UNREACHABLE: ("Unreachable", "bad", "plug-connected-x"),
}
_WORKLOAD: Final[Mapping[str, Look]] = {
    WorkloadState.PENDING: ("Pending", "warn", "hourglass"),
    WorkloadState.RESERVED: ("Reserved", "busy", "loader-2"),
    WorkloadState.ADMITTED: ("Running", "good", "player-play"),
    WorkloadState.EVICTED: ("Evicted", "warn", "arrow-back-up"),
    WorkloadState.FINISHED: ("Finished", "plain", "check"),
    WorkloadState.FAILED: ("Failed", "bad", "x"),
}
_CONNECTION: Final[Mapping[str, Look]] = {
    Connection.UNKNOWN: ("Not seen yet", "plain", "clock"),
    Connection.REACHABLE: ("Reachable", "good", "check"),
    Connection.UNREACHABLE: ("Unreachable", "bad", "plug-connected-x"),
    Connection.UNAUTHORIZED: ("Not let in", "bad", "lock"),
}
_POD: Final[Mapping[str, Look]] = {
    "Running": ("Running", "good", "player-play"),
    "Pending": ("Pending", "warn", "hourglass"),
    "Succeeded": ("Succeeded", "plain", "check"),
    "Failed": ("Failed", "bad", "x"),
}


def build_pod_chip(phase: str, *, is_terminating: bool, reason: str) -> Chip:
    """A pod that was asked to go is "Terminating", whatever its phase."""
    if is_terminating:
        return Chip(label="Terminating", tone="warn", icon="hourglass", reason=reason)
    return _build(_POD, phase, reason=reason)


def build_node_chip(*, is_ready: bool, is_cordoned: bool, trouble: str, reasons: Sequence[str]) -> Chip:
    """The state of a node in one word with its reasons behind it; `trouble` is the word for one that takes work and has reasons."""
    reason = "; ".join(reasons)
    if not is_ready:
        return Chip(label="Not ready", tone="bad", icon="x", reason=reason or "The node is not Ready.")
    if is_cordoned:
        return Chip(label="Cordoned", tone="warn", icon="ban", reason=reason or "Somebody closed it for new pods.")
    if reason:
        return Chip(label=trouble, tone="bad", icon="alert-triangle", reason=reason)
    return Chip(label="Ready", tone="good", icon="check")


def _build(
    looks: Mapping[str, Look],
    state: str,
    *,
    reason: str = "",
    since: datetime | None = None,
    facts: tuple[tuple[str, str], ...] = (),
    url: str = "",
) -> Chip:
    label, tone, icon = looks.get(state, (state or "Unknown", "plain", "help"))
    return Chip(label=label, tone=tone, icon=icon, reason=reason, since=since, facts=facts, url=url)


build_sync_chip: Final = partial(_build, _SYNC)
build_workload_chip: Final = partial(_build, _WORKLOAD)
build_connection_chip: Final = partial(_build, _CONNECTION)
