"""Pages about one cluster; and what they answer while there is none for this person: the way to the first one, or whom to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpResponseBase

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, has_permission
from accounts.selectors import list_groups_of
from clusters.models import Cluster
from clusters.selectors import find_default_cluster
from frontend.chosen_cluster import get_chosen_cluster
from frontend.rendering import render_page

Parameters = ParamSpec("Parameters")
ClusterView = Callable[Concatenate[SignedInRequest, Cluster, Parameters], HttpResponseBase]
View = Callable[Concatenate[SignedInRequest, Parameters], HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutCluster:
    """`has_clusters`: there are some, and none in which this person has a quota."""

    title: str
    can_register: bool
    has_clusters: bool
    has_groups: bool


def on_cluster(title: str) -> Callable[[ClusterView[Parameters]], View[Parameters]]:
    """Hand a view the cluster that its page speaks of. Without one, a page of this title says how to get there."""

    def decorate(view: ClusterView[Parameters]) -> View[Parameters]:
        @wraps(view)
        def with_cluster(
            request: SignedInRequest, /, *arguments: Parameters.args, **named: Parameters.kwargs
        ) -> HttpResponseBase:
            cluster = get_chosen_cluster(request)
            if cluster is None:
                return _render_without_cluster(request, title=title)
            return view(request, cluster, *arguments, **named)

        return with_cluster

    return decorate


def _render_without_cluster(request: SignedInRequest, *, title: str) -> HttpResponseBase:
    page = WithoutCluster(
        title=title,
        can_register=has_permission(request.user, Permission.CLUSTER_CHANGE),
        has_clusters=find_default_cluster() is not None,
        has_groups=list_groups_of(request.user).exists(),
    )
    return render_page(request, "clusters/none.html", page)
