"""Why a workload waits: it is judged once more on the present accounts, and each fr that stands in its way says by how much."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from aidashboard.kit.quantity import format_amount
from quotas.domain.scheduling.assignment import Mode
from quotas.domain.scheduling.nodes import Node, Queue
from quotas.domain.scheduling.plans import FlavorOption, PodSetDemand
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

    @property
    def why(self) -> str:
        """One sentence with the numbers; of several flavors it speaks of the one that lacks least."""
        match self.standing:
            case Standing.ADMITTED:
                return f"{self.workload} holds quota in {self.queue}"
            case Standing.MISCONFIGURED:
                return f"{self.workload} waits for {self.queue}, and there is no such queue"
            case Standing.SUSPENDED:
                return f"{self.workload} waits until {self.queue}, which is stopped, is opened again"
            case Standing.NO_MATCHING_FLAVOR:
                return (
                    f"{self.workload} can run nowhere: no flavor of {self.queue} has all the resources that it asks for, "
                    "the labels that it selects and only taints that it tolerates"
                )
            case Standing.WAITING_FOR_PREEMPTED:
                return f"{self.workload} gets its room from {', '.join(self.would_evict)}, to be evicted for it"
            case Standing.PENDING_EVALUATION:
                return f"{self.workload} would fit, and is tried when its turn comes; {self.position} in {self.queue} go before it"
        return f"{self.workload} {self._tell_shortfall()}"

    def _tell_shortfall(self) -> str:
        within = [one for one in self.shortfalls if one.requested <= one.most]
        least = min(within or self.shortfalls, key=lambda one: one.lacking)
        resource = least.resource
        asked = f"asks for {format_amount(resource, least.requested)} {resource} of {least.flavor}"
        if self.standing is Standing.EXCEEDS_MAX_QUOTA:
            return f"{asked}, and {self.queue} can never get more than {format_amount(resource, least.most)}"
        return (
            f"{asked}, and {self.queue} can get {format_amount(resource, least.available)} now, "
            f"as the quota of {least.limited_by} leaves no more; nobody may be evicted for it"
        )


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
    judged: list[_Judged] = []

    def note(pod_set: str, option: FlavorOption, place: int, amount: int, mode: Mode) -> None:
        del option
        judged.append(_Judged(pod_set, place, amount, mode))

    nomination = scheduler.judge.nominate(workload, note=note)
    mode = nomination.assignment.mode
    if queue.spec.stop is not StopPolicy.NONE:
        standing = Standing.SUSPENDED
    elif mode is Mode.FIT and not nomination.assignment.contested:
        standing = Standing.PENDING_EVALUATION
    elif nomination.targets:
        standing = Standing.WAITING_FOR_PREEMPTED
    elif mode in {Mode.FIT, Mode.PREEMPT}:
        standing = Standing.WAITING_FOR_QUOTA
    else:
        plan = scheduler.judge.plan(workload)
        standing = _name_obstacle(queue, plan.pod_sets[len(nomination.assignment.tried)], judged)
    return Explanation(
        workload=workload.name,
        queue=queue.name,
        standing=standing,
        shortfalls=tuple(_measure(scheduler, queue, one) for one in judged if one.mode is not Mode.FIT),
        would_evict=tuple(sorted(victim.name for victim, _ in nomination.targets)),
        position=sum(other.queue_key < workload.queue_key for other in queue.pending),
    )


class _Judged(NamedTuple):
    pod_set: str
    place: int
    amount: int
    mode: Mode


def _measure(scheduler: Scheduler, queue: Queue, judged: _Judged) -> Shortfall:
    flavor, resource = scheduler.forest.frs.pairs[judged.place]
    return Shortfall(
        pod_set=judged.pod_set,
        flavor=flavor,
        resource=resource,
        requested=judged.amount,
        available=queue.available(judged.place),
        most=queue.potential[judged.place],
        limited_by=find_limit(queue, judged.place).name,
    )


def _name_obstacle(queue: Queue, demand: PodSetDemand, judged: list[_Judged]) -> Standing:
    """Why the pod set at which the assignment ended gets nothing. The first group without a flavor for it decides, and in a group the
    mildest reason of its flavors, as in Kueue."""
    if demand.uncovered is not None:
        return Standing.NO_MATCHING_FLAVOR
    for group in demand.groups:
        places = {place for option in group.options for place, _ in option.demands}
        refused = [
            one for one in judged if one.pod_set == demand.name and one.place in places and one.mode is Mode.NO_FIT
        ]
        eligible = sum(option.is_eligible for option in group.options)
        if not eligible:
            return Standing.NO_MATCHING_FLAVOR
        if len(refused) == eligible:
            exceeds = all(one.amount > queue.potential[one.place] for one in refused)
            return Standing.EXCEEDS_MAX_QUOTA if exceeds else Standing.WAITING_FOR_QUOTA
    return Standing.NO_MATCHING_FLAVOR


def find_lender(queue: Queue, level: int) -> str:
    """The cohort above a queue that a borrowing level stands for; empty for its own quota."""
    node: Node = queue
    while node.height < level and node.parent is not None:
        node = node.parent
    return "" if node is queue else node.name


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
