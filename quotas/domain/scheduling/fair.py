"""Victims with fair sharing: whoever has the largest dominant share gives way, as long as shares come closer. Reference 8.10.

The preemptor's request is counted as used while shares are compared. The target is found by a `Descent`; its candidates are tried one
by one. Two strategies follow each other, as Kueue's defaults do: `LessThanOrEqualToFinalShare`, then `LessThanInitialShare` over what the
first passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from quotas.domain.scheduling.descent import Descent, Line, Lines, Standings, measure_standings
from quotas.domain.scheduling.nodes import Cohort, Node, Queue, Trial
from quotas.domain.scheduling.victims import (
    Holder,
    Protection,
    Reason,
    Target,
    find_candidates,
    give_back,
    take_out,
)
from quotas.domain.scheduling.workloads import Amounts, Workload


class FairSearch:
    """One search for victims. `places`: the frs that the request does not simply get."""

    __slots__ = (
        "_passed_over",
        "_places",
        "_protection",
        "_queue",
        "_standings",
        "_targets",
        "_trial",
        "_usage",
        "_workload",
    )

    def __init__(self, workload: Workload, usage: Amounts, places: tuple[int, ...], protection: Protection) -> None:
        self._workload = workload
        self._queue = workload.queue
        self._usage = usage
        self._places = places
        self._protection = protection
        self._standings: Standings = {}
        self._passed_over: dict[Queue, tuple[Holder, ...]] = {}
        self._targets: list[Target] = []
        self._trial = Trial()

    def run(self) -> list[Target]:
        """The victims, none when nothing helps. The accounts are as before."""
        self._standings = measure_standings(self._queue.tree, self._places)
        with self._trial:
            self._trial.keep(self._queue)
            self._queue.add(self._usage)
            if not (self._take_while_not_above() or self._take_where_below()):
                return []
            self._queue.remove(self._usage)
            return give_back(self._queue, self._usage, self._targets, may_borrow=True)

    def _candidates(self, queue: Queue) -> Iterator[Holder]:
        spec = self._queue.spec
        policy = spec.within_queue if queue is self._queue else spec.reclaim
        return find_candidates(queue, policy, self._workload, self._places, self._protection)

    def _fits(self) -> bool:
        """Whether the request, which is counted already, overdraws nothing. Only what was contested can be."""
        headroom = self._queue.headroom
        for place in self._places:  # noqa: SIM110
            if headroom(place) < 0:
                return False
        return True

    def _evict(self, holder: Holder, reason: Reason) -> bool:
        """Whether the request fits without this one too."""
        victim = holder[4]
        take_out(victim, self._trial)
        self._targets.append((victim, reason))
        return self._fits()

    def _take_while_not_above(self) -> bool:
        """First strategy: a victim goes when the preemptor's share then is at most what the victim's side is left with. Whether the
        request fits."""
        lines = Lines(self._candidates)
        is_entitled = self._queue.is_within(self._places)  # Kueue asks once, before anybody has gone
        for target in Descent(self._queue, lines, self._standings):
            line = lines[target]
            if target is self._queue:
                does_fit = self._evict(next(line), Reason.IN_QUEUE)
            elif is_entitled:
                does_fit = self._evict(next(line), Reason.RECLAMATION)
            elif self._is_above_all(target):
                break
            else:
                victim = self._find_acceptable(target, line)
                does_fit = victim is not None and self._evict(victim, Reason.FAIR_SHARING)
            if does_fit:
                return True
        return False

    def _is_above_all(self, target: Queue) -> bool:
        """Whether the preemptor stands above the target and so, in a tree of one level, above all targets that would follow: neither
        strategy takes anything from them. (Its own queue would have come before.)"""
        return self._is_flat() and self._queue.share() > target.share()

    def _is_flat(self) -> bool:
        root = self._queue.parent
        return root is not None and root.parent is None and not root.cohorts

    def _find_acceptable(self, target: Queue, line: Line) -> Holder | None:
        """The target's first candidate whose going keeps the shares in order."""
        mine, theirs = find_sides(self._queue, target)
        share = mine.share()
        if share > theirs.share():  # and it only falls when somebody goes
            self._pass_over(target, next(line))
            line.close()
            return None
        refused: set[tuple[tuple[int, int], ...]] = set()  # what equal usage was refused for need not be counted again
        for holder in line:
            key = tuple(holder[4].usage or ())
            if key not in refused:
                if share <= self._share_without(theirs, holder[4]):
                    return holder
                refused.add(key)
            self._pass_over(target, holder)
        return None

    def _pass_over(self, target: Queue, holder: Holder) -> None:
        self._passed_over.setdefault(target, (holder,))

    def _share_without(self, side: Node, victim: Workload) -> tuple[int, float]:
        if side is victim.queue:
            return side.share_without(victim.usage or [])
        with Trial() as trial:
            take_out(victim, trial)
            return side.share()

    def _take_where_below(self) -> bool:
        """Second strategy: the first that was passed over of a queue, where the preemptor's side has the smaller share before it goes.
        Whether the request fits."""
        if not self._passed_over:
            return False
        lines = Lines(lambda queue: self._passed_over.get(queue, ()))
        for target in Descent(self._queue, lines, self._standings):
            holder = next(lines[target])
            mine, theirs = find_sides(self._queue, target)
            if mine.share() < theirs.share():
                if self._evict(holder, Reason.FAIR_SHARING):
                    return True
            elif self._is_flat():
                break  # those that would follow share less
        return False


def find_sides(one: Queue, other: Queue) -> tuple[Node, Node]:
    """The two nodes just below the lowest common cohort of two queues of one tree, each on its queue's side."""
    if one.parent is other.parent:
        return one, other
    sides: dict[Cohort, Node] = {}
    node: Node = one
    for cohort in one.ancestors():
        sides[cohort] = node
        node = cohort
    node = other
    for cohort in other.ancestors():
        if cohort in sides:
            return sides[cohort], node
        node = cohort
    raise ValueError(f"{one.name} and {other.name} are in different trees")
