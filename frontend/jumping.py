"""Where the shell's search box leads: to a page by its name, to a quota by its name or path, else to the search of workloads."""

from __future__ import annotations

from accounts.models import User
from frontend.navigation import build_rail
from frontend.pages.links import build_url
from quotas.selectors import list_visible_nodes


def find_destination(text: str, *, viewer: User) -> str:
    """The address for what was typed. Empty text leads home."""
    if not text:
        return build_url("home")
    words = text.lower()
    for item in build_rail(viewer, current_area="", cluster_name=""):
        if str(item.label).lower().startswith(words):
            return item.url
    named = [node for node in list_visible_nodes(viewer) if words in {node.name.lower(), node.path.lower()}]
    if len(named) == 1:
        return build_url("quotas:node-detail", named[0].tree_id, named[0].id)
    return build_url("workloads:workload-list", search=text)
