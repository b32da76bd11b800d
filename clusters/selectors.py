"""Reads of clusters, their nodes, and the objects that we keep in them. For administrators; who may ask is decided at the doors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, QuerySet

from clusters.errors import ClusterMissingError, ManagedObjectMissingError, NodeMissingError
from clusters.models import Cluster, ManagedObject, ObservedNamespace, ObservedNode, ObservedPod, SyncState

NODE_ORDERINGS = ("name", "pool", "zone", "gpu_model", "gpu_capacity", "gpu_allocatable", "is_ready", "created_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSummary:
    """How many objects there are, by state, and since when the oldest look at one is.

    `is_matching` when every one is as wanted: "all 1,204 objects match".
    """

    total: int
    counts: dict[SyncState, int]
    oldest_check_at: datetime | None

    @property
    def is_matching(self) -> bool:
        return self.counts.get(SyncState.SYNCED, 0) == self.total

    @property
    def in_trouble(self) -> int:
        """Objects that a person should look at: not as wanted, and not just on their way."""
        calm = (SyncState.SYNCED, SyncState.SYNCING, SyncState.WAITING)
        return self.total - sum(self.counts.get(state, 0) for state in calm)


def list_clusters() -> QuerySet[Cluster]:
    """All clusters by name, without their credentials."""
    return Cluster.objects.defer("credential").order_by("name")


def get_cluster(*, name: str) -> Cluster:
    """Raises: ClusterMissingError (404)."""
    try:
        return Cluster.objects.get(name=name)
    except Cluster.DoesNotExist as error:
        raise ClusterMissingError(f"There is no cluster {name!r}.") from error


def find_default_cluster() -> Cluster | None:
    """The first by name; None when none is registered."""
    return list_clusters().first()


def list_all_nodes() -> QuerySet[ObservedNode]:
    """The nodes of every cluster, by cluster and name."""
    return ObservedNode.objects.select_related("cluster").defer("cluster__credential").order_by("cluster__name", "name")


def build_node_search(search: str) -> Q:
    """Nodes whose name, pool, zone, GPU model or address has `search` in it."""
    return (
        Q(name__icontains=search)
        | Q(pool__icontains=search)
        | Q(zone__icontains=search)
        | Q(gpu_model__icontains=search)
        | Q(internal_ip__startswith=search)
    )


def build_object_search(search: str) -> Q:
    """Managed objects whose name or namespace has `search` in it."""
    return Q(name__icontains=search) | Q(namespace__icontains=search)


def list_nodes(
    cluster: Cluster,
    *,
    search: str = "",
    pool: str = "",
    zone: str = "",
    gpu_model: str = "",
    is_ready: bool | None = None,
    is_cordoned: bool | None = None,
    ordering: str = "name",
) -> QuerySet[ObservedNode]:
    """Nodes of a cluster, narrowed by what is given. `search` looks at name, pool, zone, GPU model and address.

    `ordering` is one of NODE_ORDERINGS, with a minus for descending; anything else means by name.
    """
    nodes = ObservedNode.objects.filter(cluster=cluster)
    if search:
        nodes = nodes.filter(build_node_search(search))
    for column, text in (("pool", pool), ("zone", zone), ("gpu_model", gpu_model)):
        if text:
            nodes = nodes.filter(**{column: text})
    for column, flag in (("is_ready", is_ready), ("is_cordoned", is_cordoned)):
        if flag is not None:
            nodes = nodes.filter(**{column: flag})
    return nodes.order_by(ordering if ordering.removeprefix("-") in NODE_ORDERINGS else "name", "name")


def get_node(cluster: Cluster, *, name: str) -> ObservedNode:
    """Raises: NodeMissingError (404)."""
    try:
        return ObservedNode.objects.get(cluster=cluster, name=name)
    except ObservedNode.DoesNotExist as error:
        raise NodeMissingError(f"There is no node {name!r} in cluster {cluster.name}.") from error


def list_pods_on(node: ObservedNode) -> QuerySet[ObservedPod]:
    """The pods that are bound to a node and not gone yet."""
    return ObservedPod.objects.filter(cluster=node.cluster_id, node_name=node.name)


def list_namespaces(cluster: Cluster, *, search: str = "") -> QuerySet[ObservedNamespace]:
    namespaces = ObservedNamespace.objects.filter(cluster=cluster).order_by("name")
    return namespaces.filter(name__icontains=search) if search else namespaces


def list_managed_objects(
    cluster: Cluster | None = None,
    *,
    states: tuple[str, ...] = (),
    kind: str = "",
    owner: str = "",
    search: str = "",
) -> QuerySet[ManagedObject]:
    """Objects that we keep, in one cluster or in all, narrowed by what is given. `search` looks at name and namespace."""
    objects = ManagedObject.objects.select_related("cluster").defer("cluster__credential")
    if cluster is not None:
        objects = objects.filter(cluster=cluster)
    if states:
        objects = objects.filter(state__in=states)
    if kind:
        objects = objects.filter(kind=kind)
    if owner:
        objects = objects.filter(owner=owner)
    if search:
        objects = objects.filter(build_object_search(search))
    return objects.order_by("cluster__name", "kind", "namespace", "name")


def count_states(objects: QuerySet[ManagedObject]) -> dict[str, int]:
    """`{state: objects}` of these; states that none is in are left out."""
    return dict(objects.order_by().values_list("state").annotate(number=Count("pk")))


def get_managed_object(*, object_id: int) -> ManagedObject:
    """Raises: ManagedObjectMissingError (404)."""
    found = list_managed_objects().filter(pk=object_id).first()
    if found is None:
        raise ManagedObjectMissingError(f"We keep no object with number {object_id}.")
    return found


def count_managed_objects(cluster: Cluster | None = None) -> dict[SyncState, int]:
    """How many objects are in which state; states without any are left out. One query."""
    return summarise_sync(cluster).counts


def summarise_sync(cluster: Cluster | None = None) -> SyncSummary:
    """The counts of one cluster's objects, or of all. One query."""
    objects = ManagedObject.objects.all() if cluster is None else ManagedObject.objects.filter(cluster=cluster)
    rows = list(objects.order_by().values("state").annotate(count=Count("pk"), checked_at=Min("checked_at")))
    checks = [row["checked_at"] for row in rows if row["checked_at"] is not None]
    return SyncSummary(
        total=sum(row["count"] for row in rows),
        counts={SyncState(row["state"]): row["count"] for row in rows},
        oldest_check_at=min(checks, default=None),
    )
