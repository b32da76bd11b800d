"""Routes of nodes and GPUs."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "nodes"
urlpatterns: list[URLPattern] = []
