"""Victims with fair sharing: whoever has the largest dominant share gives way, as long as shares come closer. Reference 8.10.

The preemptor's request is counted as used while shares are compared. The target is found by descending from the root to the child
with the highest share; its candidates are tried one by one. Two strategies follow each other, as Kueue's defaults do:
`LessThanOrEqualToFinalShare`, then `LessThanInitialShare` over what the first passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from quotas.domain.scheduling.nodes import Cohort, Node, Queue
from quotas.domain.scheduling.spec import Policy
from quotas.domain.scheduling.victims import (
    Holder,
    Protection,
    Reason,
    Target,
    find_candidates,
    fits,
    give_back,
    put_back,
    take_out,
)
from quotas.domain.scheduling.workloads import Amounts, Workload


class FairSearch:
    """One search for victims. `places`: the frs that the request does not simply get."""

    __slots__ = ("_places", "_protection", "_queue", "_targets", "_usage", "_workload")

    def __init__(self, workload: Workload, usage: Amounts, places: tuple[int, ...], protection: Protection) -> None:
        self._workload = workload
        self._queue = workload.queue
        self._usage = usage
        self._places = places
        self._protection = protection
        self._targets: list[Target] = []

    def run(self) -> list[Target]:
        """The victims, none when nothing helps. The accounts are as before."""
        candidates = self._collect()
        if not candidates:
            return []
        self._count_request()
        does_fit, passed_over = self._take_while_not_above(candidates)
        if not does_fit and passed_over:
            does_fit = self._take_where_below(passed_over)
        self._discount_request()
        if does_fit:
            return give_back(self._queue, self._usage, self._targets, may_borrow=True)
        for victim, _ in self._targets:
            put_back(victim)
        return []

    def _collect(self) -> dict[Queue, list[Holder]]:
        own = self._queue
        policies: list[tuple[Queue, Policy]] = [(own, own.spec.within_queue)]
        if own.parent is not None and own.spec.reclaim is not Policy.NEVER:
            others = (queue for queue in own.tree.queues if queue is not own and queue.holders)
            policies += [(queue, own.spec.reclaim) for queue in others if not queue.is_within(self._places)]
        found: dict[Queue, list[Holder]] = {}
        for queue, policy in policies:
            holders = list(find_candidates(queue, policy, self._workload, self._places, self._protection))
            if holders:
                found[queue] = holders
        return found

    def _count_request(self) -> None:
        for place, amount in self._usage:
            self._queue.add(place, amount)

    def _discount_request(self) -> None:
        for place, amount in self._usage:
            self._queue.remove(place, amount)

    def _fits(self) -> bool:
        self._discount_request()
        does_fit = fits(self._queue, self._usage)
        self._count_request()
        return does_fit

    def _evict(self, victim: Workload, reason: Reason) -> bool:
        """Whether the request fits without this one too."""
        take_out(victim)
        self._targets.append((victim, reason))
        return self._fits()

    def _take_while_not_above(self, candidates: dict[Queue, list[Holder]]) -> tuple[bool, dict[Queue, list[Holder]]]:
        """First strategy: a victim goes when the preemptor's share then is at most what the victim's side is left with."""
        passed_over: dict[Queue, list[Holder]] = {}
        descent = Descent(self._queue, candidates)
        for target in descent:
            holders = candidates[target]
            if target is self._queue:
                if self._evict(holders.pop(0)[4], Reason.IN_QUEUE):
                    return True, passed_over
            elif self._queue.is_within(self._places):
                if self._evict(holders.pop(0)[4], Reason.RECLAMATION):
                    return True, passed_over
            else:
                victim = self._find_acceptable(target, holders, passed_over)
                if victim is not None and self._evict(victim, Reason.FAIR_SHARING):
                    return True, passed_over
        return False, passed_over

    def _find_acceptable(
        self, target: Queue, holders: list[Holder], passed_over: dict[Queue, list[Holder]]
    ) -> Workload | None:
        """The target's first candidate whose going keeps the shares in order; those tried in vain are remembered, in their order."""
        mine, theirs = find_sides(self._queue, target)
        share = mine.share()
        refused: set[tuple[tuple[int, int], ...]] = set()  # what equal usage was refused for need not be counted again
        while holders:
            holder = holders.pop(0)
            victim = holder[4]
            key = tuple(victim.usage or ())
            if key not in refused:
                take_out(victim)
                is_acceptable = share <= theirs.share()
                put_back(victim)
                if is_acceptable:
                    return victim
                refused.add(key)
            passed_over.setdefault(target, []).append(holder)
        return None

    def _take_where_below(self, candidates: dict[Queue, list[Holder]]) -> bool:
        """Second strategy: one victim a queue, where the preemptor's side has the smaller share before anybody goes."""
        for target in Descent(self._queue, candidates):
            holders = candidates[target]
            mine, theirs = find_sides(self._queue, target)
            if mine.share() < theirs.share() and self._evict(holders[0][4], Reason.FAIR_SHARING):
                return True
            holders.clear()
        return False


