"""Victims without fair sharing: whoever stands within its guarantee takes back what was lent. Reference 8.7.

Candidates of other queues come in two lists. *Hierarchical*: an ancestor of the preemptor has room for the request within its own
quota, so all that stands outside of it must give way. *By priority*: the rest, which a borrower may evict only where
`borrowWithinCohort` allows it. The trees are walked only as far as the lists can matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from quotas.domain.scheduling.nodes import Cohort, Node, Queue, Trial
from quotas.domain.scheduling.spec import Policy
from quotas.domain.scheduling.victims import (
    Holder,
    Protection,
    Reason,
    Target,
    find_candidates,
    fits,
    give_back,
    merge,
    take_out,
)
from quotas.domain.scheduling.workloads import Amounts, Workload

Reach = dict[Queue, Cohort]
"""Queues with candidates, each with the lowest cohort that it has in common with the preemptor."""


class ClassicalSearch:
    """One search for victims. `places`: the frs that the request does not simply get."""

    __slots__ = ("_hierarchy", "_others", "_places", "_protection", "_queue", "_usage", "_workload")

    def __init__(self, workload: Workload, usage: Amounts, places: tuple[int, ...], protection: Protection) -> None:
        self._workload = workload
        self._queue = workload.queue
        self._usage = usage
        self._places = places
        self._protection = protection
        self._hierarchy: Reach = {}
        self._others: Reach = {}

    def run(self) -> list[Target]:
        """The victims, none when nothing helps. The accounts are as before."""
        self._collect()
        for may_borrow in self._attempts():
            targets = self._attempt(may_borrow=may_borrow)
            if targets:
                return targets
        return []

    def _is_under_nominal(self) -> bool:
        return all(self._queue.usage[place] < self._queue.nominal[place] for place in self._places)

    def _collect(self) -> None:
        queue = self._queue
        if queue.parent is None or queue.spec.reclaim is Policy.NEVER:
            return
        # Without either of these, only a borrow attempt comes, and in that the list by priority is passed over.
        needs_others = queue.spec.borrow is not Policy.NEVER or self._is_under_nominal()
        has_advantage, rest = _weigh(queue, self._usage)
        cohort: Cohort | None = queue.parent
        visited: Node = queue
        while cohort is not None:
            if has_advantage:
                self._visit(cohort, visited, cohort, self._hierarchy)
            elif needs_others:
                self._visit(cohort, visited, cohort, self._others)
            holds, rest = _weigh(cohort, rest)
            has_advantage = has_advantage or holds
            visited, cohort = cohort, cohort.parent

    def _visit(self, cohort: Cohort, visited: Node, lca: Cohort, into: Reach) -> None:
        for queue in cohort.queues:
            if (
                queue is not self._queue
                and queue is not visited
                and not queue.is_within(self._places)
                and queue.holders
            ):
                into[queue] = lca
        for child in cohort.cohorts:
            if child is not visited and not child.is_within(self._places):
                self._visit(child, visited, lca, into)

    def _attempts(self) -> tuple[bool, ...]:
        """Whether to borrow, attempt by attempt."""
        may_evict_while_borrowing = self._queue.spec.borrow is not Policy.NEVER
        has_hierarchy = self._has_candidates(self._hierarchy)
        if not has_hierarchy and not self._has_candidates(self._others):
            return (True,)
        if may_evict_while_borrowing:
            return (True, False)
        if not self._is_under_nominal():
            return (True,)
        return (True, False) if has_hierarchy else (False, True)

    def _has_candidates(self, reach: Reach) -> bool:
        return any(next(self._candidates(queue), None) is not None for queue in reach)

    def _candidates(self, queue: Queue) -> Iterator[Holder]:
        return find_candidates(queue, queue_policy(self._queue, queue), self._workload, self._places, self._protection)

    def _attempt(self, *, may_borrow: bool) -> list[Target]:
        targets: list[Target] = []
        with Trial() as trial:
            for holder in self._order(may_borrow=may_borrow):
                victim = holder[4]
                if victim.queue is not self._queue and self._is_settled(victim.queue):
                    continue
                if may_borrow and self._needs_no_borrowing(victim):
                    continue
                take_out(victim, trial)
                targets.append((victim, self._reason(victim)))
                if fits(self._queue, self._usage, may_borrow=may_borrow):
                    return give_back(self._queue, self._usage, targets, may_borrow=may_borrow)
        return []

    def _order(self, *, may_borrow: bool) -> Iterator[Holder]:
        """Hierarchical, by priority, own; in front of all three those that are on their way out already."""
        is_pointless = may_borrow and self._queue.spec.borrow is Policy.NEVER
        reaches: tuple[Iterable[Queue], ...] = (self._hierarchy, () if is_pointless else self._others, (self._queue,))
        if self._queue.tree.evicting:
            for queues in reaches:
                for holder in merge(self._until_settled(queue) for queue in queues):
                    if holder[0]:
                        break
                    yield holder
            for queues in reaches:
                yield from (one for one in merge(self._until_settled(queue) for queue in queues) if one[0])
            return
        for queues in reaches:
            yield from merge(self._until_settled(queue) for queue in queues)

    def _until_settled(self, queue: Queue) -> Iterator[Holder]:
        """Within one attempt usage only falls, so a queue back within its quota stays so and need not be read on."""
        is_own = queue is self._queue
        for holder in self._candidates(queue):
            if not is_own and self._is_settled(queue):
                return
            yield holder

    def _is_settled(self, queue: Queue) -> bool:
        """Whether the queue, or a cohort between it and the preemptor's side, is back within its quota."""
        lca = self._hierarchy.get(queue) or self._others[queue]
        node: Node | None = queue
        while node is not None and node is not lca:
            if node.is_within(self._places):
                return True
            node = node.parent
        return False

    def _needs_no_borrowing(self, victim: Workload) -> bool:
        """Whether this victim may be evicted only by somebody who then stays within the nominal quota."""
        if victim.queue is self._queue or victim.queue in self._hierarchy:
            return False
        spec = self._queue.spec
        is_above = spec.borrow_threshold is not None and victim.priority > spec.borrow_threshold
        return spec.borrow is Policy.NEVER or victim.priority >= self._workload.priority or is_above

    def _reason(self, victim: Workload) -> Reason:
        if victim.queue is self._queue:
            return Reason.IN_QUEUE
        return (
            Reason.RECLAMATION
            if self._needs_no_borrowing(victim) or victim.queue in self._hierarchy
            else Reason.WHILE_BORROWING
        )


def queue_policy(own: Queue, other: Queue) -> Policy:
    return own.spec.within_queue if other is own else own.spec.reclaim


def _weigh(node: Node, usage: Amounts) -> tuple[bool, Amounts]:
    """Whether the node's own quota holds all of it, and what of it goes on to the parent."""
    holds = all(node.usage[place] + amount <= node.subtree[place] for place, amount in usage)
    return holds, [(place, max(0, amount - node.local_available(place))) for place, amount in usage]
