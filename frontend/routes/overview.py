"""Routes of the overview."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import overview

app_name = "overview"
urlpatterns: list[URLPattern] = [
    path("", overview.overview, name="overview"),
    path("history", overview.history, name="history"),
    path("history/table", overview.history_table, name="history-table"),
]
