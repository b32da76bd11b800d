"""Objects that are not in the cluster as they were asked for."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters import selectors, services
from clusters.models import Cluster
from frontend.pages import sync as pages
from frontend.pages.links import build_url
from frontend.rendering import render_csv, render_page
from frontend.tables import read_table_query
from frontend.views.on_cluster import on_cluster


@require_permission(Permission.SYNC_VIEW)
@on_cluster("Sync")
def sync_list(request: SignedInRequest, cluster: Cluster) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.SORTABLE)
    if table.is_csv:
        return render_csv(f"sync-{cluster.name}", pages.CSV_HEADER, pages.list_csv_rows(table, cluster=cluster))
    page = pages.build_sync_list(table, cluster=cluster, viewer=request.user, now=timezone.now())
    return render_page(request, "sync/sync_list.html", page)


@require_permission(Permission.SYNC_CHANGE)
@require_POST
def object_retry(request: SignedInRequest, object_id: int) -> HttpResponse:
    managed = selectors.get_managed_object(object_id=object_id)
    services.retry_managed_object(managed=managed, by=request.user)
    messages.success(request, f"{managed.kind} {managed.name} is tried again now.")
    return redirect(build_url("sync:sync-list", cluster=managed.cluster.name))
