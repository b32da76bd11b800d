"""Kueue's Workloads: where a job stands, since when and why.

Source: kueue.x-k8s.io/v1beta2, Workload.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clusters.domain.states import WorkloadState
from clusters.kube.parsing.fields import (
    Amounts,
    JsonObject,
    add_amounts,
    amounts,
    find_condition,
    items,
    mapping,
    moment,
    multiply_amounts,
    number,
    read_metadata,
    text,
)
from clusters.kube.parsing.nodes import GPU
from clusters.kube.parsing.requests import sum_pod_requests

NOT_LOOKED_AT: Final = "PendingEvaluation"
_FAILURES: Final = frozenset({"Failed", "JobFailed", "AdmissionChecksRejected"})
_MAX_INT: Final = 2**31 - 1
# The first that is true says where the Workload stands.
_STATE_BY_CONDITION: Final = (
    ("Admitted", WorkloadState.ADMITTED),
    ("QuotaReserved", WorkloadState.RESERVED),
    ("Evicted", WorkloadState.EVICTED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`cluster_queue` is known once quota is reserved; before that the LocalQueue tells. `requests` is what all its pods ask."""

    uid: str
    name: str
    resource_version: str
    created_at: datetime
    namespace: str
    owner_kind: str
    owner_name: str
    owner_uid: str
    queue_name: str
    cluster_queue: str
    priority: int
    state: WorkloadState
    reason: str
    message: str
    pod_count: int
    requests: Amounts
    gpu_request: int
    conditions: list[dict[str, str]]
    state_since: datetime | None
    queued_at: datetime | None
    reserved_at: datetime | None
    admitted_at: datetime | None
    pods_ready_at: datetime | None
    evicted_at: datetime | None
    finished_at: datetime | None
    evictions: int


def parse_workload(item: JsonObject) -> Workload:
    metadata = read_metadata(item)
    state, why = _judge(item)
    requests = _sum_requests(item)
    evicted_at = _since(item, "Evicted")
    return Workload(
        uid=metadata.uid,
        name=metadata.name,
        resource_version=metadata.resource_version,
        created_at=metadata.created_at,
        namespace=metadata.namespace,
        owner_kind=metadata.owner_kind[:80],
        owner_name=metadata.owner_name,
        owner_uid=metadata.owner_uid,
        queue_name=text(item, "spec", "queueName"),
        cluster_queue=text(item, "status", "admission", "clusterQueue"),
        priority=number(item, "spec", "priority"),
        state=state,
        reason=text(why, "reason", longest=120) or (NOT_LOOKED_AT if state is WorkloadState.PENDING else ""),
        message=text(why, "message"),
        pod_count=min(sum(number(pod_set, "count", default=1) for pod_set in items(item, "spec", "podSets")), _MAX_INT),
        requests=requests,
        gpu_request=min(requests.get(GPU, 0), _MAX_INT),
        conditions=[_read_condition(condition) for condition in items(item, "status", "conditions")],
        state_since=moment(why, "lastTransitionTime") or metadata.created_at,
        queued_at=evicted_at if state is WorkloadState.EVICTED else metadata.created_at,
        reserved_at=_since(item, "QuotaReserved"),
        admitted_at=_since(item, "Admitted"),
        pods_ready_at=_since(item, "PodsReady"),
        evicted_at=evicted_at,
        finished_at=_since(item, "Finished"),
        evictions=sum(number(entry, "count") for entry in items(item, "status", "schedulingStats", "evictions"))
        or number(item, "status", "requeueState", "count"),
    )


def _judge(item: JsonObject) -> tuple[WorkloadState, JsonObject]:
    """The state, and the condition that explains it."""
    finished = find_condition(item, "Finished")
    if finished is not None and finished.get("status") == "True":
        return (WorkloadState.FAILED if finished.get("reason") in _FAILURES else WorkloadState.FINISHED), finished
    for type_, state in _STATE_BY_CONDITION:
        condition = find_condition(item, type_)
        if condition is not None and condition.get("status") == "True":
            explaining = find_condition(item, "Admitted") if state is WorkloadState.RESERVED else None
            return state, explaining or condition
    return WorkloadState.PENDING, find_condition(item, "QuotaReserved") or {}


def _sum_requests(item: JsonObject) -> Amounts:
    """What all pods ask: what Kueue charges once admitted, what it says it would charge before, else the templates."""
    assigned = items(item, "status", "admission", "podSetAssignments")
    if assigned:
        return add_amounts(amounts(mapping(entry, "resourceUsage")) for entry in assigned)
    wanted = items(item, "status", "resourceRequests")
    if wanted:
        return add_amounts(amounts(mapping(entry, "resources")) for entry in wanted)
    return add_amounts(
        multiply_amounts(sum_pod_requests(mapping(pod_set, "template", "spec")), number(pod_set, "count", default=1))
        for pod_set in items(item, "spec", "podSets")
    )


def _since(item: JsonObject, type_: str) -> datetime | None:
    condition = find_condition(item, type_)
    if condition is None or condition.get("status") != "True":
        return None
    return moment(condition, "lastTransitionTime")


def _read_condition(condition: JsonObject) -> dict[str, str]:
    return {field: text(condition, field) for field in ("type", "status", "reason", "message", "lastTransitionTime")}
