"""What a person can start now: the room in each of their leaves, and the largest block of free GPUs on one node.

Pure. *Free within Min* is guaranteed: nobody may take it back. *Can borrow* is what others leave unused right now, up to the
leaf's Max: it may be reclaimed. A job that needs its GPUs in one place also needs a node with that many free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRoom:
    """The room in one leaf for GPUs. `min_gpus` and `max_gpus` as set, None is unlimited.

    `above` holds `(node, room)` of the quotas on the way to the root that have a ceiling: leaves below the same one share its room.
    """

    node_id: int
    name: str
    path: str
    namespaces: tuple[str, ...]
    min_gpus: int
    max_gpus: int | None
    used_gpus: int
    free_within_min: int
    can_borrow: int
    pending_gpus: int
    above: tuple[tuple[int, int], ...] = ()

    @property
    def startable(self) -> int:
        return self.free_within_min + self.can_borrow


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOptions:
    """All the leaves of a person. `free_gpus` are usable ones that nobody holds and no admitted work waits for, `largest_block` the
    most of them on one node."""

    leaves: tuple[LeafRoom, ...]
    largest_block: int
    free_gpus: int
    sentence: str


def describe_start(leaves: Sequence[LeafRoom], *, largest_block: int, free_gpus: int) -> str:
    """One sentence with the numbers. `free_gpus` are those that nobody holds right now.

    Example: "You can start 12 GPUs now: 8 guaranteed, 4 borrowed that may be reclaimed. The largest job on one node is 8 GPUs."
    """
    if not leaves:
        return "You are in no group with a quota: ask an administrator for one."
    guaranteed = sum(leaf.free_within_min for leaf in leaves)
    startable = min(count_startable(leaves), free_gpus)
    if guaranteed > free_gpus:
        lent = guaranteed - free_gpus
        return (
            f"You are guaranteed {say_gpus(guaranteed)} more, of which {lent} "
            f"{'is' if lent == 1 else 'are'} in use by others and will be reclaimed when you submit."
        )
    if startable == 0:
        return "Your quota is used up and nothing can be borrowed: new work waits."
    borrowed = startable - guaranteed
    block = f"The largest job on one node is {say_gpus(min(largest_block, startable))}."
    if borrowed == 0:
        return f"You can start {say_gpus(startable)} now, all guaranteed. {block}"
    if guaranteed == 0:
        return f"You can start {say_gpus(startable)} now, all borrowed: they may be reclaimed. {block}"
    return f"You can start {say_gpus(startable)} now: {guaranteed} guaranteed, {borrowed} borrowed that may be reclaimed. {block}"


def count_startable(leaves: Sequence[LeafRoom]) -> int:
    """What all of these leaves together can start: what is guaranteed, and as much more as the quotas above have room for.

    Example: two leaves that can each borrow 10, below a quota with room for 10 -> 10.
    """
    left: dict[int, int] = {}
    for leaf in leaves:
        for node, room in leaf.above:
            left[node] = left.get(node, room) - leaf.free_within_min
    total = sum(leaf.free_within_min for leaf in leaves)
    for leaf in leaves:
        more = max(0, min([leaf.can_borrow, *(left[node] for node, _ in leaf.above)]))
        for node, _ in leaf.above:
            left[node] -= more
        total += more
    return total


def find_available(path: Sequence[tuple[int | None, int]]) -> int | None:
    """What a leaf can get right now without taking anything back: the smallest room on its path, from the root down.

    `path` holds `(ceiling, used)` per node; the root's ceiling is what the tree may use at all. None is unlimited.
    Example: root 40 with 30 used, leaf Max 16 with 13 used -> 3.
    """
    return min((max(0, ceiling - used) for ceiling, used in path if ceiling is not None), default=None)


def say_gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"
