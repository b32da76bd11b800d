"""What htmx would do with a reply, without a browser."""

from __future__ import annotations

import re

from django.http import HttpResponseBase
from django.test import Client

_TOKENS = re.compile(r'name="csrfmiddlewaretoken" value="[^"]+"')


def get_fragment(client: Client, url: str, target: str) -> HttpResponseBase:
    """Ask as htmx does for the element `target` of the page at `url`."""
    return client.get(url, headers={"HX-Request": "true", "HX-Target": target})


def text_of(response: HttpResponseBase) -> str:
    """The reply without what differs from one rendering to the next."""
    return _TOKENS.sub("", response.getvalue().decode()).strip()
