"""Routes of workloads."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import workloads

app_name = "workloads"
urlpatterns: list[URLPattern] = [
    path("", workloads.workload_list, name="workload-list"),
    path("<str:uid>", workloads.workload_detail, name="workload-detail"),
]
