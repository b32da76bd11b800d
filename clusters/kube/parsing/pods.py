"""Pods and Jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clusters.kube.parsing.fields import (
    Amounts,
    JsonObject,
    find_condition,
    flag,
    items,
    mapping,
    moment,
    number,
    read_metadata,
    text,
)
from clusters.kube.parsing.nodes import GPU
from clusters.kube.parsing.requests import sum_pod_requests

USER_ANNOTATION: Final = "aidashboard.io/user"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
_KUEUE: Final = "kueue.x-k8s.io/"
_ADMISSION_GATE: Final = "kueue.x-k8s.io/admission"
_MAX_INT: Final = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """`is_queued`: Kueue counts it against a quota, so it is not to be taken off the capacity a second time."""

    uid: str
    name: str
    resource_version: str
    created_at: datetime
    namespace: str
    node_name: str
    phase: str
    reason: str
    message: str
    is_terminating: bool
    is_queued: bool
    requests: Amounts
    gpu_request: int
    owner_kind: str
    owner_name: str
    owner_uid: str
    started_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.phase in {"Succeeded", "Failed"}

    @property
    def is_relevant(self) -> bool:
        """Whether it is kept: it holds or wants what we count. A finished pod without GPUs outside Kueue is not."""
        return self.is_queued or self.gpu_request > 0 or (bool(self.node_name) and not self.is_over)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    uid: str
    name: str
    resource_version: str
    created_at: datetime
    namespace: str
    queue_name: str
    submitted_by: str
    is_suspended: bool
    parallelism: int
    active: int
    ready: int
    succeeded: int
    failed: int
    started_at: datetime | None
    finished_at: datetime | None
    outcome: str


def parse_pod(item: JsonObject) -> Pod:
    metadata = read_metadata(item)
    reason, message = _explain(item)
    requests = sum_pod_requests(mapping(item, "spec"))
    return Pod(
        uid=metadata.uid,
        name=metadata.name,
        resource_version=metadata.resource_version,
        created_at=metadata.created_at,
        namespace=metadata.namespace,
        node_name=text(item, "spec", "nodeName"),
        phase=text(item, "status", "phase", longest=20) or "Pending",
        reason=reason,
        message=message,
        is_terminating=bool(text(item, "metadata", "deletionTimestamp")),
        is_queued=_is_queued(item),
        requests=requests,
        gpu_request=min(requests.get(GPU, 0), _MAX_INT),
        owner_kind=metadata.owner_kind[:80],
        owner_name=metadata.owner_name,
        owner_uid=metadata.owner_uid,
        started_at=moment(item, "status", "startTime"),
    )


def parse_job(item: JsonObject) -> Job:
    metadata = read_metadata(item)
    complete, failed = find_condition(item, "Complete"), find_condition(item, "Failed")
    has_failed = failed is not None and failed.get("status") == "True"
    is_complete = complete is not None and complete.get("status") == "True"
    return Job(
        uid=metadata.uid,
        name=metadata.name,
        resource_version=metadata.resource_version,
        created_at=metadata.created_at,
        namespace=metadata.namespace,
        queue_name=text(item, "metadata", "labels", QUEUE_LABEL),
        submitted_by=text(item, "metadata", "annotations", USER_ANNOTATION, longest=253),
        is_suspended=flag(item, "spec", "suspend"),
        parallelism=min(number(item, "spec", "parallelism", default=1), _MAX_INT),
        active=number(item, "status", "active"),
        ready=number(item, "status", "ready"),
        succeeded=number(item, "status", "succeeded"),
        failed=number(item, "status", "failed"),
        started_at=moment(item, "status", "startTime"),
        finished_at=moment(failed, "lastTransitionTime")
        if has_failed and failed
        else moment(item, "status", "completionTime"),
        outcome="failed" if has_failed else "succeeded" if is_complete else "",
    )


def _is_queued(item: JsonObject) -> bool:
    """Kueue labels the pods of the work it manages, and gates those that it manages one by one."""
    return (
        any(label.startswith(_KUEUE) for label in mapping(item, "metadata", "labels"))
        or f"{_KUEUE}workload" in mapping(item, "metadata", "annotations")
        or any(gate.get("name") == _ADMISSION_GATE for gate in items(item, "spec", "schedulingGates"))
    )


def _explain(item: JsonObject) -> tuple[str, str]:
    """Why a pod does not run, as far as it says: its own reason, a waiting or dead container, or the scheduler."""
    if text(item, "status", "reason"):
        return text(item, "status", "reason", longest=120), text(item, "status", "message")
    for status in (*items(item, "status", "initContainerStatuses"), *items(item, "status", "containerStatuses")):
        for state in ("waiting", "terminated"):
            why = text(status, "state", state, "reason", longest=120)
            if why and why != "Completed":
                return why, text(status, "state", state, "message")
    scheduled = find_condition(item, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        return text(scheduled, "reason", longest=120), text(scheduled, "message")
    return "", ""
