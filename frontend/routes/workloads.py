"""Routes of workloads."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "workloads"
urlpatterns: list[URLPattern] = []
