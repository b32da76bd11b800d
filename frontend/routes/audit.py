"""Routes of the audit trail."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import audit

app_name = "audit"
urlpatterns: list[URLPattern] = [
    path("", audit.event_list, name="event-list"),
    path("<int:event_id>", audit.event_detail, name="event-detail"),
]
