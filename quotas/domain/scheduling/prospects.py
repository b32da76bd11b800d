"""A quick No. Whenever quota comes free, all that was set aside in the tree is tried again, and nearly all of it in vain.

The answer is either "neither room nor victims, for certain", or "look closer" (`Judge.nominate`), never a Yes.
"""

from __future__ import annotations

from quotas.domain.scheduling.nodes import Cohort, Node, Queue, Trial
from quotas.domain.scheduling.spec import Policy, QueueingStrategy
from quotas.domain.scheduling.workloads import Amounts, Workload

Top = tuple[tuple[int, float], Node]
"""(share, node)."""


def leaves_no_trace(workload: Workload) -> bool:
    """Whether a workload that gets nothing is just set aside: its queue reserves nothing for it, it can't do with less, and it is not
    taken for one that fits."""
    spec = workload.queue.spec
    is_fifo = spec.strategy is QueueingStrategy.BEST_EFFORT_FIFO
    is_plain = spec.reclaim is Policy.ANY and not spec.prefers_preemption_over_borrowing
    return is_plain and is_fifo and not workload.may_shrink


def are_nil(workload: Workload, usage: Amounts, *, is_fair: bool) -> bool:
    """No for certain, or nothing said."""
    queue = workload.queue
    own = _find_evictable(queue, workload.priority)
    if not any(amount > queue.available(place) + own[place] for place, amount in usage):
        return False
    if is_fair:
        return _is_above_everybody(queue, usage, own)
    if queue.spec.borrow is not Policy.NEVER:
        return False
    return not _could_stay_within(queue, usage, own) and not _is_entitled(queue, usage)


def _is_above_everybody(queue: Queue, usage: Amounts, own: list[int]) -> bool:
    """Whether the request, though all evictable work of its own queue went, would put the preemptor's side above every other at every
    level, so that there is no share to be evened."""
    if queue.parent is None:
        return True
    # Within its quota it need not compare shares, and that is asked with its own work still there.
    contested = [(place, amount) for place, amount in usage if amount > queue.available(place)]
    if all(queue.usage[place] + amount <= queue.subtree[place] for place, amount in contested):
        return False
    if queue.share_without(enumerate(own), but_with=usage) <= _find_top(queue, queue.parent):
        return False
    above = [(node, _find_top(node, node.parent)) for node in queue.ancestors() if node.parent is not None]
    if not above:
        return True
    with Trial() as trial:
        trial.keep(queue)
        queue.remove([(place, amount) for place, amount in enumerate(own) if amount])
        queue.add(usage)
        return all(node.share() > top for node, top in above)


def _find_top(node: Node, cohort: Cohort) -> tuple[int, float]:
    """The highest share among the siblings of a node, the other children of its cohort."""
    tops = node.tree.tops.get(cohort)
    if tops is None:
        children: list[Node] = [*cohort.cohorts, *cohort.queues]
        ranked = sorted(((child.share(), child.name, child) for child in children), reverse=True)
        tops = node.tree.tops[cohort] = [(share, child) for share, _, child in ranked[:2]]
    return next((share for share, child in tops if child is not node), (-1, 0.0))


def _is_entitled(queue: Queue, usage: Amounts) -> bool:
    """Whether the queue could claim all of it back from others: some subtree of its own below the root can still hold it of its own
    quota."""
    return all(amount <= _find_entitlement(queue, place) for place, amount in usage)


def _find_entitlement(queue: Queue, place: int) -> int:
    node: Node = queue
    private_below, most = 0, queue.subtree[place] - queue.usage[place]
    while node.parent is not None:
        most = max(most, private_below + node.subtree[place] - node.usage[place])
        private_below += node.local_available(place)
        node = node.parent
    return most


def _could_stay_within(queue: Queue, usage: Amounts, own: list[int]) -> bool:
    """Whether the nominal quota could hold it, were all of the queue's own work gone that it may evict."""
    return all(amount <= queue.nominal[place] - queue.usage[place] + own[place] for place, amount in usage)


def _find_evictable(queue: Queue, priority: int) -> list[int]:
    """Per place, what the queue's own work holds that a workload of this priority may evict, at most."""
    held = queue.evictable.get(priority)
    if held is None:
        held = queue.evictable[priority] = [0] * len(queue.usage)
        for holder in queue.holders:
            victim = holder[4]
            if _may_evict_own(queue.spec.within_queue, priority, victim.priority):
                for place, amount in victim.usage or ():
                    held[place] += amount
    return held


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
