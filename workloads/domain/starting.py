"""What a person can start now: the room in each of their leaves, and the largest block of free GPUs on one node.

Pure. *Free within Min* is guaranteed: nobody may take it back. *Can borrow* is what others leave unused right now, up to the
leaf's Max: it may be reclaimed. A job that needs its GPUs in one place also needs a node with that many free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafRoom:
    """The room in one leaf for GPUs. `min_gpus` and `max_gpus` as set, None is unlimited."""

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
    startable = min(sum(leaf.startable for leaf in leaves), free_gpus)
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


def find_available(path: Sequence[tuple[int | None, int]]) -> int | None:
    """What a leaf can get right now without taking anything back: the smallest room on its path, from the root down.

    `path` holds `(ceiling, used)` per node; the root's ceiling is what the tree may use at all. None is unlimited.
    Example: root 40 with 30 used, leaf Max 16 with 13 used -> 3.
    """
    return min((max(0, ceiling - used) for ceiling, used in path if ceiling is not None), default=None)


def say_gpus(count: int) -> str:
    return f"{count} GPU" if count == 1 else f"{count} GPUs"
