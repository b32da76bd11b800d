"""The rail: which pages a person is offered, those whose permission they hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from django.urls import Resolver404, resolve, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.domain.roles import Permission
from accounts.models import User
from accounts.permissions import has_permission

Text = str | Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A page that the rail can offer. `shortcut` is the key after `g`; `area` is the namespace that lights it up."""

    label: Text
    route: str
    icon: str
    permission: Permission
    shortcut: str
    keeps_cluster: bool = True

    @property
    def area(self) -> str:
        return self.route.partition(":")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class RailItem:
    label: Text
    url: str
    icon: str
    shortcut: str
    is_current: bool


_OVERVIEW: Final = Destination(
    label=_("Overview"),
    route="overview:overview",
    icon="layout-dashboard",
    permission=Permission.CLUSTER_VIEW,
    shortcut="o",
)
_NODES: Final = Destination(
    label=_("Nodes & GPUs"), route="nodes:node-list", icon="server", permission=Permission.NODE_VIEW, shortcut="n"
)
_QUOTAS: Final = Destination(
    label=_("Quotas"), route="quotas:quota-list", icon="sitemap", permission=Permission.QUOTA_VIEW, shortcut="q"
)
_WORKLOADS: Final = Destination(
    label=_("Workloads"),
    route="workloads:workload-list",
    icon="stack-2",
    permission=Permission.WORKLOAD_VIEW,
    shortcut="w",
)
_SYNC: Final = Destination(
    label=_("Sync"), route="sync:sync-list", icon="refresh", permission=Permission.SYNC_VIEW, shortcut="s"
)
_PEOPLE: Final = Destination(
    label=_("People"),
    route="people:user-list",
    icon="users",
    permission=Permission.PEOPLE_VIEW,
    shortcut="p",
    keeps_cluster=False,
)
_CLUSTERS: Final = Destination(
    label=_("Clusters"),
    route="clusters:cluster-list",
    icon="plug",
    permission=Permission.CLUSTER_VIEW,
    shortcut="c",
    keeps_cluster=False,
)
_AUDIT: Final = Destination(
    label=_("Audit"),
    route="audit:event-list",
    icon="history",
    permission=Permission.AUDIT_VIEW,
    shortcut="a",
    keeps_cluster=False,
)
_HOME: Final = Destination(
    label=_("Home"), route="portal:home", icon="home", permission=Permission.PORTAL_VIEW, shortcut="h"
)

ADMIN_RAIL: Final = (_OVERVIEW, _NODES, _QUOTAS, _WORKLOADS, _SYNC, _PEOPLE, _CLUSTERS, _AUDIT)
RESEARCHER_RAIL: Final = (_HOME, replace(_WORKLOADS, label=_("Jobs")), replace(_QUOTAS, label=_("Quota")))


def build_rail(user: User, *, current_area: str, cluster_name: str) -> tuple[RailItem, ...]:
    """What this person's rail offers, in order."""
    return tuple(
        _build_item(place, current_area=current_area, cluster_name=cluster_name) for place in _list_places(user)
    )


def find_page_for_another_cluster(user: User, path: str) -> str:
    """Where to go from the page at `path` when another cluster is chosen.

    A list shows the other cluster's rows; the page of one thing leads to the start of its area, for the other cluster has no such thing.
    """
    try:
        match = resolve(path)
    except Resolver404:
        return reverse("home")
    place = next((each for each in _list_places(user) if each.area == match.namespace), None)
    if place is None or not place.keeps_cluster or not match.kwargs:
        return path
    return reverse(place.route)


def _list_places(user: User) -> list[Destination]:
    places = ADMIN_RAIL if user.is_admin else RESEARCHER_RAIL
    return [place for place in places if has_permission(user, place.permission)]


def _build_item(place: Destination, *, current_area: str, cluster_name: str) -> RailItem:
    cluster = f"?cluster={cluster_name}" if place.keeps_cluster and cluster_name else ""
    return RailItem(
        label=place.label,
        url=reverse(place.route) + cluster,
        icon=place.icon,
        shortcut=place.shortcut,
        is_current=place.area == current_area,
    )
