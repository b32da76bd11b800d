"""Fair sharing: which of the heads of a tree goes next. Reference 8.9.

At every cohort the winners below compete by what their side of the tree would hold once they were in: a side that borrows nothing of
what they ask for comes first, then the lower share, then priority, then age. Each winner changes the accounts, so ranks are counted
anew; as usage only grows within a cycle ranks only get worse, and a heap whose top is counted again stays right.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from quotas.domain.scheduling.nodes import Cohort, Node, Trial
from quotas.domain.scheduling.nominations import Nomination

Rank = tuple[bool, tuple[int, float], int, int, str]


class Entrant:
    """A head in the tournament; one that fits nowhere takes part without usage, or with that of the pod sets that did."""

    __slots__ = ("_versions", "nomination", "path", "ranks")

    def __init__(self, nomination: Nomination) -> None:
        self.nomination = nomination
        queue = nomination.workload.queue
        self.path: list[Node] = [queue, *queue.ancestors()]
        self.ranks: dict[Node, Rank] = {}
        self._versions: list[int] = []
        self.refresh()

    def __lt__(self, other: Entrant) -> bool:
        return self.nomination.workload.name < other.nomination.workload.name

    def refresh(self) -> bool:
        """Count the ranks anew where the accounts on the path have changed; whether they had."""
        versions = [node.version for node in self.path]
        if versions == self._versions:
            return False
        self._versions = versions
        workload, usage = self.nomination.workload, self.nomination.assignment.usage
        places = [place for place, amount in usage if amount]
        with Trial() as trial:
            trial.keep(workload.queue)
            workload.queue.add(usage)
            for node in self.path:
                if node.parent is not None:
                    borrows = not node.is_within(places)
                    self.ranks[node.parent] = (
                        borrows,
                        node.share(),
                        -workload.priority,
                        workload.queue_time,
                        workload.uid,
                    )
        return True


class Tournament:
    """The heads of one tree, one after the other; to be read while the accounts change."""

    __slots__ = ("_children", "_heaps", "_root")

    def __init__(self, root: Cohort, nominations: Iterable[Nomination]) -> None:
        self._root = root
        self._heaps: dict[Node, list[tuple[Rank, Entrant]]] = {}
        self._children: dict[Node, dict[Node, None]] = {}
        for nomination in nominations:
            entrant = Entrant(nomination)
            parent = entrant.path[1]
            heapq.heappush(self._heaps.setdefault(parent, []), (entrant.ranks[parent], entrant))
            for below, above in zip(entrant.path[1:], entrant.path[2:], strict=False):
                self._children.setdefault(above, {})[below] = None

    def __iter__(self) -> Iterator[Nomination]:
        while (winner := self._find_winner(self._root)) is not None:
            heapq.heappop(self._heaps[winner.path[1]])
            yield winner.nomination

    def _find_winner(self, cohort: Node) -> Entrant | None:
        best = self._find_head(cohort)
        for child in self._children.get(cohort, ()):
            rival = self._find_winner(child)
            if rival is not None and (best is None or rival.ranks[cohort] < best.ranks[cohort]):
                best = rival
        return best

    def _find_head(self, cohort: Node) -> Entrant | None:
        heap = self._heaps.get(cohort)
        while heap:
            entrant = heap[0][1]
            if not entrant.refresh():
                return entrant
            heapq.heapreplace(heap, (entrant.ranks[cohort], entrant))
        return None
