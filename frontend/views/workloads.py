"""Workloads: the list of a cluster and the page of one. Selectors show each person only what is theirs."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.utils import timezone

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters.models import Cluster
from clusters.selectors import get_cluster
from frontend.pages import workload_detail as detail_pages
from frontend.pages import workloads as pages
from frontend.rendering import render_csv, render_page
from frontend.tables import read_table_query
from frontend.views.on_cluster import on_cluster
from workloads import selectors


@require_permission(Permission.WORKLOAD_VIEW)
@on_cluster("Workloads")
def workload_list(request: SignedInRequest, cluster: Cluster) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.SORTABLE, default_sort="-state_since")
    if table.is_csv:
        rows = pages.list_csv_rows(table, cluster=cluster, viewer=request.user)
        return render_csv(f"workloads-{cluster.name}", pages.CSV_HEADER, rows)
    page = pages.build_workload_list(table, cluster=cluster, viewer=request.user, now=timezone.now())
    return render_page(request, "workloads/workload_list.html", page)


@require_permission(Permission.WORKLOAD_VIEW)
def workload_detail(request: SignedInRequest, uid: str) -> HttpResponseBase:
    detail = selectors.get_workload(viewer=request.user, uid=uid)
    page = detail_pages.build_workload_detail(
        detail,
        viewer=request.user,
        cluster=get_cluster(name=detail.row.cluster),
        now=timezone.now(),
    )
    return render_page(request, "workloads/workload_detail.html", page)
