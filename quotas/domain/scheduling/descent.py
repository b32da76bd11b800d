"""Whose turn it is to give way under fair sharing: from the root down to the child with the highest share, again and again.

What a search needs of a queue is worked out only once its turn may have come: most searches end long before the last queue.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from quotas.domain.scheduling.nodes import Cohort, Queue, TreeRecord
from quotas.domain.scheduling.victims import Holder

Rank = tuple[int | float | bool | str, ...]
"""The share, negative, then the key of the first candidate: sorted, the first gives way first. Without the key a rank sorts before all
that begin like it."""

Standing = tuple[Rank, str, Queue]
"""(rank, the queue's name, queue)."""

Standings = dict[Cohort, list[Standing]]
"""By cohort the queues that borrow what is contested, the highest share first."""


class Line:
    """The candidates of one queue, first to be evicted first, taken one by one. False when there is none left."""

    __slots__ = ("_left", "first")

    def __init__(self, candidates: Iterable[Holder]) -> None:
        self._left = iter(candidates)
        self.first: Holder | None = next(self._left, None)

    def __bool__(self) -> bool:
        return self.first is not None

    def __iter__(self) -> Iterator[Holder]:
        return self

    def __next__(self) -> Holder:
        taken = self.first
        if taken is None:
            raise StopIteration
        self.first = next(self._left, None)
        return taken

    def close(self) -> None:
        """Leave the rest unread."""
        self.first = None


class Lines(dict[Queue, Line]):
    """The line of every queue, made when somebody asks."""

    def __init__(self, find: Callable[[Queue], Iterable[Holder]]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, queue: Queue) -> Line:
        line = self[queue] = Line(self._find(queue))
        return line


class Descent:
    """Target after target. A queue leaves when it has no candidate left or nothing borrowed, a cohort when it has nothing to offer.

    The queues of a cohort wait in a heap. As long as victims only go, no queue rises in it: shares fall, and the candidates that
    follow are those to be evicted later. So only its top is ever judged anew.
    """

    __slots__ = ("_children", "_heaps", "_lines", "_own", "_path", "_standings")

    def __init__(self, own: Queue, lines: Lines, standings: Standings) -> None:
        self._own = own
        self._lines = lines
        self._standings = standings
        self._path = set(own.ancestors())
        self._heaps: dict[Cohort, list[Standing]] = {}
        self._children: dict[Cohort, list[Cohort]] = {}

    def __iter__(self) -> Iterator[Queue]:
        root = self._own.tree.root
        if not isinstance(root, Cohort):
            while self._lines[self._own]:
                yield self._own
            return
        while True:
            above, target = self._find(root)
            if target is not None:
                yield target
            elif above is None:
                return

    def _find(self, root: Cohort) -> tuple[Cohort | None, Queue | None]:
        """The next target and its grandparent; without a target, a cohort that has nothing to offer has been taken from the one above,
        or the root, above which there is none, has nothing."""
        above: Cohort | None = None
        cohort = root
        while True:
            queue = self._choose_queue(cohort)
            child = self._choose_cohort(cohort)
            if child is None or (queue is not None and child.share() < queue.share()):
                if queue is None and above is not None:
                    self._children[above].remove(cohort)
                return above, queue
            above, cohort = cohort, child

    def _choose_queue(self, cohort: Cohort) -> Queue | None:
        heap = self._heaps.get(cohort)
        if heap is None:
            heap = self._heaps[cohort] = self._gather(cohort)
        while heap:
            rank, name, queue = heap[0]
            first = self._lines[queue].first
            if first is None or (queue is not self._own and not queue.borrows()):
                heapq.heappop(heap)
                continue
            is_staying, priority, age, uid, _ = first
            present = (*rank_share(queue), is_staying, queue is self._own, priority, age, uid)
            if present == rank:
                return queue
            heapq.heapreplace(heap, (present, name, queue))
        return None

    def _gather(self, cohort: Cohort) -> list[Standing]:
        own = self._own
        heap = [standing for standing in self._standings.get(cohort, ()) if standing[2] is not own]
        if cohort is own.parent:
            heapq.heappush(heap, (rank_share(own), own.name, own))
        return heap

    def _choose_cohort(self, cohort: Cohort) -> Cohort | None:
        """Kueue decides between equal shares by chance (map order); here the name does, so that an answer can be repeated."""
        if not cohort.cohorts:
            return None
        children = self._children.setdefault(cohort, cohort.cohorts.copy())
        children[:] = [child for child in children if child in self._path or child.borrows()]
        return min(children, key=lambda child: (rank_share(child), child.name), default=None)


def rank_share(node: Queue | Cohort) -> Rank:
    kind, share = node.share()
    return -kind, -share


def measure_standings(record: TreeRecord, places: tuple[int, ...]) -> Standings:
    """Counted anew only when quota was given or taken since."""
    standings = record.standings.get(places)
    if standings is None:
        standings = record.standings[places] = {}
        for queue in record.queues:
            if queue.parent is not None and queue.holders and not queue.is_within(places):
                standings.setdefault(queue.parent, []).append((rank_share(queue), queue.name, queue))
        for several in standings.values():
            several.sort()
    return standings
