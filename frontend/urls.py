"""The pages: one file of routes per area, so that an area can be read, and changed, alone."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("frontend.routes.shell")),
    path("overview/", include("frontend.routes.overview")),
    path("nodes/", include("frontend.routes.nodes")),
    path("quotas/", include("frontend.routes.quotas")),
    path("workloads/", include("frontend.routes.workloads")),
    path("sync/", include("frontend.routes.sync")),
    path("people/", include("frontend.routes.people")),
    path("clusters/", include("frontend.routes.clusters")),
    path("audit/", include("frontend.routes.audit")),
    path("home/", include("frontend.routes.portal")),
]
