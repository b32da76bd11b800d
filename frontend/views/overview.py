"""The administrator's home."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters.errors import ClusterMissingError
from frontend.chosen_cluster import get_chosen_cluster
from frontend.pages import overview as pages
from frontend.rendering import render_page
from frontend.tables import read_table_query
from frontend.views.without_cluster import render_without_cluster


@require_permission(Permission.CLUSTER_VIEW)
def overview(request: SignedInRequest) -> HttpResponse:
    cluster = get_chosen_cluster(request)
    if cluster is None:
        return render_without_cluster(request, title="Overview")
    table = read_table_query(request)
    page = pages.build_overview(table, cluster=cluster, viewer=request.user, now=timezone.now())
    return render_page(request, "overview/overview.html", page)


@require_permission(Permission.CLUSTER_VIEW)
def history(request: SignedInRequest) -> HttpResponseBase:
    """What the chart draws, as JSON."""
    cluster = get_chosen_cluster(request)
    if cluster is None:
        raise ClusterMissingError("There is no cluster yet.")
    response = JsonResponse(pages.build_history(read_table_query(request), cluster=cluster))
    response["Cache-Control"] = "no-cache, private"
    return response
