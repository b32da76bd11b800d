"""Pages of API lists: numbered, with a size the caller may choose up to a bound, over rows in a total order."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView

Kind = TypeVar("Kind", bound=Model)
Row = TypeVar("Row")


class PageNumberPages(PageNumberPagination):
    """`?page=2&page_size=100`. A page beyond the last is a 404, a size out of bounds becomes the nearest bound."""

    page_size_query_param = "page_size"
    page_size_query_description = "How many rows a page has, at most 500."
    max_page_size = 500

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:  # Any: JSON schema
        """The usual envelope, its fields described as ours are."""
        envelope: dict[str, Any] = super().get_paginated_response_schema(schema)
        described = {
            "count": "How many rows there are on all pages.",
            "next": "Address of the next page; null on the last.",
            "previous": "Address of the page before; null on the first.",
            "results": "The rows of this page.",
        }
        for field, text in described.items():
            envelope["properties"][field]["description"] = text
        return envelope


class TotalOrdering(OrderingFilter):
    """`?ordering=-role`. Rows that are equal in it come by their number: else one could be on two pages, and another on none."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Kind, Row], view: APIView) -> QuerySet[Kind, Row]:
        wanted = self.get_ordering(request, queryset, view)
        return queryset.order_by(*(wanted or queryset.query.order_by or queryset.model._meta.ordering or ()), "pk")
