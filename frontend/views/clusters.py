"""Clusters: register, watch, change the credential, connect metrics, forget."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters import selectors, services
from clusters.models import Cluster
from frontend.forms.clusters import (
    KubeconfigFields,
    PrometheusForm,
    RegisterByKubeconfigForm,
    RegisterByTokenForm,
    TokenField,
)
from frontend.forms.findings import show_findings
from frontend.forms.styled import TypedNameForm
from frontend.pages import clusters as pages
from frontend.rendering import render_csv, render_page
from frontend.tables import read_table_query
from monitoring import services as monitoring
from monitoring.selectors import describe_source


@require_permission(Permission.CLUSTER_VIEW)
def cluster_list(request: SignedInRequest) -> HttpResponseBase:
    table = read_table_query(request, sortable=pages.SORTABLE, default_sort="name")
    if table.is_csv:
        return render_csv(
            "clusters", pages.CSV_HEADER, pages.list_csv_rows(table, viewer=request.user, now=timezone.now())
        )
    page = pages.build_cluster_list(table, viewer=request.user, now=timezone.now())
    return render_page(request, "clusters/cluster_list.html", page)


@require_permission(Permission.CLUSTER_VIEW)
def cluster_detail(request: SignedInRequest, name: str) -> HttpResponse:
    return _render_cluster(request, selectors.get_cluster(name=name))


@require_permission(Permission.CLUSTER_CHANGE)
@sensitive_post_parameters("kubeconfig", "token")
def cluster_register(request: SignedInRequest) -> HttpResponse:
    way = "token" if request.GET.get("way") == "token" else "kubeconfig"
    form = (RegisterByTokenForm if way == "token" else RegisterByKubeconfigForm)(
        request.POST or None, request.FILES or None
    )
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            cluster = _register(request, form)
            messages.success(request, f"Cluster {cluster.name} is registered. The observer reads it now.")
            return redirect("clusters:cluster-detail", name=cluster.name)
    page = pages.build_register(form, way=way)
    return render_page(request, "clusters/register.html", page, status=422 if form.errors else 200)


@require_permission(Permission.CLUSTER_CHANGE)
@sensitive_post_parameters("kubeconfig", "token")
def credential_change(request: SignedInRequest, name: str) -> HttpResponse:
    cluster = selectors.get_cluster(name=name)
    way = "token" if request.GET.get("way") == "token" else "kubeconfig"
    form = (TokenField if way == "token" else KubeconfigFields)(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            services.change_credential(
                cluster=cluster,
                by=request.user,
                kubeconfig=form.cleaned_data.get("kubeconfig", ""),
                context=form.cleaned_data.get("context", ""),
                token=form.cleaned_data.get("token", ""),
                skip_check=_wants_no_check(request),
            )
            messages.success(request, f"Cluster {name} has a new credential.")
            return redirect("clusters:cluster-detail", name=name)
    page = pages.build_credential_form(cluster, form, way=way)
    return render_page(request, "clusters/form.html", page, status=422 if form.errors else 200)


@require_permission(Permission.CLUSTER_CHANGE)
@sensitive_post_parameters("bearer_token")
def prometheus_edit(request: SignedInRequest, name: str) -> HttpResponse:
    cluster = selectors.get_cluster(name=name)
    source = describe_source(cluster)
    form = PrometheusForm(request.POST or None, initial={"url": source.url}, has_token=source.has_token)
    if request.method == "POST" and request.POST.get("do") == "remove":
        monitoring.remove_prometheus(cluster=cluster, by=request.user)
        messages.success(request, f"Cluster {name} has no metrics source any more.")
        return redirect("clusters:cluster-detail", name=name)
    if request.method == "POST" and form.is_valid():
        with show_findings(form):
            monitoring.set_prometheus(
                cluster=cluster, by=request.user, skip_check=_wants_no_check(request), **form.values
            )
            messages.success(request, f"Cluster {name} reads its metrics from {form.values['url']}.")
            return redirect("clusters:cluster-detail", name=name)
    page = pages.build_prometheus_form(cluster, form, is_connected=bool(source.url))
    return render_page(request, "clusters/form.html", page, status=422 if form.errors else 200)


@require_permission(Permission.CLUSTER_CHANGE)
@require_POST
def cluster_forget(request: SignedInRequest, name: str) -> HttpResponse:
    cluster = selectors.get_cluster(name=name)
    form = _ask_for_name(cluster, request.POST)
    if form.is_valid():
        with show_findings(form):
            services.forget_cluster(cluster=cluster, by=request.user)
            messages.success(request, f"Cluster {name} is forgotten. Nothing in it was touched.")
            return redirect("clusters:cluster-list")
    return _render_cluster(request, cluster, forget_form=form)


def _register(request: SignedInRequest, form: RegisterByTokenForm | RegisterByKubeconfigForm) -> Cluster:
    if isinstance(form, RegisterByTokenForm):
        return services.register_cluster_with_token(**form.values, by=request.user, skip_check=_wants_no_check(request))
    return services.register_cluster(**form.values, by=request.user, skip_check=_wants_no_check(request))


def _wants_no_check(request: SignedInRequest) -> bool:
    return request.POST.get("skip_check") == "on"


def _render_cluster(
    request: SignedInRequest, cluster: Cluster, *, forget_form: TypedNameForm | None = None
) -> HttpResponse:
    page = pages.build_cluster_detail(
        cluster, viewer=request.user, forget_form=forget_form or _ask_for_name(cluster), now=timezone.now()
    )
    return render_page(request, "clusters/cluster_detail.html", page, status=422 if forget_form else 200)


def _ask_for_name(cluster: Cluster, data: QueryDict | None = None) -> TypedNameForm:
    return TypedNameForm(data, name=cluster.name, undone="nothing was forgotten")
