"""A day of the lab without a cluster: teams ask, jobs wait, run and end on named cards. Pure.

A rough copy of what quota and scheduler do, good enough for charts: ceilings hold, teams below their guarantee go first, a
gang starts whole or not at all; nothing is evicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.demand import JobPlan, hours_until_next, plan_job, plan_standing
from sandbox.gpus.curves import seed_of
from sandbox.scenario.model import Behaviour, PodShape, Scenario, StandingKind, Team

STEP_SECONDS = 60.0
WARM_UP_SECONDS = 8 * 3600.0
LONGEST_QUEUE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRun:
    """A pod that held cards. Times are Unix seconds; `owner` is (kind, name) of its controller."""

    namespace: str
    pod: str
    owner: tuple[str, str]
    node: str
    indices: tuple[int, ...]
    behaviour: Behaviour
    started_at: float
    ended_at: float

    @property
    def uid(self) -> str:
        return f"history-{self.namespace}-{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """How many jobs and GPUs of each team waited. Shapes: {team: count}."""

    at: float
    waiting_jobs: Mapping[str, int]
    waiting_gpus: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    runs: tuple[PodRun, ...]
    moments: tuple[Moment, ...]


@dataclass(slots=True, kw_only=True)
class _Pool:
    """Free card indices per node, in the order in which a pool prefers to fill them."""

    free: dict[str, list[int]]
    pool_of: dict[str, str]

    def take(self, shape: PodShape, pods: int) -> list[tuple[str, tuple[int, ...]]] | None:
        """Cards for a whole gang, or None and nothing taken."""
        taken: list[tuple[str, tuple[int, ...]]] = []
        for _ in range(pods):
            node = min(
                (node for node, free in self.free.items() if len(free) >= shape.gpus),
                key=lambda node: (_rank(shape.prefers, self.pool_of[node]), len(self.free[node])),
                default=None,
            )
            if node is None:
                self.give(taken)
                return None
            indices = tuple(self.free[node][: shape.gpus])
            self.free[node] = self.free[node][shape.gpus :]
            taken.append((node, indices))
        return taken

    def give(self, places: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        for node, indices in places:
            self.free[node] = sorted([*self.free[node], *indices])


@dataclass(slots=True, kw_only=True)
class _Desk:
    """One team at work."""

    team: Team
    number: int = 0
    next_at: float = 0.0
    used: int = 0
    queue: list[JobPlan] = field(default_factory=list)


def play_day(scenario: Scenario, *, start: float, end: float) -> Day:
    """Everything that ran between `start` and `end`."""
    return _Player(scenario).play(start=start, end=end)


def busyness(time: float) -> float:
    """How much people ask for at an hour of the day: most in the afternoon, half of it before dawn."""
    moment = datetime.fromtimestamp(time, tz=UTC)
    hour = moment.hour + moment.minute / 60
    return 0.78 + 0.27 * math.sin(2 * math.pi * (hour - 8.5) / 24)


class _Player:
    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.cards = _Pool(free=_free_cards(scenario), pool_of=_pools(scenario))
        self.desks = [_Desk(team=team) for team in scenario.teams]
        self.department_of = {team.name: department for department in scenario.departments for team in department.teams}
        self.running: list[tuple[float, _Desk, list[tuple[str, tuple[int, ...]]], int]] = []
        self.runs: list[PodRun] = []

    def play(self, *, start: float, end: float) -> Day:
        moments: list[Moment] = []
        now = start - WARM_UP_SECONDS
        for desk in self.desks:
            self._open_standing(desk, now, end)
            desk.next_at = now + 600 * seed_of(desk.team.name)
        while now <= end:
            self._finish(now)
            for desk in self.desks:
                self._ask(desk, now, epoch=start)
            self._start_waiting(now)
            if now >= start:
                moments.append(self._moment(now))
            now += STEP_SECONDS
        return Day(runs=tuple(run for run in self.runs if run.ended_at > start), moments=tuple(moments))

    def _open_standing(self, desk: _Desk, now: float, end: float) -> None:
        for plan in plan_standing(self.scenario, desk.team):
            places = self.cards.take(plan.template.shape, plan.template.replicas)
            if places is None:
                continue
            desk.used += plan.gpus
            is_notebook = plan.template.kind is StandingKind.NOTEBOOK
            owner = ("StatefulSet", plan.name) if is_notebook else ("ReplicaSet", f"{plan.name}-6d4cf56db6")
            for index, (node, indices) in enumerate(places):
                pod = f"{plan.name}-{index}" if is_notebook else f"{owner[1]}-{_suffix(plan.name, str(index))}"
                self._record(desk.team, pod, owner, node, indices, plan.template.behaviour, now, end + 1)

    def _ask(self, desk: _Desk, now: float, *, epoch: float) -> None:
        while desk.next_at <= now:
            if len(desk.queue) >= LONGEST_QUEUE:
                desk.next_at = now + STEP_SECONDS
                return
            plan = plan_job(self.scenario, desk.team, desk.number, seed=self.scenario.seed)
            desk.number += 1
            desk.queue.append(plan)
            at_hours = (now - epoch) / 3600
            pause = hours_until_next(self.scenario, plan, at_hours=at_hours) * 3600 / busyness(now)
            desk.next_at += max(pause, STEP_SECONDS)

    def _start_waiting(self, now: float) -> None:
        # Whoever is furthest below its guarantee is served first.
        for desk in sorted(self.desks, key=lambda desk: desk.used / max(1, desk.team.guaranteed_gpus)):
            for plan in list(desk.queue):
                if self._is_within_ceilings(desk, plan) and self._start(desk, plan, now):
                    desk.queue.remove(plan)

    def _is_within_ceilings(self, desk: _Desk, plan: JobPlan) -> bool:
        department = self.department_of[desk.team.name]
        used = sum(other.used for other in self.desks if self.department_of[other.team.name] is department)
        ceiling = int(department.ceiling.get("nvidia.com/gpu", "1000000"))
        return desk.used + plan.gpus <= desk.team.ceiling_gpus and used + plan.gpus <= ceiling

    def _start(self, desk: _Desk, plan: JobPlan, now: float) -> bool:
        places = self.cards.take(plan.template.shape, plan.pods)
        if places is None:
            return False
        desk.used += plan.gpus
        ended_at = now + plan.running_hours * 3600
        self.running.append((ended_at, desk, places, plan.gpus))
        name = f"{plan.template.name}-{_suffix(desk.team.name, str(plan.number))}"
        for index, (node, indices) in enumerate(places):
            pod = f"{name}-{index}-{_suffix(name, str(index))}"
            self._record(desk.team, pod, ("Job", name), node, indices, plan.template.behaviour, now, ended_at)
        return True

    def _finish(self, now: float) -> None:
        for entry in [entry for entry in self.running if entry[0] <= now]:
            self.running.remove(entry)
            _, desk, places, gpus = entry
            self.cards.give(places)
            desk.used -= gpus

    def _record(
        self,
        team: Team,
        pod: str,
        owner: tuple[str, str],
        node: str,
        indices: tuple[int, ...],
        behaviour: Behaviour,
        started_at: float,
        ended_at: float,
    ) -> None:
        self.runs.append(
            PodRun(
                namespace=team.namespace,
                pod=pod,
                owner=owner,
                node=node,
                indices=indices,
                behaviour=behaviour,
                started_at=started_at,
                ended_at=ended_at,
            )
        )

    def _moment(self, now: float) -> Moment:
        return Moment(
            at=now,
            waiting_jobs={desk.team.name: len(desk.queue) for desk in self.desks},
            waiting_gpus={desk.team.name: sum(plan.gpus for plan in desk.queue) for desk in self.desks},
        )


def _free_cards(scenario: Scenario) -> dict[str, list[int]]:
    faults = scenario.faults
    out = {*faults.cordoned, *faults.not_ready}
    broken = {(fault.node, fault.gpu) for fault in faults.cards if fault.is_missing or fault.is_withdrawn}
    return {
        node: [index for index in range(pool.gpus_per_node) if (node, index) not in broken]
        for pool in scenario.pools
        if not pool.mig_profiles
        for node in pool.node_names
        if node not in out
    }


def _pools(scenario: Scenario) -> dict[str, str]:
    return {node: pool.name for pool in scenario.pools for node in pool.node_names}


def _rank(prefers: tuple[str, ...], pool: str) -> int:
    return prefers.index(pool) if pool in prefers else len(prefers)


def _suffix(*parts: str) -> str:
    """Five letters such as Kubernetes appends to pod names."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    number = int(seed_of(*parts) * len(letters) ** 5)
    return "".join(letters[number // len(letters) ** place % len(letters)] for place in range(5))
