"""Routes of the shell itself: start page, session, preferences, live updates, the components' gallery."""

from __future__ import annotations

from django.conf import settings
from django.urls import URLPattern, path

from frontend.views import events, gallery, preferences, session, status

urlpatterns: list[URLPattern] = [
    path("", session.home, name="home"),
    path("login", session.login, name="account_login"),
    path("logout", session.logout, name="account_logout"),
    path("preferences/theme", preferences.theme_change, name="theme-change"),
    path("preferences/cluster", preferences.cluster_choose, name="cluster-choose"),
    path("jump", session.jump, name="jump"),
    path("live/events", events.event_stream, name="event-stream"),
    path("live/status", status.shell_status, name="shell-status"),
    path("live/construction", status.construction, name="construction"),
]
if settings.DEBUG:
    urlpatterns.append(path("gallery", gallery.gallery, name="gallery"))
