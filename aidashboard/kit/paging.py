"""Pages of API lists: numbered, with a size the caller may choose up to a bound."""

from __future__ import annotations

from typing import Any

from rest_framework.pagination import PageNumberPagination


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
