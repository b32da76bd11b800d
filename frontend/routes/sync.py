"""Routes of the sync page."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import sync

app_name = "sync"
urlpatterns: list[URLPattern] = [
    path("", sync.sync_list, name="sync-list"),
    path("<int:object_id>/retry", sync.object_retry, name="object-retry"),
]
