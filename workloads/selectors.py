"""Reads of workloads: the list with its filters, one with its time line and pods, why it waits, what could start.

A researcher sees the namespaces of their groups and nothing else; what they may not see does not exist for them. Every function
makes a constant number of queries, however many rows it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts.models import User
from aidashboard.kit.errors import Finding
from clusters.models import Cluster, ObservedPod, ObservedWorkload, WorkloadState
from monitoring.selectors import get_capacity
from quotas.selectors import list_bindings
from workloads.domain.explain import GPU, Explanation
from workloads.domain.starting import StartOptions, describe_start
from workloads.domain.views import Condition, PodCounts, WorkloadDetail, WorkloadPod, WorkloadRow
from workloads.errors import WorkloadMissingError, WorkloadQueryError
from workloads.explaining import WAITING_STATES, explain, find_positions
from workloads.leaves import Leaves, load_leaves, load_rooms
from workloads.placement import count_unplaced
from workloads.timeline import build_timeline

STATES: Final = tuple(state.value for state in WorkloadState)
ORDERINGS: Final = (
    "created_at",
    "queued_at",
    "admitted_at",
    "finished_at",
    "state_since",
    "gpu_request",
    "priority",
    "name",
    "namespace",
    "state",
    "submitted_by",
)


def list_workloads(
    *,
    viewer: User,
    cluster: Cluster | None = None,
    state: str | Sequence[str] = "",
    namespace: str = "",
    queue: str = "",
    user: str = "",
    search: str = "",
    has_gpu: bool | None = None,
    ordering: str = "-created_at",
) -> QuerySet[ObservedWorkload]:
    """The workloads that the viewer may see, narrowed by what is given.

    `state` is one state or several, `queue` the queue name of a quota node (an inner node stands for all leaves below it),
    `search` a part of the name, namespace or user.
    Raises: WorkloadQueryError (422) for an unknown state or ordering.
    """
    workloads = _visible(viewer)
    if cluster is not None:
        workloads = workloads.filter(cluster=cluster)
    if state:
        workloads = workloads.filter(state__in=_check_states([state] if isinstance(state, str) else state))
    if namespace:
        workloads = workloads.filter(namespace=namespace)
    if queue:
        workloads = workloads.filter(_in_queue(queue, viewer))
    if user:
        workloads = workloads.filter(submitted_by=user)
    if has_gpu is not None:
        workloads = workloads.filter(gpu_request__gt=0) if has_gpu else workloads.filter(gpu_request=0)
    if search:
        fields = ("name", "owner_name", "namespace", "submitted_by")
        matches = Q()
        for field in fields:
            matches |= Q(**{f"{field}__icontains": search})
        workloads = workloads.filter(matches)
    return workloads.order_by(_check_ordering(ordering), "pk")


def count_by_state(*, viewer: User, cluster: Cluster | None = None) -> dict[WorkloadState, int]:
    """How many workloads are in each state; every state is there, also with 0."""
    workloads = _visible(viewer)
    return count_states(workloads if cluster is None else workloads.filter(cluster=cluster))


def count_states(workloads: QuerySet[ObservedWorkload]) -> dict[WorkloadState, int]:
    """How many of these are in each state; every state is there, also with 0."""
    counts = dict(workloads.order_by().values_list("state").annotate(number=Count("pk")))
    return {state: counts.get(state.value, 0) for state in WorkloadState}


def build_rows(workloads: Iterable[ObservedWorkload]) -> tuple[WorkloadRow, ...]:
    """What a page of `list_workloads` shows, in its order."""
    rows = list(workloads)
    leaves = load_leaves(rows)
    pods = _count_pods(rows)
    positions = find_positions(rows, leaves=leaves)
    return tuple(
        _build_row(row, leaves=leaves, pods=pods.get(row.uid, ((), PodCounts())), position=positions.get(row.uid))
        for row in rows
    )


def explain_workloads(workloads: Iterable[ObservedWorkload], *, viewer: User) -> dict[str, Explanation]:
    """`{uid: explanation}` of those among them that wait. A researcher is not told which other quota borrows."""
    rows = [row for row in workloads if row.state in WAITING_STATES]
    return explain(rows, leaves=load_leaves(rows), names_others=viewer.is_admin) if rows else {}


def get_workload(*, viewer: User, uid: str) -> WorkloadDetail:
    """One workload with its time line, pods and, while it waits, the reason.

    Raises: WorkloadMissingError (404), also for one in a namespace that the viewer may not see.
    """
    row = _visible(viewer).filter(uid=uid).first()
    if row is None:
        raise WorkloadMissingError("There is no such workload.")
    pods = _pods_of([row]).order_by("name")
    return WorkloadDetail(
        row=build_rows([row])[0],
        timeline=build_timeline(row),
        pods=tuple(_build_pod(pod) for pod in pods),
        conditions=tuple(
            Condition(
                type=item.get("type", ""),
                status=item.get("status", ""),
                reason=item.get("reason", ""),
                message=item.get("message", ""),
                since=item.get("lastTransitionTime") or item.get("since") or "",
            )
            for item in row.conditions
        ),
        explanation=explain_workloads([row], viewer=viewer).get(row.uid),
    )


def get_start_options(*, viewer: User, cluster: Cluster) -> StartOptions:
    """What the viewer can start now on a cluster, in GPUs: per leaf, over all leaves, and the largest block on one node."""
    rooms = load_rooms(viewer=viewer, cluster=cluster, resource=GPU)
    capacity = get_capacity(cluster)
    # Cards that admitted work waits for are free on a node, and promised all the same.
    free_gpus = max(0, capacity.gpus_free - count_unplaced(cluster).gpus)
    largest_block = min(capacity.largest_block, free_gpus)
    return StartOptions(
        leaves=rooms,
        largest_block=largest_block,
        free_gpus=free_gpus,
        sentence=describe_start(rooms, largest_block=largest_block, free_gpus=free_gpus),
    )


# --- parts -------------------------------------------------------------------------------------------------------------------


def _visible(viewer: User) -> QuerySet[ObservedWorkload]:
    workloads = ObservedWorkload.objects.select_related("cluster")
    if viewer.is_admin:
        return workloads
    bound = list_bindings(viewer=viewer).filter(cluster=OuterRef("cluster"), namespace=OuterRef("namespace"))
    return workloads.filter(Exists(bound))


def _in_queue(queue: str, viewer: User) -> Q:
    """Work in the namespaces below a quota node. Work that waits does not always name its ClusterQueue, its namespace does."""
    matches = Q(cluster_queue=queue)
    for cluster_id, namespaces in Leaves.namespaces_below(queue, viewer=viewer).items():
        matches |= Q(cluster=cluster_id, namespace__in=namespaces)
    return matches


def _check_states(states: Sequence[str]) -> list[str]:
    for state in states:
        if state not in STATES:
            raise _refuse("state", state, f"{state!r} is no state: choose from {', '.join(STATES)}")
    return list(states)


def _check_ordering(ordering: str) -> str:
    if ordering.removeprefix("-") not in ORDERINGS:
        raise _refuse("ordering", ordering, f"{ordering!r} is no ordering: choose from {', '.join(ORDERINGS)}")
    return ordering


def _refuse(field: str, value: str, message: str) -> WorkloadQueryError:
    return WorkloadQueryError(
        message, findings=[Finding(rule=f"unknown-{field}", field=field, value=value, message=message)]
    )


def _pods_of(workloads: Sequence[ObservedWorkload]) -> QuerySet[ObservedPod]:
    """The pods of these workloads: those of a Job name it as owner, a workload of a bare pod is owned by the pod itself."""
    owners = [row.owner_uid for row in workloads if row.owner_uid]
    clusters = {row.cluster_id for row in workloads}
    return ObservedPod.objects.filter(Q(owner_uid__in=owners) | Q(uid__in=owners), cluster__in=clusters)


def _count_pods(workloads: Sequence[ObservedWorkload]) -> Mapping[str, tuple[tuple[str, ...], PodCounts]]:
    """`{workload uid: (nodes, counts)}`."""
    by_owner = {row.owner_uid: row.uid for row in workloads if row.owner_uid}
    nodes: dict[str, set[str]] = {}
    phases: dict[str, dict[str, int]] = {}
    for owner_uid, uid, phase, node in _pods_of(workloads).values_list("owner_uid", "uid", "phase", "node_name"):
        workload = by_owner.get(owner_uid) or by_owner[uid]
        counts = phases.setdefault(workload, {})
        counts[phase.lower()] = counts.get(phase.lower(), 0) + 1
        if node:
            nodes.setdefault(workload, set()).add(node)
    return {
        workload: (
            tuple(sorted(nodes.get(workload, ()))),
            PodCounts(
                running=counts.get("running", 0),
                pending=counts.get("pending", 0),
                succeeded=counts.get("succeeded", 0),
                failed=counts.get("failed", 0),
            ),
        )
        for workload, counts in phases.items()
    }


def _build_row(
    row: ObservedWorkload, *, leaves: Leaves, pods: tuple[tuple[str, ...], PodCounts], position: int | None
) -> WorkloadRow:
    return WorkloadRow(
        uid=row.uid,
        cluster=row.cluster.name,
        namespace=row.namespace,
        name=row.owner_name or row.name,
        kind=row.owner_kind,
        workload_name=row.name,
        state=row.state,
        reason=row.reason,
        message=row.message,
        since=row.state_since,
        leaf=leaves.find(row),
        cluster_queue=row.cluster_queue,
        submitted_by=row.submitted_by,
        priority=row.priority,
        gpus=row.gpu_request,
        requests=row.requests,
        pod_count=row.pod_count,
        pods=pods[1],
        nodes=pods[0],
        evictions=row.evictions,
        position=position,
        created_at=row.created_at,
        queued_at=row.queued_at,
        admitted_at=row.admitted_at,
        finished_at=row.finished_at,
        observed_at=row.observed_at,
    )


def _build_pod(pod: ObservedPod) -> WorkloadPod:
    return WorkloadPod(
        name=pod.name,
        phase=pod.phase,
        node=pod.node_name,
        gpus=pod.gpu_request,
        reason=pod.reason,
        message=pod.message,
        is_terminating=pod.is_terminating,
        created_at=pod.created_at,
        started_at=pod.started_at,
    )
