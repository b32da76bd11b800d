"""What a page about a cluster answers while there is none for this person: the way to the first one, or whom to ask."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, has_permission
from accounts.selectors import list_groups_of
from clusters.selectors import find_default_cluster
from frontend.rendering import render_page


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutCluster:
    """`has_clusters`: there are some, and none in which this person has a quota."""

    title: str
    can_register: bool
    has_clusters: bool
    has_groups: bool


def render_without_cluster(request: SignedInRequest, *, title: str) -> HttpResponse:
    page = WithoutCluster(
        title=title,
        can_register=has_permission(request.user, Permission.CLUSTER_CHANGE),
        has_clusters=find_default_cluster() is not None,
        has_groups=list_groups_of(request.user).exists(),
    )
    return render_page(request, "clusters/none.html", page)
