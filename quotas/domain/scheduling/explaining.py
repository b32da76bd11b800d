"""Why a workload waits: it is judged once more on the present accounts, and each fr that stands in its way says by how much."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from quotas.domain.scheduling.assignment import Mode
from quotas.domain.scheduling.nodes import Node, Queue
from quotas.domain.scheduling.plans import FlavorOption
from quotas.domain.scheduling.scheduler import Scheduler, UnknownWorkloadError
from quotas.domain.scheduling.spec import StopPolicy
from quotas.domain.scheduling.workloads import Workload


class Standing(StrEnum):
    """Where a workload stands; the reasons for waiting are those of Kueue's condition QuotaReserved."""

    ADMITTED = "Admitted"
    MISCONFIGURED = "Misconfigured"
    SUSPENDED = "Suspended"
    NO_MATCHING_FLAVOR = "NoMatchingFlavor"
    EXCEEDS_MAX_QUOTA = "ExceedsMaxQuota"
    WAITING_FOR_QUOTA = "WaitingForQuota"
    WAITING_FOR_PREEMPTED = "WaitingForPreemptedWorkloads"
    PENDING_EVALUATION = "PendingEvaluation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One fr that a pod set does not simply get. `most`: what the queue could ever have. `limited_by`: the node whose quota or
    limit leaves so little; the queue itself or one of its ancestors."""

    pod_set: str
    flavor: str
    resource: str
    requested: int
    available: int
    most: int
    limited_by: str

    @property
    def lacking(self) -> int:
        return max(0, self.requested - self.available)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`would_evict`: whom it would evict if it were tried now. `position`: how many waiting in its queue go before it."""

    workload: str
    queue: str
    standing: Standing
    shortfalls: tuple[Shortfall, ...] = ()
    would_evict: tuple[str, ...] = ()
    position: int = 0


def explain(scheduler: Scheduler, name: str) -> Explanation:
    """Raises: UnknownWorkloadError."""
    workload = scheduler.workloads.get(name)
    if workload is None:
        queue = scheduler.find_missing_queue(name)
        if queue is None:
            raise UnknownWorkloadError(name)
        return Explanation(workload=name, queue=queue, standing=Standing.MISCONFIGURED)
    if workload.usage is not None:
        return Explanation(workload=name, queue=workload.queue.name, standing=Standing.ADMITTED)
    return _explain_waiting(scheduler, workload)


def _explain_waiting(scheduler: Scheduler, workload: Workload) -> Explanation:
    queue = workload.queue
    shortfalls: list[Shortfall] = []

    def note(pod_set: str, option: FlavorOption, place: int, amount: int, mode: Mode) -> None:
        if mode is not Mode.FIT:
            flavor, resource = scheduler.forest.frs.pairs[place]
            shortfalls.append(
                Shortfall(
                    pod_set=pod_set,
                    flavor=flavor,
                    resource=resource,
                    requested=amount,
                    available=queue.available(place),
                    most=queue.potential[place],
                    limited_by=find_limit(queue, place).name,
                )
            )
        del option

    nomination = scheduler.judge.nominate(workload, note=note)
    mode = nomination.assignment.mode
    if queue.spec.stop is not StopPolicy.NONE:
        standing = Standing.SUSPENDED
    elif mode is Mode.FIT:
        standing = Standing.PENDING_EVALUATION
    elif nomination.targets:
        standing = Standing.WAITING_FOR_PREEMPTED
    elif not shortfalls:
        standing = Standing.NO_MATCHING_FLAVOR
    elif all(shortfall.requested > shortfall.most for shortfall in shortfalls):
        standing = Standing.EXCEEDS_MAX_QUOTA
    else:
        standing = Standing.WAITING_FOR_QUOTA
    return Explanation(
        workload=workload.name,
        queue=queue.name,
        standing=standing,
        shortfalls=tuple(shortfalls),
        would_evict=tuple(sorted(victim.name for victim, _ in nomination.targets)),
        position=sum(other.queue_key < workload.queue_key for other in queue.pending),
    )


def find_limit(queue: Queue, place: int) -> Node:
    """The lowest node that leaves the queue no more than it has available."""
    node: Node = queue
    available, private_below = queue.available(place), 0
    while node.parent is not None:
        drawn = max(0, node.usage[place] - node.local[place])
        private_below += node.local_available(place)
        if max(0, private_below + node.ceiling[place] - drawn) <= available:
            return node
        node = node.parent
    return node
