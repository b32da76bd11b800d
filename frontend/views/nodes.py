"""Nodes and GPUs of a cluster."""

from __future__ import annotations

from django.http import HttpResponseBase

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters.models import Cluster
from frontend.pages import gpus as gpu_pages
from frontend.pages import node_detail as detail_pages
from frontend.pages import nodes as pages
from frontend.rendering import render_csv, render_page
from frontend.tables import read_table_query
from frontend.views.on_cluster import on_cluster


@require_permission(Permission.NODE_VIEW)
@on_cluster("Nodes & GPUs")
def node_list(request: SignedInRequest, cluster: Cluster) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.SORTABLE, default_sort="name")
    if table.is_csv:
        rows = pages.list_csv_rows(table, cluster=cluster)
        return render_csv(f"nodes-{cluster.name}", pages.CSV_HEADER, rows)
    return render_page(request, "nodes/node_list.html", pages.build_node_list(table, cluster=cluster))


@require_permission(Permission.NODE_VIEW)
@on_cluster("GPUs")
def gpu_list(request: SignedInRequest, cluster: Cluster) -> HttpResponseBase:
    table = read_table_query(request, sortable=gpu_pages.SORTABLE, default_sort="node")
    if table.is_csv:
        rows = gpu_pages.list_csv_rows(table, cluster=cluster)
        return render_csv(f"gpus-{cluster.name}", gpu_pages.CSV_HEADER, rows)
    return render_page(request, "nodes/gpu_list.html", gpu_pages.build_gpu_list(table, cluster=cluster))


@require_permission(Permission.NODE_VIEW)
@on_cluster("Node")
def node_detail(request: SignedInRequest, cluster: Cluster, name: str) -> HttpResponseBase:
    return render_page(request, "nodes/node_detail.html", detail_pages.build_node_detail(name, cluster=cluster))


@require_permission(Permission.NODE_VIEW)
@on_cluster("Node")
def node_peek(request: SignedInRequest, cluster: Cluster, name: str) -> HttpResponseBase:
    """The small card of a node that the heat strip shows on hover."""
    return render_page(request, "nodes/peek.html", detail_pages.build_node_peek(name, cluster=cluster))
