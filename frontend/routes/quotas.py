"""Routes of quota trees and drafts."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "quotas"
urlpatterns: list[URLPattern] = []
