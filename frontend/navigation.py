"""The rail: which pages a person is offered. A page is listed when its permission is held and its route exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from django.urls import NoReverseMatch, reverse
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
    destinations = ADMIN_RAIL if user.is_admin else RESEARCHER_RAIL
    allowed = [place for place in destinations if has_permission(user, place.permission)]
    return tuple(_build_items(allowed, current_area=current_area, cluster_name=cluster_name))


def _build_items(places: Iterable[Destination], *, current_area: str, cluster_name: str) -> Iterable[RailItem]:
    for place in places:
        url = find_url(place.route)
        if url is None:
            continue
        if place.keeps_cluster and cluster_name:
            url += f"?cluster={cluster_name}"
        yield RailItem(
            label=place.label, url=url, icon=place.icon, shortcut=place.shortcut, is_current=place.area == current_area
        )


def find_url(route: str) -> str | None:
    try:
        return reverse(route)
    except NoReverseMatch:
        return None
