"""Victims with fair sharing: whoever has the largest dominant share gives way, as long as shares come closer. Reference 8.10.

The preemptor's request is counted as used while shares are compared. The target is found by descending from the root to the child
with the highest share; its candidates are tried one by one. Two strategies follow each other, as Kueue's defaults do:
`LessThanOrEqualToFinalShare`, then `LessThanInitialShare` over what the first passed over.
"""

from __future__ import annotations

import heapq
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


class Line:
    """The candidates of one queue, first to be evicted first, read as far as somebody asks. False when there is none left."""

    __slots__ = ("_left", "first")

    def __init__(self, first: Holder, left: Iterator[Holder]) -> None:
        self.first = first
        self._left: Iterator[Holder] | None = left

    def __bool__(self) -> bool:
        return self._left is not None

    def take(self) -> Holder:
        taken = self.first
        if self._left is not None:
            follower = next(self._left, None)
            if follower is None:
                self._left = None
            else:
                self.first = follower
        return taken

    def close(self) -> None:
        """Leave the rest unread."""
        self._left = None


Candidates = dict[Queue, Line]
Rank = tuple[int, float, int, bool, int, int, str]


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

    def _collect(self) -> Candidates:
        own = self._queue
        policies: list[tuple[Queue, Policy]] = [(own, own.spec.within_queue)]
        if own.parent is not None and own.spec.reclaim is not Policy.NEVER:
            others = (queue for queue in own.tree.queues if queue is not own and queue.holders)
            policies += [(queue, own.spec.reclaim) for queue in others if not queue.is_within(self._places)]
        found: Candidates = {}
        for queue, policy in policies:
            left = find_candidates(queue, policy, self._workload, self._places, self._protection)
            first = next(left, None)
            if first is not None:
                found[queue] = Line(first, left)
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

    def _evict(self, holder: Holder, reason: Reason) -> bool:
        """Whether the request fits without this one too."""
        victim = holder[4]
        take_out(victim)
        self._targets.append((victim, reason))
        return self._fits()

    def _take_while_not_above(self, candidates: Candidates) -> tuple[bool, Candidates]:
        """First strategy: a victim goes when the preemptor's share then is at most what the victim's side is left with.

        Answers whether the request fits, and of each queue the first candidate that was passed over.
        """
        passed_over: Candidates = {}
        for target in Descent(self._queue, candidates):
            line = candidates[target]
            if target is self._queue:
                does_fit = self._evict(line.take(), Reason.IN_QUEUE)
            elif self._queue.is_within(self._places):
                does_fit = self._evict(line.take(), Reason.RECLAMATION)
            elif self._is_below_all(target):
                break
            else:
                victim = self._find_acceptable(target, line, passed_over)
                does_fit = victim is not None and self._evict(victim, Reason.FAIR_SHARING)
            if does_fit:
                return True, passed_over
        return False, passed_over

    def _is_below_all(self, target: Queue) -> bool:
        """Whether the preemptor stands above the target and so, in a tree of one level, above all targets that would follow: neither
        strategy takes anything from them. (Its own queue would have come before.)"""
        root = target.parent
        return (
            root is self._queue.parent
            and isinstance(root, Cohort)
            and root.parent is None
            and not root.cohorts
            and self._queue.share() > target.share()
        )

    def _find_acceptable(self, target: Queue, line: Line, passed_over: Candidates) -> Holder | None:
        """The target's first candidate whose going keeps the shares in order."""
        mine, theirs = find_sides(self._queue, target)
        share = mine.share()
        if share > theirs.share():  # and it only falls when somebody goes
            passed_over.setdefault(target, Line(line.first, iter(())))
            line.close()
            return None
        refused: set[tuple[tuple[int, int], ...]] = set()  # what equal usage was refused for need not be counted again
        while line:
            holder = line.take()
            key = tuple(holder[4].usage or ())
            if key not in refused:
                if share <= self._share_without(theirs, holder[4]):
                    return holder
                refused.add(key)
            if target not in passed_over:
                passed_over[target] = Line(holder, iter(()))
        return None

    def _share_without(self, side: Node, victim: Workload) -> tuple[int, float]:
        if side is victim.queue:
            return side.share_without(victim.usage or [])
        take_out(victim)
        share = side.share()
        put_back(victim)
        return share

    def _take_where_below(self, candidates: Candidates) -> bool:
        """Second strategy: one victim a queue, where the preemptor's side has the smaller share before anybody goes."""
        for target in Descent(self._queue, candidates):
            holder = candidates[target].take()
            mine, theirs = find_sides(self._queue, target)
            if mine.share() < theirs.share() and self._evict(holder, Reason.FAIR_SHARING):
                return True
        return False


class Descent:
    """Target after target. A queue leaves when it has no candidate left or nothing borrowed, a cohort when it has nothing to offer.

    The queues of a cohort wait in a heap. As long as victims only go, no queue rises in it: shares fall, and the candidates that
    follow are those to be evicted later. So only its top is ever judged anew.
    """

    __slots__ = ("_candidates", "_cohorts", "_own", "_path", "_queues")

    def __init__(self, own: Queue, candidates: Candidates) -> None:
        self._own = own
        self._candidates = candidates
        self._path = set(find_ancestors(own))
        self._cohorts: dict[Cohort, set[Cohort]] = {}
        self._queues: dict[Cohort, list[tuple[Rank, Queue]]] = {}
        for queue in candidates:
            if queue.parent is not None:
                self._queues.setdefault(queue.parent, []).append((self._rank(queue), queue))
                self._link(queue.parent)
        for heap in self._queues.values():
            heapq.heapify(heap)

    def _link(self, cohort: Cohort) -> None:
        """Make the way from the root down to a cohort known."""
        while cohort not in self._cohorts:
            self._cohorts[cohort] = set()
            if cohort.parent is None:
                return
            self._link(cohort.parent)
            self._cohorts[cohort.parent].add(cohort)

    def __iter__(self) -> Iterator[Queue]:
        root = self._own.tree.root
        if not isinstance(root, Cohort):
            while self._candidates.get(self._own):
                yield self._own
            return
        while root in self._cohorts:
            target = self._find(root)
            if target is not None:
                yield target

    def _find(self, cohort: Cohort) -> Queue | None:
        """The next target below a root, or None after a cohort left without one."""
        above: Cohort | None = None
        while True:
            queue = self._choose_queue(self._queues.get(cohort))
            child = self._choose_cohort(self._cohorts[cohort])
            if child is None and queue is None:
                del self._cohorts[cohort]
                if above is not None:
                    self._cohorts[above].discard(cohort)
                return None
            if child is None or (queue is not None and child.share() < queue.share()):
                return queue
            above, cohort = cohort, child

    def _choose_queue(self, heap: list[tuple[Rank, Queue]] | None) -> Queue | None:
        while heap:
            rank, queue = heap[0]
            if not self._candidates[queue] or (queue is not self._own and not queue.borrows()):
                heapq.heappop(heap)
                continue
            present = self._rank(queue)
            if present == rank:
                return queue
            heapq.heapreplace(heap, (present, queue))
        return None

    def _rank(self, queue: Queue) -> Rank:
        """The highest share first, then whose first candidate would be evicted first."""
        kind, share = queue.share()
        is_staying, priority, age, uid, _ = self._candidates[queue].first
        return -kind, -share, is_staying, queue is self._own, priority, age, uid

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
