"""How lists of nodes and managed objects are narrowed in the REST API."""

from __future__ import annotations

import django_filters
from django.db.models import QuerySet

from clusters import selectors
from clusters.models import ManagedObject, ObservedNode, SyncState


class NodeFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter comes without types
    cluster = django_filters.CharFilter(field_name="cluster__name", help_text="The name of the cluster.")
    search = django_filters.CharFilter(
        method="filter_search", help_text="Part of the name, pool, zone, GPU model or address."
    )
    pool = django_filters.CharFilter(help_text="The node pool.")
    zone = django_filters.CharFilter(help_text="The zone.")
    gpu_model = django_filters.CharFilter(help_text="The model of the GPUs.")
    is_ready = django_filters.BooleanFilter(help_text="Whether the node is Ready.")
    is_cordoned = django_filters.BooleanFilter(help_text="Whether the node is cordoned.")

    class Meta:
        model = ObservedNode
        fields = ("cluster", "search", "pool", "zone", "gpu_model", "is_ready", "is_cordoned")

    def filter_search(self, nodes: QuerySet[ObservedNode], name: str, value: str) -> QuerySet[ObservedNode]:
        return nodes.filter(selectors.build_node_search(value))


class ManagedObjectFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter comes without types
    cluster = django_filters.CharFilter(field_name="cluster__name", help_text="The name of the cluster.")
    state = django_filters.MultipleChoiceFilter(choices=SyncState.choices, help_text="One or more states.")
    kind = django_filters.CharFilter(help_text="The kind in Kubernetes.")
    namespace = django_filters.CharFilter(help_text="The namespace.")
    owner = django_filters.CharFilter(help_text="The owner label, `quota-tree-3` for instance.")
    search = django_filters.CharFilter(method="filter_search", help_text="Part of the name or namespace.")

    class Meta:
        model = ManagedObject
        fields = ("cluster", "state", "kind", "namespace", "owner", "search")

    def filter_search(self, objects: QuerySet[ManagedObject], name: str, value: str) -> QuerySet[ManagedObject]:
        return objects.filter(selectors.build_object_search(value))
