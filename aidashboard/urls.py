"""All routes: health, the REST API with its schema, login, pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from accounts.domain.roles import Permission
from aidashboard.api_errors import answer_unknown_route
from aidashboard.health import healthz, readyz


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, for people with an account."""

    required_permission = Permission.SIGNED_IN


api_v1: list[URLPattern | URLResolver] = [
    path("schema/", SchemaView.as_view(), name="schema"),
    path("", include("accounts.api.urls")),
    path("", include("clusters.api.urls")),
    path("", include("quotas.api.urls")),
    path("", include("monitoring.api.urls")),
    path("", include("workloads.api.urls")),
]

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("api/v1/", include((api_v1, "api"))),
    re_path(r"^api/", answer_unknown_route, name="api-unknown"),
    path("", include("frontend.urls")),
]

handler400 = "aidashboard.error_handlers.bad_request"
handler403 = "aidashboard.error_handlers.permission_denied"
handler404 = "aidashboard.error_handlers.not_found"
handler500 = "aidashboard.error_handlers.server_error"
