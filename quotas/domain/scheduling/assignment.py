"""Which flavors a workload gets, and how: at once, by evicting others, or not at all. Reference 8.5.

Flavors of a group are tried in order; the first good one ends the scan, otherwise the best is taken. *Mode* and *level* judge one:
the mode says how the request would be met, the level (see `Node.find_level`) from how far away in the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from quotas.domain.scheduling.nodes import Queue, Trial
from quotas.domain.scheduling.plans import FlavorOption, GroupDemand, Plan
from quotas.domain.scheduling.spec import Fungibility, Policy
from quotas.domain.scheduling.victims import Target, take_out
from quotas.domain.scheduling.workloads import Amounts, Workload


class Mode(IntEnum):
    """From the worst to the best."""

    NO_FIT = 0
    NO_CANDIDATES = 1
    PREEMPT = 2
    RECLAIM = 3
    FIT = 4


Tried = tuple[Mapping[str, int], ...]
"""Per pod set and resource: the flavor at which the last scan stopped, -1 when it was the last of the list."""

NO_FLAVORS_LEFT: Final = -1


@dataclass(slots=True)
class ScanProgress:
    """Where a scan stopped, in which cycle, and what the tree was like then."""

    tried: Tried
    cycle: int
    generation: int

    @property
    def has_flavors_left(self) -> bool:
        return any(stop != NO_FLAVORS_LEFT for stops in self.tried for stop in stops.values())


@dataclass(slots=True)
class Assignment:
    """`mode`: NO_FIT, FIT, or PREEMPT for all that lies between. `contested`: the frs that are not simply free, which one that Kueue takes
    for a FIT may have, too (`_find_worst`). `usage`: of all pod sets;
    of one that does not fit, as in Kueue, that of the pod sets before the one at which it ended."""

    mode: Mode
    level: int = 0
    usage: Amounts = field(default_factory=list)
    contested: tuple[int, ...] = ()
    flavors: tuple[Mapping[str, str], ...] = ()
    tried: Tried = ()
    counts: tuple[int, ...] = ()


Judgement = tuple[Mode, int]
FindVictims = Callable[[Workload, Amounts, tuple[int, ...]], list[Target]]
Note = Callable[[str, FlavorOption, int, int, Mode], None]
"""Hears of each judgement, for explanations: pod set, flavor, place, amount, mode."""


class Assigner:
    """Assigns flavors on the accounts as they are; victims are looked for and put back."""

    __slots__ = ("_find_victims", "_is_fair")

    def __init__(self, find_victims: FindVictims, *, is_fair: bool) -> None:
        self._find_victims = find_victims
        self._is_fair = is_fair

    def assign(
        self,
        workload: Workload,
        plan: Plan,
        *,
        tried: Tried = (),
        only: tuple[Mapping[str, str], ...] = (),
        note: Note | None = None,
    ) -> Assignment:
        """`tried`: where the last scan stopped. `only`: the flavors per pod set and resource that may be used, all when empty."""
        usage: dict[int, int] = {}
        contested: dict[int, None] = {}
        flavors: list[Mapping[str, str]] = []
        progress: list[Mapping[str, int]] = []
        level, does_fit = 0, True
        for position, demand in enumerate(plan.pod_sets):
            chosen: dict[str, str] = {}
            stops: dict[str, int] = {}
            booked: list[tuple[int, int]] = []
            for group in demand.groups:
                start = tried[position].get(group.resources[0], NO_FLAVORS_LEFT) + 1 if position < len(tried) else 0
                named = only[position].get(group.resources[0]) if position < len(only) else None
                hear = _bind(note, demand.name) if note is not None else None
                found = self._scan(workload, group, start, named, usage, hear)
                if found is None:
                    return Assignment(Mode.NO_FIT, usage=list(usage.items()), tried=tuple(progress))
                option, stop, judged = found
                does_fit = does_fit and _find_worst(workload.queue, judged)[0] is Mode.FIT
                for (place, amount), resource, (mode, height) in zip(
                    option.demands, group.resources, judged, strict=True
                ):
                    chosen[resource], stops[resource] = option.name, stop
                    booked.append((place, amount))
                    level = max(level, height)
                    if mode is not Mode.FIT:
                        contested[place] = None
            if demand.uncovered is not None:
                return Assignment(Mode.NO_FIT, usage=list(usage.items()), tried=tuple(progress))
            for place, amount in booked:
                usage[place] = usage.get(place, 0) + amount
            flavors.append(chosen)
            progress.append(stops)
        return Assignment(
            mode=Mode.FIT if does_fit else Mode.PREEMPT,
            level=level,
            usage=list(usage.items()),
            contested=tuple(contested),
            flavors=tuple(flavors),
            tried=tuple(progress),
            counts=tuple(demand.count for demand in plan.pod_sets),
        )

    def _scan(
        self,
        workload: Workload,
        group: GroupDemand,
        start: int,
        named: str | None,
        booked: Mapping[int, int],
        hear: Callable[[FlavorOption, int, int, Mode], None] | None,
    ) -> tuple[FlavorOption, int, list[Judgement]] | None:
        """The flavor for a group, where the scan stopped, and how each resource was judged; None when no flavor fits."""
        best: tuple[FlavorOption, list[Judgement]] | None = None
        best_score: tuple[int, int, int] = (0, 0, 0)
        last = NO_FLAVORS_LEFT
        for option in group.options[start:]:
            last = option.index
            if not option.is_eligible or (named is not None and option.name != named):
                continue
            judged = self._judge_flavor(workload, option, booked, hear)
            if judged is None:
                continue
            score = _score(workload.queue, *_find_worst(workload.queue, judged))
            if best is None or score > best_score:
                best, best_score = (option, judged), score
            if not _goes_on(workload.queue, judged):
                best = (option, judged)
                break
        if best is None:
            return None
        stop = NO_FLAVORS_LEFT if last == group.options[-1].index else last
        return best[0], stop, best[1]

    def _judge_flavor(
        self,
        workload: Workload,
        option: FlavorOption,
        booked: Mapping[int, int],
        hear: Callable[[FlavorOption, int, int, Mode], None] | None,
    ) -> list[Judgement] | None:
        judged = []
        for place, requested in option.demands:
            amount = requested + booked.get(place, 0)
            judgement = self._judge(workload, place, amount)
            if hear is not None:
                hear(option, place, amount, judgement[0])
            if judgement[0] is Mode.NO_FIT:
                return None
            judged.append(judgement)
        return judged

    def _judge(self, workload: Workload, place: int, amount: int) -> Judgement:
        queue = workload.queue
        if amount > queue.potential[place]:
            return Mode.NO_FIT, 0
        level, is_below_root = queue.find_level(place, amount)
        if amount <= queue.available(place):
            return Mode.FIT, level
        if not (is_below_root or queue.nominal[place] >= amount or self._may_evict_to_borrow(queue)):
            return Mode.NO_FIT, 0
        victims = self._find_victims(workload, [(place, amount)], (place,))
        if not victims:
            return Mode.NO_CANDIDATES, level
        with Trial() as trial:
            for victim, _ in victims:
                take_out(victim, trial)
            level, _ = queue.find_level(place, amount)
        is_own = any(victim.queue is queue for victim, _ in victims)
        return Mode.PREEMPT if is_own else Mode.RECLAIM, level

    def _may_evict_to_borrow(self, queue: Queue) -> bool:
        return queue.spec.borrow is not Policy.NEVER or (self._is_fair and queue.spec.reclaim is not Policy.NEVER)


def _score(queue: Queue, mode: Mode, level: int) -> tuple[int, int, int]:
    """Bigger is better; a scan that borrows little may be preferred to one that evicts nobody."""
    if mode is Mode.NO_CANDIDATES or not queue.spec.prefers_preemption_over_borrowing:
        return mode, -level, 0
    return Mode.PREEMPT, -level, mode


def _find_worst(queue: Queue, judged: list[Judgement]) -> Judgement:
    """The judgement that counts for the flavor. Where levels go before modes it can be a fit, although another resource would have to
    evict: Kueue then takes the workload for one that fits, and passes it over until it does."""
    return min(judged, key=lambda judgement: _score(queue, *judgement))


def _goes_on(queue: Queue, judged: list[Judgement]) -> bool:
    """Whether the flavors behind this one are looked at too."""
    mode, level = _find_worst(queue, judged)
    if mode is Mode.NO_CANDIDATES:
        return True
    if mode is not Mode.FIT and queue.spec.when_can_preempt is Fungibility.TRY_NEXT_FLAVOR:
        return True
    return level > 0 and queue.spec.when_can_borrow is Fungibility.TRY_NEXT_FLAVOR


def _bind(note: Note, pod_set: str) -> Callable[[FlavorOption, int, int, Mode], None]:
    return lambda option, place, amount, mode: note(pod_set, option, place, amount, mode)
