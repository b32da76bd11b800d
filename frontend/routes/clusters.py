"""Routes of clusters."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import clusters

app_name = "clusters"
urlpatterns: list[URLPattern] = [
    path("", clusters.cluster_list, name="cluster-list"),
    path("new", clusters.cluster_register, name="cluster-register"),
    path("<slug:name>", clusters.cluster_detail, name="cluster-detail"),
    path("<slug:name>/credential", clusters.credential_change, name="credential-change"),
    path("<slug:name>/prometheus", clusters.prometheus_edit, name="prometheus-edit"),
    path("<slug:name>/forget", clusters.cluster_forget, name="cluster-forget"),
]
