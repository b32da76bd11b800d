"""The work that waits in one queue: who is tried next, and who is set aside.

Waiting work of one shape and priority forms a *group*: Kueue judges its first and sets all of it aside together ("scheduling
equivalence"), so setting aside and releasing are marks on a group, whatever its size.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from quotas.domain.scheduling.workloads import Workload

GroupKey = tuple[int, int]
"""Shape, priority."""


class Group:
    """Equal workloads, oldest first. Those that left stay in the heap until they come to its top."""

    __slots__ = ("heap", "is_parked", "listed", "members")

    def __init__(self) -> None:
        self.heap: list[tuple[int, str, Workload]] = []
        self.members: set[Workload] = set()
        self.is_parked = False
        self.listed: Workload | None = None  # under whom it stands among the active ones

    def __lt__(self, other: Group) -> bool:
        """Entries that differ in nothing else are equal."""
        return False

    def first(self) -> Workload | None:
        heap = self.heap
        while heap:
            workload = heap[0][2]
            if workload in self.members:
                return workload
            heapq.heappop(heap)
        return None


class PendingWork:
    """`sticky`: the workload that has issued evictions and keeps the first place until it is admitted or set aside."""

    __slots__ = ("_active", "_groups", "_parked", "sticky")

    def __init__(self) -> None:
        self._groups: dict[GroupKey, Group] = {}
        self._active: list[tuple[int, int, str, Workload, Group]] = []
        self._parked: set[GroupKey] = set()
        self.sticky: Workload | None = None

    def __iter__(self) -> Iterator[Workload]:
        for group in self._groups.values():
            yield from group.members

    def add(self, workload: Workload) -> bool:
        """Whether it may be tried: equal work that is set aside keeps newcomers aside too."""
        key = (workload.shape, workload.priority)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group()
        group.members.add(workload)
        heapq.heappush(group.heap, (workload.queue_time, workload.uid, workload))
        if group.is_parked:
            return False
        if group.heap[0][2] is workload:
            self._enlist(group)
        return True

    def discard(self, workload: Workload) -> None:
        key = (workload.shape, workload.priority)
        group = self._groups[key]
        group.members.discard(workload)
        if self.sticky is workload:
            self.sticky = None
        if not group.members:
            del self._groups[key]
            self._parked.discard(key)
        elif not group.is_parked:
            self._enlist(group)

    def head(self) -> Workload | None:
        """The workload to be tried next; it stays where it is."""
        if self.sticky is not None:
            return self.sticky
        active = self._active
        while active:
            entry = active[0]
            workload, group = entry[3], entry[4]
            if not group.is_parked and group.members and group.first() is workload:
                return workload
            heapq.heappop(active)
            if group.listed is workload:
                group.listed = None
        return None

    def park(self, workload: Workload) -> None:
        """Set a workload aside, and its equals with it."""
        key = (workload.shape, workload.priority)
        self._groups[key].is_parked = True
        self._parked.add(key)
        if self.sticky is workload:
            self.sticky = None

    def release(self) -> None:
        """Let everything that was set aside be tried again."""
        for key in self._parked:
            group = self._groups[key]
            group.is_parked = False
            self._enlist(group)
        self._parked.clear()

    @property
    def has_parked(self) -> bool:
        return bool(self._parked)

    def is_parked(self, workload: Workload) -> bool:
        return (workload.shape, workload.priority) in self._parked

    def _enlist(self, group: Group) -> None:
        first = group.first()
        if first is not None and group.listed is not first:
            group.listed = first
            heapq.heappush(self._active, (-first.priority, first.queue_time, first.uid, first, group))
