"""Routes of the overview."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "overview"
urlpatterns: list[URLPattern] = []
