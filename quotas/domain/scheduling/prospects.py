"""A quick No. Whenever quota comes free, all that was set aside in the tree is tried again, and nearly all of it in vain.

What can be said of a queue for all of its work is measured once as long as nobody gets or loses quota; a request is then compared
with that. The answer is either "neither room nor victims, for certain", or "look closer" (`Judge.nominate`), never a Yes.
"""

from __future__ import annotations

from quotas.domain.scheduling.nodes import Node, Queue, Trial
from quotas.domain.scheduling.spec import Policy, QueueingStrategy
from quotas.domain.scheduling.workloads import Workload

Top = tuple[tuple[int, float], Node]
"""(share, node)."""


class Reach:
    """Per place: `available`, what the queue could get at once; `entitled`, what it could claim back from others, that is the most
    that some subtree of its own below the root can still hold of its own quota; `unused`, the rest of its own quota."""

    __slots__ = ("_lower", "available", "entitled", "unused")

    def __init__(self, queue: Queue) -> None:
        places = range(len(queue.nominal))
        self.available = [queue.available(place) for place in places]
        self.entitled = [_find_entitlement(queue, place) for place in places]
        self.unused = [queue.nominal[place] - queue.usage[place] for place in places]
        self._lower: dict[int, list[int]] = {}

    def evictable(self, queue: Queue, priority: int) -> list[int]:
        """What the queue's own work holds that a workload of this priority may evict, at most."""
        held = self._lower.get(priority)
        if held is None:
            held = self._lower[priority] = [0] * len(self.available)
            for holder in queue.holders:
                victim = holder[4]
                if _may_evict_own(queue.spec.within_queue, priority, victim.priority):
                    for place, amount in victim.usage or ():
                        held[place] += amount
        return held


def _find_entitlement(queue: Queue, place: int) -> int:
    node: Node = queue
    private_below, most = 0, queue.subtree[place] - queue.usage[place]
    while node.parent is not None:
        most = max(most, private_below + node.subtree[place] - node.usage[place])
        private_below += node.local_available(place)
        node = node.parent
    return most


def leaves_no_trace(workload: Workload) -> bool:
    """Whether a workload that gets nothing is just set aside: its queue reserves nothing for it, and it can't do with less."""
    spec = workload.queue.spec
    is_fifo = spec.strategy is QueueingStrategy.BEST_EFFORT_FIFO
    return spec.reclaim is Policy.ANY and is_fifo and not workload.may_shrink


class Prospects:
    """`are_nil` says No for certain, or nothing."""

    __slots__ = ("_is_fair",)

    def __init__(self, *, is_fair: bool) -> None:
        self._is_fair = is_fair

    def are_nil(self, workload: Workload, usage: tuple[tuple[int, int], ...]) -> bool:
        queue = workload.queue
        spec = queue.spec
        reach = queue.tree.reaches.get(queue)
        if reach is None:
            reach = queue.tree.reaches[queue] = Reach(queue)
        own = reach.evictable(queue, workload.priority)
        if not any(amount > reach.available[place] + own[place] for place, amount in usage):
            return False
        if self._is_fair:
            return self._is_above_everybody(queue, usage, reach, own)
        if spec.borrow is not Policy.NEVER:
            return False
        is_entitled = all(amount <= reach.entitled[place] for place, amount in usage)
        could_stay_within = all(amount <= reach.unused[place] + own[place] for place, amount in usage)
        return not is_entitled and not could_stay_within

    def _is_above_everybody(
        self, queue: Queue, usage: tuple[tuple[int, int], ...], reach: Reach, own: list[int]
    ) -> bool:
        """Whether the request, though all evictable work of its own queue went, would put the preemptor's side above every other at
        every level, so that there is no share to be evened."""
        if queue.parent is None:
            return True
        contested = [(place, amount) for place, amount in usage if amount > reach.available[place]]
        if all(amount <= reach.unused[place] + own[place] for place, amount in contested):
            return False
        path: list[Node] = []
        node: Node | None = queue
        while node is not None:
            path.append(node)
            node = node.parent
        tops = [self._find_top(one) for one in path[:-1]]
        with Trial() as trial:
            trial.keep(queue)
            queue.remove([(place, amount) for place, amount in enumerate(own) if amount])
            queue.add(usage)
            return all(one.share() > top for one, top in zip(path, tops, strict=False))

    def _find_top(self, node: Node) -> tuple[int, float]:
        """The highest share among the siblings of a node."""
        cohort = node.parent
        if cohort is None:
            return (-1, 0.0)
        tops = node.tree.tops.get(cohort)
        if tops is None:
            children: list[Node] = [*cohort.cohorts, *cohort.queues]
            ranked = sorted(((child.share(), child.name, child) for child in children), reverse=True)
            tops = node.tree.tops[cohort] = [(share, child) for share, _, child in ranked[:2]]
        return next((share for share, child in tops if child is not node), (-1, 0.0))


def _may_evict_own(policy: Policy, priority: int, victim_priority: int) -> bool:
    """At most: between equal priorities age decides, which is not asked here."""
    match policy:
        case Policy.NEVER:
            return False
        case Policy.ANY:
            return True
        case Policy.LOWER_PRIORITY:
            return victim_priority < priority
    return victim_priority <= priority
