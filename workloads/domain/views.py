"""What people see of workloads: rows of a list, the time line and the pods of one.

Vocabulary: a *workload* is a job with all its pods, as Kueue counts it; its *leaf* is the quota that its namespace works in.
Frozen values only: selectors build them, pages and the API show them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from workloads.domain.explain import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRef:
    """The quota leaf of a workload: `path` from the root, joined by dots."""

    node_id: int
    tree_id: int
    name: str
    path: str
    queue_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCounts:
    running: int = 0
    pending: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.running + self.pending + self.succeeded + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRow:
    """A line of the list. `name` and `kind` are those of the person's own object (Job `train-7`), `workload_name` is Kueue's.

    `position` is the place in its queue, 1 is the head, None when it does not wait. `wait_seconds` runs until admission.
    """

    uid: str
    cluster: str
    namespace: str
    name: str
    kind: str
    workload_name: str
    state: str
    reason: str
    message: str
    since: datetime | None
    leaf: LeafRef | None
    cluster_queue: str
    submitted_by: str
    priority: int
    gpus: int
    requests: dict[str, int]
    pod_count: int
    pods: PodCounts
    nodes: tuple[str, ...]
    evictions: int
    position: int | None
    created_at: datetime
    queued_at: datetime | None
    admitted_at: datetime | None
    finished_at: datetime | None
    observed_at: datetime

    @property
    def wait_seconds(self) -> float | None:
        if self.queued_at is None or self.admitted_at is None:
            return None
        return max(0.0, (self.admitted_at - self.queued_at).total_seconds())

    @property
    def run_seconds(self) -> float | None:
        if self.admitted_at is None or self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.admitted_at).total_seconds())


class Step(StrEnum):
    """The stations of a workload, in order."""

    CREATED = "created"
    QUEUED = "queued"
    RESERVED = "reserved"
    ADMITTED = "admitted"
    PODS_READY = "pods_ready"
    EVICTED = "evicted"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStep:
    """One station: when it was reached (None: not yet) and how long after the one before."""

    step: Step
    at: datetime | None
    after_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPod:
    name: str
    phase: str
    node: str
    gpus: int
    reason: str
    message: str
    is_terminating: bool
    created_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition of the Kueue Workload, as Kueue wrote it."""

    type: str
    status: str
    reason: str
    message: str
    since: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadDetail:
    """One workload. `explanation` is there while it waits."""

    row: WorkloadRow
    timeline: tuple[TimelineStep, ...]
    pods: tuple[WorkloadPod, ...]
    conditions: tuple[Condition, ...]
    explanation: Explanation | None
