"""The REST routes of quotas."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver
from rest_framework.routers import SimpleRouter

from quotas.api import views

router = SimpleRouter()
router.register("quota-trees", views.QuotaTreeViewSet, basename="quota-tree")
router.register("quota-nodes", views.QuotaNodeViewSet, basename="quota-node")
router.register("namespace-bindings", views.NamespaceBindingViewSet, basename="namespace-binding")

urlpatterns: list[URLPattern | URLResolver] = [*router.urls]
