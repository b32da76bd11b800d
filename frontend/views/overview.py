"""The administrator's home."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters.errors import ClusterMissingError
from clusters.models import Cluster
from frontend.chosen_cluster import get_chosen_cluster
from frontend.pages import overview as pages
from frontend.rendering import find_fragment, render_page
from frontend.tables import read_table_query
from frontend.views.on_cluster import on_cluster

TEMPLATE: Final = "overview/overview.html"


@require_permission(Permission.CLUSTER_VIEW)
@on_cluster("Overview")
def overview(request: SignedInRequest, cluster: Cluster) -> HttpResponse:
    fragment = find_fragment(request, TEMPLATE)
    now = timezone.now()
    if fragment is not None:
        part = pages.PARTS[fragment.partition("#")[2]]
        return render_page(request, TEMPLATE, part(cluster=cluster, viewer=request.user, now=now))
    page = pages.build_overview(read_table_query(request), cluster=cluster, viewer=request.user, now=now)
    return render_page(request, TEMPLATE, page)


@require_permission(Permission.CLUSTER_VIEW)
def history(request: SignedInRequest) -> HttpResponseBase:
    """What the chart draws, as JSON."""
    cluster = get_chosen_cluster(request)
    if cluster is None:
        raise ClusterMissingError("There is no cluster yet.")
    response = JsonResponse(pages.build_history(read_table_query(request), cluster=cluster))
    response["Cache-Control"] = "no-cache, private"
    return response


@require_permission(Permission.CLUSTER_VIEW)
@on_cluster("Allocation and utilisation")
def history_table(request: SignedInRequest, cluster: Cluster) -> HttpResponse:
    """The same as a table."""
    page = pages.build_history_table(read_table_query(request), cluster=cluster)
    return render_page(request, "overview/history_table.html", page)
