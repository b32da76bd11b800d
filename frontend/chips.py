"""State chips: which word, icon and tone a state has, the same on every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
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


_SYNC: Final[dict[str, tuple[str, str, str]]] = {
    SyncState.SYNCED: ("Synced", "good", "check"),
    SyncState.SYNCING: ("Syncing", "busy", "loader-2"),
    SyncState.WAITING: ("Waiting", "warn", "clock"),
    SyncState.DRIFTED: ("Drifted", "warn", "arrows-move"),
    SyncState.CONFLICT: ("Conflict", "bad", "alert-triangle"),
    SyncState.FAILED: ("Failed", "bad", "x"),
    SyncState.UNREACHABLE: ("Unreachable", "bad", "plug-connected-x"),
}
_WORKLOAD: Final[dict[str, tuple[str, str, str]]] = {
    WorkloadState.PENDING: ("Pending", "warn", "hourglass"),
    WorkloadState.RESERVED: ("Reserved", "busy", "loader-2"),
    WorkloadState.ADMITTED: ("Running", "good", "player-play"),
    WorkloadState.EVICTED: ("Evicted", "warn", "arrow-back-up"),
    WorkloadState.FINISHED: ("Finished", "plain", "check"),
    WorkloadState.FAILED: ("Failed", "bad", "x"),
}
_CONNECTION: Final[dict[str, tuple[str, str, str]]] = {
    Connection.UNKNOWN: ("Not seen yet", "plain", "clock"),
    Connection.REACHABLE: ("Reachable", "good", "check"),
    Connection.UNREACHABLE: ("Unreachable", "bad", "plug-connected-x"),
    Connection.UNAUTHORIZED: ("Not let in", "bad", "lock"),
}


def build_sync_chip(
    state: str,
    *,
    reason: str = "",
    since: datetime | None = None,
    facts: tuple[tuple[str, str], ...] = (),
    url: str = "",
) -> Chip:
    return _build(_SYNC, state, reason=reason, since=since, facts=facts, url=url)


def build_workload_chip(
    state: str,
    *,
    reason: str = "",
    since: datetime | None = None,
    facts: tuple[tuple[str, str], ...] = (),
    url: str = "",
) -> Chip:
    return _build(_WORKLOAD, state, reason=reason, since=since, facts=facts, url=url)


def build_connection_chip(state: str, *, reason: str = "", since: datetime | None = None, url: str = "") -> Chip:
    return _build(_CONNECTION, state, reason=reason, since=since, facts=(), url=url)


def _build(
    looks: dict[str, tuple[str, str, str]],
    state: str,
    *,
    reason: str,
    since: datetime | None,
    facts: tuple[tuple[str, str], ...],
    url: str,
) -> Chip:
    label, tone, icon = looks.get(state, (state or "Unknown", "plain", "help"))
    return Chip(label=label, tone=tone, icon=icon, reason=reason, since=since, facts=facts, url=url)
