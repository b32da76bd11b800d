"""Which cluster a page speaks of: the one in its address, else the one chosen last, else the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest

from accounts.models import User
from clusters.errors import ClusterMissingError
from clusters.models import Cluster
from quotas.selectors import list_visible_clusters

PARAMETER: Final = "cluster"
SESSION_KEY: Final = "cluster"


def get_chosen_cluster(request: HttpRequest) -> Cluster | None:
    """The cluster that `?cluster=` names; without it the one remembered in the session, else the first. None when there is none.

    Raises: ClusterMissingError (404) when the address names a cluster that there is not, for this person.
    """
    clusters = list_offered_clusters(request)
    named = request.GET.get(PARAMETER, "")
    wanted = named or request.session.get(SESSION_KEY, "")
    found = next((cluster for cluster in clusters if cluster.name == wanted), None)
    if named and found is None:
        raise ClusterMissingError(f"There is no cluster {named!r}.")
    return found or (clusters[0] if clusters else None)


def list_offered_clusters(request: HttpRequest) -> Sequence[Cluster]:
    """The clusters that the switcher offers: all of them to an admin, to others those where they have a quota."""
    clusters: Sequence[Cluster] | None = getattr(request, "_aid_clusters", None)
    if clusters is None:
        user = request.user
        clusters = list(list_visible_clusters(viewer=user)) if isinstance(user, User) else []
        request._aid_clusters = clusters  # type: ignore[attr-defined]  # read once per request, here alone
    return clusters


def remember_cluster(request: HttpRequest, cluster: Cluster) -> None:
    """Said again, it writes nothing: a live page says it at every refresh."""
    if request.session.get(SESSION_KEY) != cluster.name:
        request.session[SESSION_KEY] = cluster.name
