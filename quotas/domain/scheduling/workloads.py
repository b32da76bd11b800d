"""A workload while the scheduler runs, and the shape by which Kueue takes two of them for equal."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from quotas.domain.scheduling.spec import PodSet, Reservation, Work

if TYPE_CHECKING:
    from quotas.domain.scheduling.assignment import ScanProgress
    from quotas.domain.scheduling.nodes import Queue

Amounts = Sequence[tuple[int, int]]
"""(place of an fr, amount); no place twice."""


class Workload:
    """`usage` is None while it waits; with `reserved_at` it speaks of the quota that it holds."""

    __slots__ = (
        "is_evicting",
        "may_shrink",
        "name",
        "priority",
        "progress",
        "queue",
        "queue_time",
        "reserved_at",
        "shape",
        "uid",
        "usage",
        "work",
    )

    def __init__(self, work: Work, queue: Queue, shape: int) -> None:
        self.work = work
        self.name = work.name
        self.queue = queue
        self.priority = work.priority
        self.queue_time = work.created_at if work.queue_time is None else work.queue_time
        self.uid = work.uid
        self.shape = shape
        self.may_shrink = any(pod_set.min_count is not None for pod_set in work.pod_sets)
        self.usage: Amounts | None = None
        self.reserved_at = 0
        self.is_evicting = False
        self.progress: ScanProgress | None = None

    def __lt__(self, other: Workload) -> bool:
        """Only so that keys with equal UIDs in front of it, which do not happen, would still compare."""
        return self.name < other.name

    @property
    def holder_key(self) -> tuple[int, int, int, str, Workload]:
        """The place of one that holds quota in the order of eviction, the first is evicted first: on its way out, of low priority,
        reserved late."""
        return 0 if self.is_evicting else 1, self.priority, -self.reserved_at, self.uid, self

    @property
    def queue_key(self) -> tuple[int, int, str]:
        """Who is tried first within a queue: priority, then age, then UID."""
        return -self.priority, self.queue_time, self.uid


class Shapes:
    """Numbers for pod sets: equal pods, counts and requests have one number, as in Kueue's scheduling equivalence."""

    __slots__ = ("_numbers", "pod_sets")

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self.pod_sets: list[tuple[PodSet, ...]] = []

    def number(self, pod_sets: tuple[PodSet, ...]) -> int:
        key = tuple(_identify(pod_set) for pod_set in pod_sets)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.pod_sets)
            self.pod_sets.append(pod_sets)
        return number


def _identify(pod_set: PodSet) -> Hashable:
    return (
        pod_set.count,
        pod_set.min_count,
        frozenset(pod_set.requests.items()),
        frozenset(pod_set.node_selector.items()) if pod_set.node_selector else None,
        pod_set.affinity,
        pod_set.tolerations,
    )


def describe_reservation(workload: Workload, pairs: list[tuple[str, str]]) -> Reservation | None:
    if workload.usage is None:
        return None
    usage = {pairs[place]: amount for place, amount in workload.usage}
    return Reservation(usage=usage, reserved_at=workload.reserved_at, is_evicting=workload.is_evicting)
