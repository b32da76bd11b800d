"""The REST routes of accounts."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path
from rest_framework.routers import SimpleRouter

from accounts.api import schema as schema  # registers how the API describes its tokens
from accounts.api import views

router = SimpleRouter()
router.register("users", views.UserViewSet, basename="user")
router.register("groups", views.GroupViewSet, basename="group")
router.register("tokens", views.TokenViewSet, basename="token")
router.register("audit-events", views.AuditEventViewSet, basename="audit-event")

_name = views.USERNAME_PATTERN
urlpatterns: list[URLPattern | URLResolver] = [
    path("me/", views.MeView.as_view(), name="me"),
    re_path(
        rf"^groups/(?P<name>{_name})/members/(?P<username>{_name})/$",
        views.GroupMemberViewSet.as_view({"put": "update", "delete": "destroy"}),
        name="group-member",
    ),
    *router.urls,
]
