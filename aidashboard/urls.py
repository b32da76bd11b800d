"""All routes: health, the REST API with its schema, login, pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from accounts.domain.roles import Permission
from aidashboard.health import healthz, readyz


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, for people with an account."""

    required_permission = Permission.SIGNED_IN


api_v1: list[URLPattern | URLResolver] = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("", include("accounts.api.urls")),
    path("", include("clusters.api.urls")),
    path("", include("quotas.api.urls")),
    path("", include("workloads.api.urls")),
]

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("api/v1/", include((api_v1, "api"))),
    path("", include("frontend.urls")),
]

handler400 = "frontend.views.errors.bad_request"
handler403 = "frontend.views.errors.permission_denied"
handler404 = "frontend.views.errors.page_missing"
handler500 = "frontend.views.errors.server_error"
