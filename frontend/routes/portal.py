"""Routes of the researcher's home."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import portal

app_name = "portal"
urlpatterns: list[URLPattern] = [path("", portal.home, name="home")]
