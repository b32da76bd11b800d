"""Links inside sentences: every number of a sentence leads to the list that it counts."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


def link(text: object, url: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)


def join_words(parts: Iterable[object], separator: str = ", ") -> SafeString:
    """Pieces of a sentence, links among them, with a separator in between."""
    return format_html_join(separator, "{}", ((part,) for part in parts))


def build_url(route: str, *arguments: object, **parameters: object) -> str:
    """The address of a route with a query string; parameters that are empty are left out."""
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, "")})
    address = reverse(route, args=arguments)
    return f"{address}?{query}" if query else address
