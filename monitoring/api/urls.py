"""The REST routes of monitoring, all below a cluster."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, re_path

from monitoring.api import views

_CLUSTER = r"^clusters/(?P<name>[a-z0-9][-a-z0-9]*)"

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(rf"{_CLUSTER}/capacity/$", views.CapacityView.as_view(), name="cluster-capacity"),
    re_path(rf"{_CLUSTER}/totals/$", views.TotalsView.as_view(), name="cluster-totals"),
    re_path(rf"{_CLUSTER}/gpus/$", views.GpusView.as_view(), name="cluster-gpus"),
    re_path(rf"{_CLUSTER}/history/$", views.HistoryView.as_view(), name="cluster-history"),
    re_path(
        rf"{_CLUSTER}/metrics-source/$",
        views.MetricsSourceViewSet.as_view({"get": "retrieve", "put": "update", "delete": "destroy"}),
        name="cluster-metrics-source",
    ),
]
