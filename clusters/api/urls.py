"""The REST routes of clusters."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from clusters.api.views import ClusterViewSet, ManagedObjectViewSet, NodeViewSet

_router = SimpleRouter()
_router.register("clusters", ClusterViewSet, basename="cluster")
_router.register("nodes", NodeViewSet, basename="node")
_router.register("managed-objects", ManagedObjectViewSet, basename="managed-object")

urlpatterns: list[URLPattern | URLResolver] = [*_router.urls]
