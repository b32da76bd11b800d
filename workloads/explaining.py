"""Gathers the facts behind an explanation from rows: the leaf's numbers, the place in the queue, the free blocks of the nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from django.db.models import Q

from clusters.models import Cluster, ObservedWorkload, WorkloadState
from monitoring.selectors import get_capacity
from quotas.models import QuotaTree
from quotas.selectors import build_usage
from workloads.domain.explain import Explanation, PendingFacts, explain_pending
from workloads.leaves import Leaves, Place, build_numbers

WAITING_STATES: Final = (WorkloadState.PENDING, WorkloadState.EVICTED, WorkloadState.RESERVED)
# Those that stand in the queue: a workload that has its reservation has left it.
QUEUED_STATES: Final = (WorkloadState.PENDING, WorkloadState.EVICTED)


def explain(rows: Sequence[ObservedWorkload], *, leaves: Leaves, names_others: bool) -> dict[str, Explanation]:
    """`{uid: explanation}`. Queries grow with the trees and clusters involved, not with the rows."""
    tree_ids = {leaf.tree_id for row in rows if (leaf := leaves.find(row))}
    usages = [build_usage(tree) for tree in QuotaTree.objects.filter(pk__in=tree_ids).select_related("cluster")]
    needed = {leaf.node_id for row in rows if (leaf := leaves.find(row))}
    numbers = {
        node.id: build_numbers(node, usage, names_others=names_others)
        for usage in usages
        for node in usage.nodes
        if node.id in needed
    }
    positions = find_positions(rows, leaves=leaves)
    clusters = {row.cluster_id: row.cluster for row in rows}
    blocks = {pk: find_largest_block(cluster) for pk, cluster in clusters.items()}
    explanations = {}
    for row in rows:
        leaf = leaves.find(row)
        reason, message = _find_obstacle(row)
        eviction = _find_condition(row, "Evicted", status="True")
        explanations[row.uid] = explain_pending(
            PendingFacts(
                reason=reason,
                message=message,
                requests=row.requests,
                since=row.queued_at or row.state_since,
                leaf=numbers.get(leaf.node_id) if leaf else None,
                position=positions.get(row.uid),
                gpus_per_pod=row.gpu_request // max(1, row.pod_count),
                largest_block=blocks[row.cluster_id],
                was_evicted=eviction is not None,
                eviction_reason=eviction[0] if eviction else "",
            )
        )
    return explanations


def find_positions(rows: Iterable[ObservedWorkload], *, leaves: Leaves) -> dict[str, int]:
    """`{uid: place in its queue}`, 1 for the head: higher priority first, then who queued first."""
    waiting = [row for row in rows if row.state in QUEUED_STATES]
    places: set[Place] = {place for row in waiting for place in leaves.siblings_of(row)}
    if not places:
        return {}
    by_cluster: dict[int, set[str]] = defaultdict(set)
    for cluster_id, namespace in places:
        by_cluster[cluster_id].add(namespace)
    where = Q()
    for cluster_id, namespaces in by_cluster.items():
        where |= Q(cluster=cluster_id, namespace__in=namespaces)
    queues: dict[object, list[tuple[int, float, str]]] = defaultdict(list)
    fields = ("cluster_id", "namespace", "priority", "queued_at", "created_at", "uid")
    for cluster_id, namespace, priority, queued_at, created_at, uid in ObservedWorkload.objects.filter(
        where, state__in=QUEUED_STATES
    ).values_list(*fields):
        leaf = leaves.by_place.get((cluster_id, namespace))
        queue = leaf.node_id if leaf else (cluster_id, namespace)
        queues[queue].append((-priority, (queued_at or created_at).timestamp(), uid))
    wanted = {row.uid for row in waiting}
    return {
        uid: index
        for queue in queues.values()
        for index, (_, _, uid) in enumerate(sorted(queue), start=1)
        if uid in wanted
    }


def find_largest_block(cluster: Cluster) -> int | None:
    """The most free GPUs on one usable node; None when no GPU node has been seen."""
    capacity = get_capacity(cluster)
    return capacity.largest_block if capacity.gpu_nodes else None


def _find_obstacle(row: ObservedWorkload) -> tuple[str, str]:
    """Reason and message of what keeps the workload from going on: of a row that was evicted the condition shown tells why it
    had to go, not what it waits for now."""
    kind = "Admitted" if row.state == WorkloadState.RESERVED else "QuotaReserved"
    return _find_condition(row, kind, status="False") or (row.reason, row.message)


def _find_condition(row: ObservedWorkload, kind: str, *, status: str) -> tuple[str, str] | None:
    """Reason and message of a condition that has this status."""
    for item in row.conditions:
        if item.get("type") == kind and item.get("status") == status:
            return str(item.get("reason", "")), str(item.get("message", ""))
    return None
