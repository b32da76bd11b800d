"""Who waits, per quota: how many workloads and GPUs, and the one at the head of each queue with its reason."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count, F, Sum

from accounts.models import User
from clusters.models import Cluster, ObservedWorkload
from workloads.domain.explain import Explanation
from workloads.domain.views import LeafRef
from workloads.explaining import WAITING_STATES
from workloads.leaves import load_leaves
from workloads.selectors import explain_workloads, list_workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingQueue:
    """All that waits for one leaf (None: for namespaces that are bound to none). `head` is the one whose turn it is."""

    leaf: LeafRef | None
    workloads: int
    gpus: int
    head: ObservedWorkload
    explanation: Explanation | None


def list_waiting_queues(*, viewer: User, cluster: Cluster) -> tuple[WaitingQueue, ...]:
    """The queues with waiting work that the viewer may see, the one with most GPUs first. Queries do not grow with the work."""
    waiting = list_workloads(viewer=viewer, cluster=cluster, state=list(WAITING_STATES)).order_by()
    sums = {
        namespace: (workloads, gpus or 0)
        for namespace, workloads, gpus in waiting.values_list("namespace").annotate(Count("pk"), Sum("gpu_request"))
    }
    order = ("namespace", F("priority").desc(), F("queued_at").asc(nulls_last=True), "created_at")
    # The observer writes between the two queries: a namespace whose first workload has just come waits for the next look.
    heads = [head for head in waiting.order_by(*order).distinct("namespace") if head.namespace in sums]
    leaves = load_leaves(heads)
    by_leaf: dict[LeafRef | None, list[ObservedWorkload]] = defaultdict(list)
    for head in heads:
        by_leaf[leaves.find(head)].append(head)
    first = {leaf: min(members, key=_turn) for leaf, members in by_leaf.items()}
    explanations = explain_workloads(first.values(), viewer=viewer)
    queues = (
        WaitingQueue(
            leaf=leaf,
            workloads=sum(sums[member.namespace][0] for member in by_leaf[leaf]),
            gpus=sum(sums[member.namespace][1] for member in by_leaf[leaf]),
            head=head,
            explanation=explanations.get(head.uid),
        )
        for leaf, head in first.items()
    )
    return tuple(
        sorted(queues, key=lambda queue: (-queue.gpus, -queue.workloads, queue.leaf.path if queue.leaf else ""))
    )


def _turn(row: ObservedWorkload) -> tuple[int, float]:
    """Kueue's order: higher priority first, then who queued first."""
    return -row.priority, (row.queued_at or row.created_at).timestamp()
