"""The tree table and the page of one node; creating, retrying and deleting whole trees."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from aidashboard.kit.errors import MissingError
from clusters.models import Cluster
from frontend.chosen_cluster import get_chosen_cluster, remember_cluster
from frontend.drafting import read_drafted
from frontend.forms.findings import show_findings
from frontend.forms.quotas import TreeForm
from frontend.forms.styled import TypedNameForm
from frontend.pages.quotas import editing, listing, trees
from frontend.pages.quotas.panel import build_panel
from frontend.rendering import render_csv, render_page
from frontend.svg.quota_bar import BarSize
from frontend.tables import read_table_query
from frontend.views.on_cluster import on_cluster
from quotas import selectors, services


@require_permission(Permission.QUOTA_VIEW)
@on_cluster("Quotas")
def quota_list(request: SignedInRequest, cluster: Cluster) -> HttpResponseBase:
    remember_cluster(request, cluster)
    table = read_table_query(request)
    if table.is_csv:
        rows = listing.list_csv_rows(cluster, viewer=request.user)
        return render_csv(f"quotas-{cluster.name}", listing.CSV_HEADER, rows)
    page = listing.build_quota_list(cluster, viewer=request.user, table=table)
    return render_page(request, "quotas/quota_list.html", page)


@require_permission(Permission.QUOTA_VIEW)
def node_detail(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    drafted = read_drafted(tree, author=request.user) if request.user.is_admin else None
    usage = selectors.build_usage(tree, viewer=request.user)
    panel = build_panel(usage, key, drafted=drafted, viewer=request.user, size=BarSize.HEADER)
    return render_page(request, "quotas/node_detail.html", trees.build_node_detail(tree, panel))


@require_permission(Permission.QUOTA_CHANGE)
def tree_create(request: SignedInRequest) -> HttpResponse:
    cluster = get_chosen_cluster(request)
    if cluster is None:
        raise MissingError("There is no cluster yet.", hint="Register one first.")
    form = TreeForm(
        request.POST if request.method == "POST" else None,
        resources=editing.list_resources(None, cluster),
        rules=trees.describe_capacity(cluster),
    )
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            tree = services.create_tree(
                cluster=cluster,
                name=form.cleaned_data["name"],
                min=form.quantities("min"),
                max=form.quantities("max"),
                by=request.user,
            )
            messages.success(request, f"Quota tree {tree.name} is saved.")
            return redirect(f"{reverse('quotas:quota-list')}?cluster={cluster.name}")
    page = trees.build_tree_create(cluster, form)
    return render_page(request, "quotas/node_form.html", page, status=422 if form.errors else 200)


@require_permission(Permission.QUOTA_CHANGE)
def tree_delete(request: SignedInRequest, tree_id: int) -> HttpResponse:
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    form = TypedNameForm(
        request.POST if request.method == "POST" else None, name=tree.name, undone="nothing was deleted"
    )
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            services.delete_tree(tree=tree, by=request.user)
            messages.success(request, f"Quota tree {tree.name} is being deleted.")
            return redirect(f"{reverse('quotas:quota-list')}?cluster={tree.cluster.name}")
    page = trees.build_tree_delete(tree, form)
    return render_page(request, "quotas/tree_delete.html", page, status=422 if form.errors else 200)


@require_permission(Permission.QUOTA_CHANGE)
@require_POST
def tree_retry(request: SignedInRequest, tree_id: int) -> HttpResponse:
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    services.retry_sync(tree=tree, by=request.user)
    messages.success(request, f"Trying again to make {tree.cluster.name} match {tree.name}.")
    return redirect(f"{reverse('quotas:quota-list')}?cluster={tree.cluster.name}")
