"""What htmx says of a request in its headers."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest


def is_fragment_request(request: HttpRequest) -> bool:
    """Whether a part of the page is asked for, and not the page."""
    return (
        request.headers.get("HX-Request") == "true"
        and request.headers.get("HX-Boosted") != "true"
        and request.headers.get("HX-History-Restore-Request") != "true"
    )


def find_target(request: HttpRequest) -> str:
    """The id of the element that the reply will replace, empty when it has none or a whole page is asked for."""
    return request.headers.get("HX-Target", "") if is_fragment_request(request) else ""


def is_refresh(request: HttpRequest) -> bool:
    """Whether an element asks for itself: nobody clicked, so nobody waits for a word about it."""
    target = find_target(request)
    return bool(target) and request.headers.get("HX-Trigger") == target


def find_page_address(request: HttpRequest) -> str:
    """Path and query of the page that the browser shows, when it is one of ours."""
    address = urlsplit(request.headers.get("HX-Current-URL", ""))
    if address.netloc != request.get_host():
        return ""
    return f"{address.path}?{address.query}" if address.query else address.path
