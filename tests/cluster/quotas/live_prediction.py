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


def find_ends(state: LiveState, happen: Happen, *, is_fair: bool) -> set[frozenset[str]]:
    """Who may hold quota in the end, over everything that Kueue leaves to chance.

    Victims of one cycle leave one by one, in any order, and cycles run in between. What an eviction releases is tried up to a
    second after the evicted work itself. Heads of equal rank, and siblings of equal share, come in the order of a map.
    """
    ends: set[frozenset[str]] = set()
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


def _explore(forest: ForestSpec, state: LiveState, happen: Happen, options: Options) -> Iterator[frozenset[str]]:
    for tick in (1, 0):  # within one second Kueue can't tell who reserved first
        scheduler = _build(forest, options, state.works, find_end(state.works))
        happen(scheduler)
        world = World(forest=scheduler.forest.spec, options=options, tick=tick)
        stack = [(list(scheduler.states()), scheduler.now)]
        seen: set[frozenset[tuple[str, bool, bool, bool]]] = set()
        while stack and len(seen) < MOST_STATES:
            works, now = world.run(*stack.pop())
            key = frozenset(
                (one.work.name, one.reservation is not None, is_leaving(one), one.is_parked) for one in works
            )
            if key in seen:
                continue
            seen.add(key)
            leaving = [one.work.name for one in works if is_leaving(one)]
            if not leaving:
                yield frozenset(one.work.name for one in works if one.reservation is not None)
            for gone in [*([name] for name in leaving), *([leaving] if len(leaving) > 1 else [])]:
                stack += [(world.let_go(works, gone, now, is_late=is_late), now) for is_late in (False, True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A forest in which victims do not go at once. `tick`: how the clock moves between two cycles."""

    forest: ForestSpec
    options: Options
    tick: int

    def run(self, works: list[WorkState], now: int) -> tuple[list[WorkState], int]:
        """Cycles until nothing moves; victims keep their quota and are marked as leaving."""
        for _ in range(100):
            scheduler = _build(self.forest, self.options, works, now)
            victims = self._run_until_eviction(scheduler)
            now, works = scheduler.now, [_mark(one) if one.work.name in victims else one for one in scheduler.states()]
            if not victims:
                break
        return works, now

    def _run_until_eviction(self, scheduler: Scheduler) -> set[str]:
        (record,) = scheduler.forest.trees
        for _ in range(200):
            cycle = scheduler.run_cycle(record)
            scheduler.now += self.tick
            victims = {victim.name for (victim, _), _ in cycle.evicted if not victim.is_evicting}
            if victims:
                return victims
            if cycle.admitted or not (cycle.is_last or cycle.evicted):
                continue
            if record.evicting or not record.is_due:
                break
            scheduler.release(record)
        return set()

    def let_go(self, works: list[WorkState], gone: list[str], now: int, *, is_late: bool) -> list[WorkState]:
        """`is_late`: the evicted work is tried first, what it releases only afterwards."""
        scheduler = _build(self.forest, self.options, works, now)
        parked = {one.work.name for one in works if one.is_parked}
        for name in gone:
            scheduler.evict(name)
        after = list(scheduler.states())
        if is_late:
            after, _ = self.run([replace(one, is_parked=one.work.name in parked) for one in after], now)
            after = [replace(one, is_parked=False) for one in after]
        return after


def is_leaving(state: WorkState) -> bool:
    return state.reservation is not None and state.reservation.is_evicting


def _mark(state: WorkState) -> WorkState:
    assert state.reservation is not None
    return replace(state, reservation=replace(state.reservation, is_evicting=True))


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
