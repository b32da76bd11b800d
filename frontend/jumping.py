"""Where the shell's search box leads: to a page by its name, to a quota by its name or path, else to the search of workloads."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from accounts.models import User
from frontend.navigation import build_rail, find_url


def find_destination(text: str, *, viewer: User) -> str:
    """The address for what was typed. Empty text leads home."""
    if not text:
        return reverse("home")
    for item in build_rail(viewer, current_area="", cluster_name=""):
        if str(item.label).lower().startswith(text.lower()):
            return item.url
    workloads = find_url("workloads:workload-list")
    place = workloads or reverse("quotas:quota-list")
    return f"{place}?{urlencode({'search': text})}"
