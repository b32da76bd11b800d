"""What every page's template gets for the shell around it: theme, rail, clusters, and how fresh the data is.

Built only when a template asks, so that fragments pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from accounts.domain.roles import Permission
from accounts.models import User
from accounts.permissions import has_permission
from aidashboard.kit.errors import AppError
from clusters import selectors
from clusters.models import Cluster, SyncState
from frontend.chosen_cluster import get_chosen_cluster, list_offered_clusters
from frontend.construction import Construction, read_construction
from frontend.navigation import RailItem, build_rail

THEME_COOKIE: Final = "aid_theme"
# The observer reports every few seconds; two missed reports are no longer an accident.
LATE_AFTER: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How old the rows of a cluster are, and what is on its way there. `age_seconds` None: nothing was ever seen."""

    cluster: Cluster
    age_seconds: int | None
    is_late: bool
    syncing: int
    failing: int
    sees_sync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Everything around a page."""

    user: User
    rail: tuple[RailItem, ...]
    cluster: Cluster | None
    clusters: Sequence[Cluster]
    freshness: Freshness | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """`value` goes into <html data-bs-theme>; when it follows the system, a script may still turn it dark before the first paint."""

    value: str
    choice: str

    @property
    def follows_system(self) -> bool:
        return self.choice == User.Theme.SYSTEM


def shell(request: HttpRequest) -> dict[str, Any]:  # Any: a template context
    """The shell's data, each part built when it is first asked for."""
    return {
        "shell": SimpleLazyObject(lambda: build_shell(request)),
        "theme": SimpleLazyObject(lambda: find_theme(request)),
        "construction": SimpleLazyObject(find_construction),
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
    }


def build_shell(request: HttpRequest) -> Shell | None:
    """None for a visitor, who gets no shell."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return None
    try:
        cluster = get_chosen_cluster(request)
    except AppError:
        # The page itself says that there is no such cluster; the shell around that message still stands.
        cluster = None
    match = request.resolver_match
    return Shell(
        user=user,
        rail=build_rail(
            user,
            current_area=match.namespace if match else "",
            cluster_name=cluster.name if cluster else "",
        ),
        cluster=cluster,
        clusters=list_offered_clusters(request),
        freshness=build_freshness(cluster, user=user, now=timezone.now()) if cluster else None,
    )


def build_freshness(cluster: Cluster, *, user: User, now: datetime) -> Freshness:
    """How fresh the data of one cluster is. Counts of objects are for those who may see the sync page."""
    age = None if cluster.last_seen_at is None else max(timedelta(0), now - cluster.last_seen_at)
    sees_sync = has_permission(user, Permission.SYNC_VIEW)
    counts = selectors.count_managed_objects(cluster) if sees_sync else {}
    syncing = sum(counts.get(state, 0) for state in (SyncState.SYNCING, SyncState.WAITING))
    failing = sum(counts.values()) - syncing - counts.get(SyncState.SYNCED, 0)
    return Freshness(
        cluster=cluster,
        age_seconds=None if age is None else int(age.total_seconds()),
        is_late=age is None or age > LATE_AFTER,
        syncing=syncing,
        failing=failing,
        sees_sync=sees_sync,
    )


def find_theme(request: HttpRequest) -> Theme:
    """The person's own setting; before login, what this browser was last set to."""
    user = getattr(request, "user", None)
    choice = user.theme if isinstance(user, User) else request.COOKIES.get(THEME_COOKIE, "")
    if choice not in User.Theme.values:
        choice = User.Theme.SYSTEM
    return Theme(value="dark" if choice == User.Theme.DARK else "light", choice=choice)


def find_construction() -> Construction | None:
    return read_construction(settings.PROGRESS_FILE)
