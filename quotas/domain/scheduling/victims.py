"""What both ways of choosing victims share: who may be evicted at all, in which order, and whether the request then fits."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from quotas.domain.scheduling.nodes import Queue, Trial
from quotas.domain.scheduling.spec import Policy, StopPolicy
from quotas.domain.scheduling.workloads import Amounts, Workload

Holder = tuple[int, int, int, str, Workload]
"""(0 when on its way out, priority, -reserved at, UID, workload): sorted, the first is evicted first."""


class Reason(StrEnum):
    """Why a workload lost its quota, in the words of Kueue's conditions."""

    IN_QUEUE = "InClusterQueue"
    RECLAMATION = "InCohortReclamation"
    WHILE_BORROWING = "InCohortReclaimWhileBorrowing"
    FAIR_SHARING = "InCohortFairSharing"
    QUEUE_STOPPED = "ClusterQueueStopped"


Target = tuple[Workload, Reason]


@dataclass(slots=True)
class Protection:
    """Work that has held its quota for less than `minimum_run` may not be evicted. (A rule of ours; 0 switches it off.)"""

    minimum_run: int
    now: int = 0

    def covers(self, workload: Workload) -> bool:
        return self.minimum_run > 0 and self.now - workload.reserved_at < self.minimum_run


def find_candidates(
    queue: Queue, policy: Policy, workload: Workload, places: Iterable[int], protection: Protection
) -> Iterator[Holder]:
    """The workloads of `queue` that `workload` may evict to get any of `places`, in the order of eviction.

    Kueue leaves a stopped queue out of its snapshot: its usage counts, its work is nobody's candidate.
    """
    if policy is Policy.NEVER or queue.spec.stop is not StopPolicy.NONE:
        return
    wanted = tuple(places)
    for holder in queue.holders:
        other = holder[4]
        if policy is not Policy.ANY and not _ranks_above(workload, other, policy):
            if holder[0] and other.priority > workload.priority:
                return
            continue
        if protection.minimum_run and protection.covers(other):
            continue
        for place, _ in other.usage or ():
            if place in wanted:
                yield holder
                break


def _ranks_above(workload: Workload, other: Workload, policy: Policy) -> bool:
    if other.priority != workload.priority:
        return other.priority < workload.priority
    return policy is Policy.LOWER_OR_NEWER_EQUAL_PRIORITY and workload.queue_time < other.queue_time


def merge(streams: Iterable[Iterator[Holder]]) -> Iterator[Holder]:
    """Several queues' candidates as one, in the order of eviction, read as far as somebody asks."""
    several = list(streams)
    return several[0] if len(several) == 1 else heapq.merge(*several)


def fits(queue: Queue, usage: Amounts, *, may_borrow: bool = True) -> bool:
    """Whether the queue could take `usage` now; without borrowing only out of its nominal quota."""
    for place, amount in usage:
        if amount > queue.available(place):
            return False
        if not may_borrow and queue.usage[place] + amount > queue.nominal[place]:
            return False
    return True


def take_out(workload: Workload, trial: Trial) -> None:
    """Remove what a workload uses from the accounts, as if it were gone, as long as the trial lasts."""
    trial.keep(workload.queue)
    workload.queue.remove(workload.usage or ())


def book(workload: Workload) -> None:
    """Enter a workload that holds quota among the holders of its queue, and into the accounts."""
    queue = workload.queue
    insort(queue.holders, workload.holder_key)
    queue.add(workload.usage or ())
    queue.evictable.clear()
    queue.tree.forget()


def unbook(workload: Workload) -> None:
    """The reverse of `book`."""
    queue = workload.queue
    del queue.holders[bisect_left(queue.holders, workload.holder_key)]
    queue.remove(workload.usage or ())
    queue.evictable.clear()
    queue.tree.forget()


def give_back(queue: Queue, usage: Amounts, targets: list[Target], *, may_borrow: bool) -> list[Target]:
    """Spare the victims that turn out not to be needed, from the second-to-last to the first; all of them are out of the accounts on
    entry, and the needed ones afterwards. The last victim made the request fit, so it is never spared."""
    needed = [targets[-1]]
    for target in reversed(targets[:-1]):
        victim = target[0]
        victim.queue.add(victim.usage or ())
        if not fits(queue, usage, may_borrow=may_borrow):
            victim.queue.remove(victim.usage or ())
            needed.append(target)
    needed.reverse()
    return needed
