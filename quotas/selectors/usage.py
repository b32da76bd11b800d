"""A tree as people see it: every node with its numbers, usage and sync state, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from accounts.models import User
from clusters.models import Cluster, ObservedPod, ObservedQueue, ObservedWorkload, WorkloadState
from quotas.domain.tree import NodeKey, Tree
from quotas.domain.usage import LeafUsage, NodeUsage, compute_usage
from quotas.models import NamespaceBinding, QuotaNode, QuotaTree
from quotas.selectors.loading import build_tree, find_capacity, list_node_rows, node_key
from quotas.selectors.sync import NodeSync, TreeSync, list_managed_objects, summarise_node_sync, summarise_tree_sync
from quotas.selectors.trees import list_trees, list_visible_leaf_ids

WAITING_STATES = (WorkloadState.PENDING, WorkloadState.EVICTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node for a page or the API.

    `is_path_only`: the viewer sees the name and nothing else (`min`, `max` empty, `usage` and `sync` None).
    """

    id: int
    tree_id: int
    tree_name: str
    cluster_id: int
    cluster_name: str
    parent_id: int | None
    name: str
    path: str
    depth: int
    is_root: bool
    is_leaf: bool
    is_path_only: bool
    queue_name: str
    version: int
    changed_at: datetime
    min: Mapping[str, str]
    max: Mapping[str, str]
    namespaces: tuple[str, ...]
    adopted_namespaces: tuple[str, ...]
    group: str | None
    usage: NodeUsage | None
    sync: NodeSync | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUsage:
    """A tree with the nodes that the viewer may see, parents before children.

    `resources` are those with a number anywhere in the tree, cpu and memory first. `capacity` is what the cluster can schedule
    now, None when it was never observed; `observed_at` is the age of every number here.
    """

    tree: QuotaTree
    nodes: tuple[NodeView, ...]
    resources: tuple[str, ...]
    capacity: Mapping[str, int] | None
    observed_at: datetime | None
    sync: TreeSync

    def find(self, node_id: int) -> NodeView | None:
        return next((node for node in self.nodes if node.id == node_id), None)


def build_usage(tree: QuotaTree, *, viewer: User | None = None) -> TreeUsage:
    """Min, Max, used, borrowed, lent, pending and sync state of every node. `viewer` None sees all."""
    rows = list_node_rows(tree)
    domain_tree = build_tree(rows, NamespaceBinding.objects.filter(node__tree=tree))
    capacity = find_capacity(tree.cluster)
    numbers = compute_usage(domain_tree, leaves=_read_leaves(tree.cluster, domain_tree), capacity=capacity)
    objects = list_managed_objects(tree)
    sync = summarise_node_sync(tree, rows, objects)
    visible = None if viewer is None else list_visible_leaf_ids(viewer=viewer, tree=tree)
    by_key = {node_key(row.pk): row for row in rows}
    views = [
        _build_view(tree, domain_tree, by_key[node.key], numbers[node.key], sync[by_key[node.key].pk], visible)
        for node in domain_tree.walk()
    ]
    return TreeUsage(
        tree=tree,
        nodes=tuple(view for view in views if view is not None),
        resources=domain_tree.resources(),
        capacity=capacity,
        observed_at=tree.cluster.last_seen_at,
        sync=summarise_tree_sync(tree, objects),
    )


def list_visible_nodes(viewer: User, *, cluster: Cluster | None = None) -> list[NodeView]:
    """The nodes whose numbers the viewer may see, of all trees: for a researcher the leaves of their groups."""
    trees = list_trees(viewer=viewer, cluster=cluster)
    views = [view for tree in trees for view in build_usage(tree, viewer=viewer).nodes]
    return [view for view in views if not view.is_path_only]


