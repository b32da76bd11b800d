"""Gathers from rows what validation has to know besides the tree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from accounts.models import UserGroup
from clusters.models import Cluster, ObservedNamespace, ObservedPod, ObservedQueue, ObservedWorkload, WorkloadState
from quotas.domain.changes import BindNamespace, Change
from quotas.domain.facts import HeldWorkload, TreeFacts
from quotas.domain.tree import NodeKey, Tree
from quotas.models import NamespaceBinding, QuotaNode, QuotaTree
from quotas.selectors.loading import find_capacity

HOLDING_STATES = (WorkloadState.RESERVED, WorkloadState.ADMITTED)


def gather_facts(*, cluster: Cluster, row: QuotaTree | None, tree: Tree, changes: Sequence[Change] = ()) -> TreeFacts:
    """The facts about `tree` (of `row`, None for one that is not saved yet) and the namespaces that `changes` bind."""
    namespaces = {binding.namespace for node in tree.nodes for binding in node.namespaces}
    namespaces |= {change.namespace for change in changes if isinstance(change, BindNamespace)}
    is_observed = cluster.last_seen_at is not None
    others = QuotaNode.objects.filter(cluster=cluster).exclude(tree=row)
    bindings = NamespaceBinding.objects.filter(cluster=cluster, namespace__in=namespaces).exclude(node__tree=row)
    return TreeFacts(
        capacity=find_capacity(cluster),
        namespaces=_list_namespaces(cluster) if is_observed else None,
        groups=frozenset(UserGroup.objects.values_list("name", flat=True)),
        bound_elsewhere={
            binding.namespace: f"{binding.node.name} of tree {binding.node.tree.name}"
            for binding in bindings.select_related("node__tree")
        },
        queues_elsewhere={
            node.queue_name: f"{node.name} of tree {node.tree.name}" for node in others.select_related("tree")
        },
        trees_elsewhere=_list_other_trees(cluster, row),
        foreign_queues=_list_foreign_queues(cluster),
        running_pods=_list_running_pods(cluster, namespaces),
        held=_list_held(cluster, tree),
    )


def _list_other_trees(cluster: Cluster, row: QuotaTree | None) -> frozenset[str]:
    trees = QuotaTree.objects.filter(cluster=cluster)
    if row is not None:
        trees = trees.exclude(pk=row.pk)
    return frozenset(trees.values_list("name", flat=True))


def _list_namespaces(cluster: Cluster) -> frozenset[str]:
    return frozenset(ObservedNamespace.objects.filter(cluster=cluster).values_list("name", flat=True))


def _list_foreign_queues(cluster: Cluster) -> frozenset[str]:
    queues = ObservedQueue.objects.filter(cluster=cluster, kind__in=("ClusterQueue", "Cohort"))
    return frozenset(queues.exclude(owner__startswith="quota-tree-").values_list("name", flat=True))


def _list_running_pods(cluster: Cluster, namespaces: Iterable[str]) -> dict[str, tuple[str, ...]]:
    pods: dict[str, list[str]] = defaultdict(list)
    rows = ObservedPod.objects.filter(cluster=cluster, namespace__in=namespaces, phase="Running").order_by("name")
    for namespace, name in rows.values_list("namespace", "name"):
        pods[namespace].append(name)
    return {namespace: tuple(names) for namespace, names in pods.items()}


def _list_held(cluster: Cluster, tree: Tree) -> dict[NodeKey, tuple[HeldWorkload, ...]]:
    leaves = {node.queue_name: node.key for node in tree.nodes if node.queue_name}
    held: dict[NodeKey, list[HeldWorkload]] = defaultdict(list)
    rows = ObservedWorkload.objects.filter(cluster=cluster, cluster_queue__in=leaves, state__in=HOLDING_STATES)
    for row in rows.order_by("namespace", "name"):
        name = f"{row.namespace}/{row.owner_name or row.name}"
        held[leaves[row.cluster_queue]].append(HeldWorkload(name=name, requests=row.requests))
    return {key: tuple(workloads) for key, workloads in held.items()}