class Descent:
    """Target after target. A queue leaves when it has no candidate left or nothing borrowed, a cohort when it has nothing to offer."""

    __slots__ = ("_candidates", "_children", "_own", "_path")

    def __init__(self, own: Queue, candidates: dict[Queue, list[Holder]]) -> None:
        self._own = own
        self._candidates = candidates
        self._path = set(find_ancestors(own))
        self._children: dict[Cohort, tuple[set[Cohort], set[Queue]]] = {}
        for queue in candidates:
            node: Node = queue
            for cohort in find_ancestors(queue):
                cohorts, queues = self._children.setdefault(cohort, (set(), set()))
                if isinstance(node, Queue):
                    queues.add(node)
                elif isinstance(node, Cohort):
                    cohorts.add(node)
                node = cohort

    def __iter__(self) -> Iterator[Queue]:
        root = self._own.tree.root
        if not isinstance(root, Cohort):
            while self._candidates.get(self._own):
                yield self._own
            return
        while root in self._children:
            target = self._find(root)
            if target is not None:
                yield target

    def _find(self, cohort: Cohort) -> Queue | None:
        """The next target below a root, or None after a cohort left without one."""
        above: Cohort | None = None
        while True:
            cohorts, queues = self._children[cohort]
            queue = self._choose_queue(queues)
            child = self._choose_cohort(cohorts)
            if child is None and queue is None:
                del self._children[cohort]
                if above is not None:
                    self._children[above][0].discard(cohort)
                return None
            if child is None or (queue is not None and child.share() < queue.share()):
                return queue
            above, cohort = cohort, child

    def _choose_queue(self, queues: set[Queue]) -> Queue | None:
        best: Queue | None = None
        for queue in list(queues):
            if not self._candidates[queue] or (queue is not self._own and not queue.borrows()):
                queues.discard(queue)
            elif best is None or self._is_before(queue, best):
                best = queue
        return best

    def _is_before(self, queue: Queue, other: Queue) -> bool:
        mine, theirs = queue.share(), other.share()
        return mine > theirs if mine != theirs else self._first_key(queue) < self._first_key(other)

    def _first_key(self, queue: Queue) -> tuple[int, bool, int, int, str]:
        is_staying, priority, age, uid, _ = self._candidates[queue][0]
        return is_staying, queue is self._own, priority, age, uid

    def _choose_cohort(self, cohorts: set[Cohort]) -> Cohort | None:
        """Kueue decides between equal shares by chance (map order); here the name does, so that an answer can be repeated."""
        best: Cohort | None = None
        for cohort in list(cohorts):
            if cohort not in self._path and not cohort.borrows():
                cohorts.discard(cohort)
            elif best is None or (cohort.share(), best.name) > (best.share(), cohort.name):
                best = cohort
        return best


def find_ancestors(queue: Queue) -> Iterator[Cohort]:
    """From the parent to the root."""
    cohort = queue.parent
    while cohort is not None:
        yield cohort
        cohort = cohort.parent


def find_sides(one: Queue, other: Queue) -> tuple[Node, Node]:
    """The two nodes just below the lowest common cohort of two queues of one tree, each on its queue's side."""
    sides: dict[Cohort, Node] = {}
    node: Node = one
    for cohort in find_ancestors(one):
        sides[cohort] = node
        node = cohort
    node = other
    for cohort in find_ancestors(other):
        if cohort in sides:
            return sides[cohort], node
        node = cohort
    raise ValueError(f"{one.name} and {other.name} are in different trees")
