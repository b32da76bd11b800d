"""Which cluster a page speaks of: the one in its address, else the one chosen last, else the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest

from clusters import selectors
from clusters.models import Cluster

PARAMETER: Final = "cluster"
SESSION_KEY: Final = "cluster"


def get_chosen_cluster(request: HttpRequest) -> Cluster | None:
    """The cluster that `?cluster=` names; without it the one remembered in the session, else the default. None when there is none.

    Raises: ClusterMissingError (404) when the address names a cluster that does not exist.
    """
    named = request.GET.get(PARAMETER, "")
    if named:
        return selectors.get_cluster(name=named)
    remembered = request.session.get(SESSION_KEY, "")
    clusters = list_offered_clusters(request)
    return next((cluster for cluster in clusters if cluster.name == remembered), clusters[0] if clusters else None)


def list_offered_clusters(request: HttpRequest) -> Sequence[Cluster]:
    """The clusters that the switcher offers; read once per request."""
    clusters: Sequence[Cluster] | None = getattr(request, "_aid_clusters", None)
    if clusters is None:
        clusters = list(selectors.list_clusters())
        request._aid_clusters = clusters  # type: ignore[attr-defined]  # a note on the request, read here alone
    return clusters


def remember_cluster(request: HttpRequest, cluster: Cluster) -> None:
    request.session[SESSION_KEY] = cluster.name
