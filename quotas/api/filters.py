"""How lists of trees and namespaces are narrowed in the REST API."""

from __future__ import annotations

import django_filters

from quotas.models import NamespaceBinding, QuotaTree


class TreeFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter comes without types
    cluster = django_filters.CharFilter(field_name="cluster__name", help_text="Name of the cluster.")
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", help_text="Part of the name.")

    class Meta:
        model = QuotaTree
        fields = ("cluster", "search")


class BindingFilter(django_filters.FilterSet):  # type: ignore[misc]  # django-filter comes without types
    cluster = django_filters.CharFilter(field_name="cluster__name", help_text="Name of the cluster.")
    tree = django_filters.NumberFilter(field_name="node__tree", help_text="Number of the tree.")
    node = django_filters.NumberFilter(field_name="node", help_text="Number of the leaf.")
    namespace = django_filters.CharFilter(help_text="Name of the namespace.")

    class Meta:
        model = NamespaceBinding
        fields = ("cluster", "tree", "node", "namespace")