def _build_view(
    tree: QuotaTree,
    domain_tree: Tree,
    row: QuotaNode,
    usage: NodeUsage,
    sync: NodeSync,
    visible: frozenset[int] | None,
) -> NodeView | None:
    key = node_key(row.pk)
    node, lineage = domain_tree.get(key), domain_tree.lineage(key)
    is_shown = visible is None or row.pk in visible
    if not is_shown and visible is not None:
        below = {int(other.key) for other in domain_tree.walk(key)}
        if not below & visible:
            return None
    return NodeView(
        id=row.pk,
        tree_id=tree.pk,
        tree_name=tree.name,
        cluster_id=tree.cluster_id,
        cluster_name=tree.cluster.name,
        parent_id=row.parent_id,
        name=row.name,
        path=domain_tree.path(key),
        depth=len(lineage) - 1,
        is_root=row.parent_id is None,
        is_leaf=domain_tree.is_leaf(key),
        is_path_only=not is_shown,
        queue_name=row.queue_name if is_shown else "",
        version=row.version,
        changed_at=row.changed_at,
        min=node.min if is_shown else {},
        max=node.max if is_shown else {},
        namespaces=tuple(sorted(binding.namespace for binding in node.namespaces)) if is_shown else (),
        adopted_namespaces=tuple(sorted(binding.namespace for binding in node.namespaces if binding.is_adopted))
        if is_shown
        else (),
        group=node.group if is_shown else None,
        usage=usage if is_shown else None,
        sync=sync if is_shown else None,
    )


def _read_leaves(cluster: Cluster, tree: Tree) -> dict[NodeKey, LeafUsage]:
    """What the observer last saw of each leaf: held by its queue, waiting for it, running in its namespaces."""
    leaves = list(tree.leaves())
    by_queue = {node.queue_name: node.key for node in leaves}
    by_namespace = {binding.namespace: node.key for node in leaves for binding in node.namespaces}
    queues = {
        queue.name: queue
        for queue in ObservedQueue.objects.filter(cluster=cluster, kind="ClusterQueue", name__in=by_queue)
    }
    pending, waiting = _sum_pending(cluster, by_queue, by_namespace)
    running = _count_running(cluster, by_namespace)
    return {
        node.key: LeafUsage(
            used=(queues[node.queue_name].reserved or queues[node.queue_name].usage)
            if node.queue_name in queues
            else {},
            pending=pending[node.key],
            running_pods=running[node.key],
            admitted_workloads=queues[node.queue_name].admitted_workloads if node.queue_name in queues else 0,
            pending_workloads=waiting[node.key],
        )
        for node in leaves
    }


def _sum_pending(
    cluster: Cluster, by_queue: Mapping[str, NodeKey], by_namespace: Mapping[str, NodeKey]
) -> tuple[dict[NodeKey, dict[str, int]], dict[NodeKey, int]]:
    """Waiting work by leaf. Equal requests are counted by the database: thousands of waiting jobs are often a few shapes."""
    amounts: dict[NodeKey, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    counts: dict[NodeKey, int] = defaultdict(int)
    rows = (
        ObservedWorkload.objects.filter(cluster=cluster, state__in=WAITING_STATES)
        .order_by()
        .values_list("cluster_queue", "namespace", "requests")
        .annotate(number=Count("pk"))
    )
    for queue, namespace, requests, number in rows:
        # Work that waits names its LocalQueue; the observer fills in the ClusterQueue when it knows that one.
        key = by_queue.get(queue) if queue else by_namespace.get(namespace)
        if key is None:
            continue
        counts[key] += number
        for resource, amount in requests.items():
            amounts[key][resource] += amount * number
    return amounts, counts


def _count_running(cluster: Cluster, by_namespace: Mapping[str, NodeKey]) -> dict[NodeKey, int]:
    counts: dict[NodeKey, int] = defaultdict(int)
    rows: Iterable[tuple[str, int]] = (
        ObservedPod.objects.filter(
            cluster=cluster, namespace__in=list(by_namespace), phase="Running", is_terminating=False
        )
        .order_by()
        .values_list("namespace")
        .annotate(number=Count("pk"))
    )
    for namespace, number in rows:
        counts[by_namespace[namespace]] += number
    return counts
