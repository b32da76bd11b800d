"""What the engine says a running Kueue will do, which other ends a race may come to, and all of it as a file that can be replayed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from aidashboard.kit.quantity import format_amount
from quotas.domain.engine import Engine, ForestSpec, Options, Reservation, WorkState
from quotas.domain.scheduling.scheduler import Scheduler
from quotas.domain.vectors import find_end
from tests.cluster.quotas.live_cluster import LiveState
from tests.cluster.quotas.live_trees import Json

MOST_ROUNDS = 2_000
MOST_STATES = 3_000
MOST_CYCLES = 1_000

Happen = Callable[[Engine | Scheduler], None]
"""The event, told to an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    holders: frozenset[str]
    evicted: frozenset[str]
    is_settled: bool = True


def predict(state: LiveState, happen: Happen, *, is_fair: bool) -> Outcome:
    engine = Engine(state.forest, Options(fair_sharing=is_fair), work=state.works, now=find_end(state.works))
    happen(engine)
    settlement = engine.settle(MOST_ROUNDS)
    return Outcome(
        holders=engine.admitted(),
        evicted=frozenset(one.workload for one in settlement.evicted),
        is_settled=settlement.is_settled,
    )


def is_restless(states: Iterable[LiveState], *, is_fair: bool) -> bool:
    """Whether the engine goes round in circles, too, from one of these moments of a tree that does not come to rest."""
    for state in states:
        works = [replace(one, is_parked=False) for one in state.works]
        engine = Engine(state.forest, Options(fair_sharing=is_fair), work=works, now=find_end(works))
        if not engine.settle(MOST_ROUNDS).is_settled:
            return True
    return False


def find_moves(state: LiveState, *, is_fair: bool) -> list[str]:
    """What the engine would still decide if everything that waits were tried once more, in words."""
    works = [replace(one, is_parked=False) for one in state.works]
    engine = Engine(state.forest, Options(fair_sharing=is_fair), work=works, now=find_end(works))
    return [decision.why for decision in engine.settle(MOST_ROUNDS).decisions]


# --- races


def find_ends(state: LiveState, happen: Happen, *, is_fair: bool) -> set[Outcome]:
    """What may come of it in the end, over everything that Kueue leaves to chance.

    Victims of one cycle leave one by one, in any order, and cycles run in between. What an eviction releases is tried up to a
    second after the evicted work itself. Heads of equal rank, and siblings of equal share, come in the order of a map. Between
    two cycles a new second may begin.
    """
    ends: set[Outcome] = set()
    for forest in _orders(state.forest):
        ends |= set(_explore(forest, state, happen, Options(fair_sharing=is_fair)))
    return ends


def _orders(forest: ForestSpec) -> Iterator[ForestSpec]:
    pick = random.Random(0)
    yield forest
    for _ in range(5):
        queues, cohorts = list(forest.queues), list(forest.cohorts)
        pick.shuffle(queues)
        pick.shuffle(cohorts)
        yield replace(forest, queues=tuple(queues), cohorts=tuple(cohorts))


def _explore(forest: ForestSpec, state: LiveState, happen: Happen, options: Options) -> Iterator[Outcome]:
    for tick in (0, 1):
        scheduler = _build(forest, options, state.works, find_end(state.works))
        happen(scheduler)
        world = World(forest=scheduler.forest.spec, options=options, tick=tick)
        stack = [world.run(scheduler)]
        seen: set[tuple[frozenset[str], frozenset[tuple[str, bool, bool, bool]]]] = set()
        while stack and len(seen) < MOST_STATES:
            moment = stack.pop()
            if moment.key in seen:
                continue
            seen.add(moment.key)
            leaving = [one.work.name for one in moment.works if is_leaving(one)]
            if not leaving:
                holders = frozenset(one.work.name for one in moment.works if one.reservation is not None)
                yield Outcome(holders=holders, evicted=moment.evicted)
            for gone in [*([name] for name in leaving), *([leaving] if len(leaving) > 1 else [])]:
                stack += [world.let_go(moment, gone, is_late=is_late) for is_late in (False, True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Nothing moves until victims leave. `is_due`: what is set aside will then be tried again; `evicted`: who had to go so far."""

    works: tuple[WorkState, ...]
    now: int
    is_due: bool
    evicted: frozenset[str]

    @property
    def key(self) -> tuple[frozenset[str], frozenset[tuple[str, bool, bool, bool]]]:
        return self.evicted, frozenset(
            (one.work.name, one.reservation is not None, is_leaving(one), one.is_parked) for one in self.works
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A forest in which victims do not go at once. `tick`: how the clock moves between two cycles."""

    forest: ForestSpec
    options: Options
    tick: int

    def run(self, scheduler: Scheduler, evicted: frozenset[str] = frozenset()) -> Moment:
        """Cycles until nothing moves; victims keep their quota and are marked as leaving."""
        (record,) = scheduler.forest.trees
        for _ in range(MOST_CYCLES):
            cycle = scheduler.run_cycle(record)
            scheduler.now += self.tick
            victims = {victim.name for (victim, _), _ in cycle.evicted if not victim.is_evicting}
            for name in sorted(victims):
                scheduler.start_evicting(name)
            evicted |= victims
            if victims or cycle.admitted or not (cycle.is_last or cycle.evicted):
                continue
            if record.evicting or not record.is_due:
                break
            scheduler.pass_second()
            scheduler.release(record)
        is_due, record.is_due = record.is_due, False  # what is set aside calls itself so although it is due
        return Moment(works=tuple(scheduler.states()), now=scheduler.now, is_due=is_due, evicted=evicted)

    def let_go(self, moment: Moment, gone: list[str], *, is_late: bool) -> Moment:
        """`is_late`: the evicted work is tried first, what it releases only afterwards."""
        scheduler = _build(self.forest, self.options, moment.works, moment.now)
        (record,) = scheduler.forest.trees
        record.is_due = moment.is_due
        for name in gone:
            scheduler.evict(name)
        if not is_late:
            scheduler.release(record)
        return self.run(scheduler, moment.evicted)


def is_leaving(state: WorkState) -> bool:
    return state.reservation is not None and state.reservation.is_evicting


def _build(forest: ForestSpec, options: Options, works: Iterable[WorkState], now: int) -> Scheduler:
    scheduler = Scheduler(forest, options)
    scheduler.now = now
    for one in works:
        scheduler.restore(one)
    return scheduler


# --- as a file


def record(scenario: Json, state: LiveState, event: Json, admitted: frozenset[str]) -> Json:
    """One line for `python -m quotas.domain.replay --arrivals`: the tree as it was, its work, one event, who held quota after it."""
    works = [describe(one) for one in state.works]
    return {"scenario": scenario, "work": works, "events": [event], "admitted": [sorted(admitted)]}


def describe(state: WorkState) -> Json:
    work, (pod_set,) = state.work, state.work.pod_sets
    entry: Json = {
        "name": work.name,
        "cq": work.queue,
        "req": {resource: format_amount(resource, amount) for resource, amount in pod_set.requests.items()},
        "prio": work.priority,
        "created": work.created_at,
        "uid": work.uid,
    }
    if state.reservation is None:
        return entry | ({"parked": True} if state.is_parked else {})
    return entry | {"holds": _group_by_flavor(state.reservation), "reserved": state.reservation.reserved_at}


def _group_by_flavor(reservation: Reservation) -> Json:
    holds: Json = {}
    for (flavor, resource), amount in reservation.usage.items():
        holds.setdefault(flavor, {})[resource] = format_amount(resource, amount)
    return holds
