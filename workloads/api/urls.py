"""The REST routes of workloads."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, re_path
from rest_framework.routers import SimpleRouter

from workloads.api import views

router = SimpleRouter()
router.register("workloads", views.WorkloadViewSet, basename="workload")

_CLUSTER = r"^clusters/(?P<name>[a-z0-9][-a-z0-9]*)"

urlpatterns: list[URLPattern | URLResolver] = [
    re_path(rf"{_CLUSTER}/idle-pods/$", views.IdlePodsView.as_view(), name="cluster-idle-pods"),
    re_path(rf"{_CLUSTER}/start-options/$", views.StartOptionsView.as_view(), name="cluster-start-options"),
    *router.urls,
]
