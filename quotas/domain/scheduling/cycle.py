"""One scheduling cycle: one head per queue, all judged on the same accounts, then processed one by one. Reference 8.4.

The accounts change in place. What a head only holds on to for the rest of the cycle is noted and taken back at its end; victims stay
in the accounts until whoever asked for the cycle evicts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from quotas.domain.scheduling.assignment import Assignment, Mode, ScanProgress, Tried
from quotas.domain.scheduling.judging import Judge
from quotas.domain.scheduling.nodes import Cohort, Queue, TreeRecord, Trial
from quotas.domain.scheduling.nominations import Nomination
from quotas.domain.scheduling.spec import Options, Policy, QueueingStrategy
from quotas.domain.scheduling.tournament import Tournament
from quotas.domain.scheduling.victims import Target, book, fits, take_out, unbook
from quotas.domain.scheduling.workloads import Amounts, Workload


@dataclass(slots=True)
class Cycle:
    """What a cycle decided. `evicted`: with the workload that asked for it. Another cycle may bring something although nobody moved,
    when somebody was set aside (`has_parked`) or has flavors left to try (`has_flavors_left`)."""

    admitted: list[Nomination] = field(default_factory=list)
    evicted: list[tuple[Target, Nomination]] = field(default_factory=list)
    has_parked: bool = False
    has_flavors_left: bool = False

    @property
    def is_last(self) -> bool:
        """Whether nothing moved, and nothing will by itself."""
        return not (self.admitted or self.evicted or self.has_parked or self.has_flavors_left)


class CycleRun:
    """The processing of the nominated heads."""

    __slots__ = ("_cycle", "_held", "_judge", "_options", "_record", "_victims")

    def __init__(self, judge: Judge, record: TreeRecord, options: Options) -> None:
        self._judge = judge
        self._record = record
        self._options = options
        self._cycle = Cycle()
        self._held: list[tuple[Queue, int, int]] = []
        self._victims: dict[Workload, None] = {}

    def run(self, heads: Iterable[Workload]) -> Cycle:
        is_fair = self._options.fair_sharing
        nominations, hopeless = [], []
        for workload in heads:
            if self._judge.is_hopeless(workload):
                hopeless.append(workload)
            else:
                nominations.append(self._nominate(workload))
        if is_fair and len(nominations) > 1 and self._record.is_deep:
            # In a tournament below the root a head that gets nothing may stand in front of another of its cohort.
            nominations += [self._judge.nominate_in_vain(workload) for workload in hopeless]
        else:
            for workload in hopeless:
                self._set_aside(workload)
        for nomination in self._order(nominations):
            self._process(nomination)
        self._let_go()
        return self._cycle

    def _order(self, nominations: list[Nomination]) -> Iterable[Nomination]:
        """Read while the accounts change: fair sharing counts shares anew after each."""
        if self._options.fair_sharing and isinstance(self._record.root, Cohort):
            return Tournament(self._record.root, nominations)
        return sorted(nominations, key=lambda one: one.order)

    def _nominate(self, workload: Workload) -> Nomination:
        progress = workload.progress
        tried: Tried = ()
        if progress is not None:
            is_fresh = progress.cycle >= self._record.cycles - 1 or progress.generation == self._record.generation
            tried = progress.tried if is_fresh else ()
        nomination = self._judge.nominate(workload, tried=tried)
        workload.progress = ScanProgress(nomination.assignment.tried, self._record.cycles, self._record.generation)
        return nomination

    def _process(self, nomination: Nomination) -> None:
        """Steps a to f of the reference."""
        if nomination.assignment.mode is Mode.PREEMPT and self._overlaps(nomination):
            if not self._options.recomputes_overlaps:
                self._skip(nomination)
                return
            nomination = self._judge_again(nomination)
            if nomination.assignment.mode is Mode.FIT:
                self._defer(nomination)
                return
        assignment, workload = nomination.assignment, nomination.workload
        if assignment.mode is Mode.NO_FIT:
            self._set_aside(workload)
        elif assignment.mode is Mode.PREEMPT and not nomination.targets:
            if workload.queue.spec.reclaim is not Policy.ANY:
                self._hold(workload.queue, list(_reserve_amounts(workload.queue, assignment)))
            self._set_aside(workload)
        elif self._still_fits(nomination):
            self._hold(workload.queue, assignment.usage)
            if assignment.mode is Mode.FIT:
                self._cycle.admitted.append(nomination)
            else:
                self._issue(nomination)
        else:
            self._skip(nomination)

    def _skip(self, nomination: Nomination) -> None:
        """It stays a head, and has its turn in the next cycle."""
        self._cycle.has_flavors_left |= _has_flavors_left(nomination.workload)

    def _overlaps(self, nomination: Nomination) -> bool:
        return any(victim in self._victims for victim, _ in nomination.targets)

    def _judge_again(self, nomination: Nomination) -> Nomination:
        """With all victims so far out of the way, and with the flavors that were nominated. (As victims go and come back, what was measured
        without them, and without what is held in this cycle, is forgotten.)"""
        for victim in self._victims:
            unbook(victim)
        workload = nomination.workload
        again = self._judge.nominate(workload, only=nomination.assignment.flavors)
        workload.progress = ScanProgress(again.assignment.tried, self._record.cycles, self._record.generation)
        for victim in self._victims:
            book(victim)
        return again

    def _defer(self, nomination: Nomination) -> None:
        """It will fit once the others' victims are gone, and keeps the room until then."""
        nomination.workload.progress = None
        self._hold(nomination.workload.queue, nomination.assignment.usage)
        self._make_sticky(nomination.workload)

    def _issue(self, nomination: Nomination) -> None:
        nomination.workload.progress = None
        for target in nomination.targets:
            self._victims[target[0]] = None
            self._cycle.evicted.append((target, nomination))
        self._make_sticky(nomination.workload)

    def _still_fits(self, nomination: Nomination) -> bool:
        with Trial() as trial:
            for victim in {**self._victims, **{victim: None for victim, _ in nomination.targets}}:
                take_out(victim, trial)
            return fits(nomination.workload.queue, nomination.assignment.usage)

    def _hold(self, queue: Queue, usage: Amounts) -> None:
        queue.add(usage)
        self._held += [(queue, place, amount) for place, amount in usage]

    def _let_go(self) -> None:
        for queue, place, amount in reversed(self._held):
            if amount > 0:
                queue.remove([(place, amount)])
            else:  # overdrawn, and then only the queue itself was credited
                queue.usage[place] -= amount
                queue.version += 1

    def _make_sticky(self, workload: Workload) -> None:
        if self._options.keeps_sticky_preemptors and workload.queue.spec.strategy is QueueingStrategy.BEST_EFFORT_FIFO:
            workload.queue.pending.sticky = workload

    def _set_aside(self, workload: Workload) -> None:
        if _has_flavors_left(workload):
            self._cycle.has_flavors_left = True
        elif workload.queue.spec.strategy is QueueingStrategy.BEST_EFFORT_FIFO:
            workload.queue.pending.park(workload)
            self._record.parked[workload.queue] = None
            self._cycle.has_parked = True


def _has_flavors_left(workload: Workload) -> bool:
    return workload.progress is not None and workload.progress.has_flavors_left


def _reserve_amounts(queue: Queue, assignment: Assignment) -> Iterator[tuple[int, int]]:
    """What a head that finds no victims keeps for the rest of the cycle, so that its room is not lent away before its eyes."""
    for place, amount in assignment.usage:
        own = queue.nominal[place] - queue.usage[place]
        if assignment.level == 0:
            yield place, max(0, min(amount, own))
        else:
            limit = queue.borrowing_limits.get(place)
            yield place, amount if limit is None else min(amount, own + limit)
