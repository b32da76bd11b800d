"""Which cluster a page speaks of: the one in its address, else the one chosen last, else the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from clusters import selectors
from clusters.errors import ClusterMissingError
from clusters.models import Cluster
from quotas import selectors as quota_selectors

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
        clusters = list(_list_clusters_for(request.user))
        request._aid_clusters = clusters  # type: ignore[attr-defined]  # read once per request, here alone
    return clusters


def _list_clusters_for(user: object) -> QuerySet[Cluster]:
    clusters = selectors.list_clusters()
    if not isinstance(user, User):
        return clusters.none()
    if user.is_admin:
        return clusters
    return clusters.filter(pk__in=quota_selectors.list_trees(viewer=user).values("cluster"))


def remember_cluster(request: HttpRequest, cluster: Cluster) -> None:
    """Said again, it writes nothing: a live page says it at every refresh."""
    if request.session.get(SESSION_KEY) != cluster.name:
        request.session[SESSION_KEY] = cluster.name
