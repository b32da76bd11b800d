"""Recorded decisions of Kueue's scheduler, as JSON lines: reading scenarios and replaying them.

The format, and how the recordings came about, is described with them (`tests/unit/quotas/kueue/README.md`). A *round* is one cycle
of the scheduler, a *pass* the rounds up to one that moves something; each pass begins afresh. Evicted work comes back as a new
workload with a number of its own, as pods recreated by a controller would.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from math import ceil
from typing import Any, Final

from aidashboard.kit.quantity import parse_quantity
from quotas.domain.engine import Engine
from quotas.domain.scheduling.scheduler import Scheduler
from quotas.domain.scheduling.spec import (
    CohortSpec,
    FlavorQuotas,
    ForestSpec,
    Fungibility,
    Options,
    PodSet,
    Policy,
    QueueingStrategy,
    QueueSpec,
    Quota,
    Reservation,
    ResourceGroup,
    Work,
    WorkState,
)

JsonObject = Mapping[str, Any]  # a scenario as json.loads gives it; the readers below name every key they take

MOST_PASSES: Final = 200
MOST_ROUNDS: Final = 50
AFTER_CREATIONS: Final = 10**9
"""Recordings number the work as it is created, and quota is reserved later than anything was created."""
MILLI: Final = 1000
RECREATED: Final = re.compile(r"-r\d+$")


def read_forest(scenario: JsonObject) -> ForestSpec:
    """Raises: KeyError or ValueError for a scenario of another form."""
    return ForestSpec(
        cohorts=tuple(_read_cohort(cohort) for cohort in scenario.get("cohorts") or ()),
        queues=tuple(_read_queue(queue) for queue in scenario["cqs"]),
    )


def _read_cohort(cohort: JsonObject) -> CohortSpec:
    return CohortSpec(
        name=cohort["name"],
        parent=cohort.get("parent") or None,
        groups=_read_groups(cohort),
        weight=float(parse_quantity(cohort.get("weight") or "1")),
    )


def _read_queue(queue: JsonObject) -> QueueSpec:
    return QueueSpec(
        name=queue["name"],
        parent=queue.get("parent") or None,
        groups=_read_groups(queue),
        weight=float(parse_quantity(queue.get("weight") or "1")),
        reclaim=Policy(queue.get("reclaim") or "Any"),
        within_queue=Policy(queue.get("within") or "Never"),
        borrow=Policy(queue.get("borrow") or "Never"),
        strategy=QueueingStrategy(queue.get("strategy") or QueueingStrategy.BEST_EFFORT_FIFO),
        when_can_borrow=Fungibility(queue.get("whenCanBorrow") or Fungibility.MAY_STOP_SEARCH),
        when_can_preempt=Fungibility(queue.get("whenCanPreempt") or Fungibility.TRY_NEXT_FLAVOR),
        prefers_preemption_over_borrowing=queue.get("preference") == "PreemptionOverBorrowing",
    )


def _read_groups(node: JsonObject) -> tuple[ResourceGroup, ...]:
    return tuple(
        ResourceGroup(
            flavors=tuple(
                FlavorQuotas(
                    flavor=flavor["name"],
                    quotas={resource: _read_quota(resource, limits) for resource, limits in flavor["res"].items()},
                )
                for flavor in group["flavors"]
            )
        )
        for group in node.get("groups") or ()
    )


def _read_quota(resource: str, limits: Sequence[str]) -> Quota:
    """One to three quantities: nominal, borrowing limit, lending limit; empty: none."""
    nominal, borrowing, lending = (*limits, "", "")[:3]
    return Quota(
        nominal=read_amount(resource, nominal),
        borrowing_limit=read_amount(resource, borrowing) if borrowing else None,
        lending_limit=read_amount(resource, lending) if lending else None,
    )


@lru_cache(maxsize=4096)
def read_amount(resource: str, quantity: str) -> int:
    """Rounded up to the unit of the resource, as Kueue does. Raises: QuantityError."""
    return ceil(parse_quantity(quantity) * (MILLI if resource == "cpu" else 1))


def read_work(entry: JsonObject, *, name: str, number: int) -> Work:
    """One workload of an `add` entry. Numbers give creation times and UIDs their order."""
    requests = {resource: read_amount(resource, quantity) for resource, quantity in entry["req"].items()}
    return Work(
        name=name,
        queue=entry["cq"],
        pod_sets=(PodSet(requests=requests),),
        created_at=number,
        uid=f"{number:012d}",
        priority=entry.get("prio") or 0,
    )


def name_of(recording: JsonObject) -> str:
    return str(recording["scenario"]["name"])


def replay_arrivals(recording: JsonObject) -> list[list[str]]:
    """What holds quota at rest after each arrival or event, in the product's mode: the state lives on, evicted work keeps name and age.

    Raises: KeyError or ValueError for a recording of another form.
    """
    work = [read_state(entry) for entry in recording.get("work") or ()]
    scenario = recording["scenario"]
    options = Options(fair_sharing=bool(scenario.get("fairSharing")))
    engine = Engine(read_forest(scenario), options, work=work, now=find_end(work))
    admitted = []
    for event in _list_events(recording):
        scenario = apply_event(engine, scenario, event)
        engine.settle()
        admitted.append(sorted(engine.admitted()))
    return admitted


def _list_events(recording: JsonObject) -> list[JsonObject]:
    """The events of the recording; an arrival is the submission of one workload of an `add` entry."""
    if "events" in recording:
        return list(recording["events"])
    entries = {
        f"{entry['cq']}.{entry['prefix']}": entry for step in recording["scenario"]["steps"] for entry in step["add"]
    }
    return [
        {"submit": {**entries[name.rsplit("-", 1)[0]], "name": name, "created": number, "uid": f"{number:012d}"}}
        for number, name in enumerate(recording["arrivals"], start=1)
    ]


def apply_event(engine: Engine, scenario: JsonObject, event: JsonObject) -> JsonObject:
    """Tell the engine one event; returns the scenario as it is afterwards. Raises: KeyError or ValueError for another form."""
    if "submit" in event:
        engine.submit(read_state(event["submit"]).work)
        return scenario
    if "finish" in event:
        engine.finish(event["finish"])
        return scenario
    changed = {**scenario}
    for kind in ("cohorts", "cqs"):
        nodes = {node["name"]: node for node in event["change"].get(kind) or ()}
        changed[kind] = [nodes.get(node["name"], node) for node in scenario.get(kind) or ()]
    engine.change(read_forest(changed))
    return changed


def read_state(entry: JsonObject) -> WorkState:
    """A workload as a recording of events holds it: with creation time and UID, and what it holds since when, if it does."""
    requests = {resource: read_amount(resource, quantity) for resource, quantity in entry["req"].items()}
    work = Work(
        name=entry["name"],
        queue=entry["cq"],
        pod_sets=(PodSet(requests=requests),),
        created_at=entry["created"],
        uid=entry["uid"],
        priority=entry.get("prio") or 0,
    )
    if "holds" not in entry:
        return WorkState(work=work, is_parked=bool(entry.get("parked")))
    usage = {
        (flavor, resource): read_amount(resource, quantity)
        for flavor, quantities in entry["holds"].items()
        for resource, quantity in quantities.items()
    }
    return WorkState(work=work, reservation=Reservation(usage=usage, reserved_at=entry["reserved"]))


def find_end(states: Iterable[WorkState]) -> int:
    """A time later than everything that has happened."""
    times = [0]
    for state in states:
        times += [state.work.created_at, state.reservation.reserved_at if state.reservation is not None else 0]
    return max(times) + 1


class Replay:
    """One scenario, step by step, on a scheduler that begins every pass afresh."""

    __slots__ = ("_entries", "_number", "_scenario", "_scheduler")

    def __init__(self, scenario: JsonObject) -> None:
        options = Options(
            fair_sharing=bool(scenario.get("fairSharing")), recomputes_overlaps=True, keeps_sticky_preemptors=False
        )
        self._scenario = scenario
        self._scheduler = Scheduler(read_forest(scenario), options)
        self._scheduler.now = AFTER_CREATIONS
        self._entries: dict[str, JsonObject] = {}
        self._number = 0

    def run(self) -> list[JsonObject]:
        """The decisions, one entry a step, in the form of the recordings."""
        decisions: list[JsonObject] = []
        for step in self._scenario["steps"]:
            for entry in step["add"]:
                for index in range(1, entry["count"] + 1):
                    self._submit(entry, f"{entry['cq']}/{entry['prefix']}-{index}")
            decisions.append({"cycles": list(self._settle()), "admitted_by_queue": self._count_admitted()})
        return decisions

    def _submit(self, entry: JsonObject, name: str) -> None:
        self._number += 1
        self._entries[name] = entry
        self._scheduler.submit(read_work(entry, name=name, number=self._number))

    def _settle(self) -> Iterator[JsonObject]:
        for _ in range(MOST_PASSES):
            moved = self._run_pass()
            if moved is None:
                return
            yield moved

    def _run_pass(self) -> JsonObject | None:
        self._scheduler.forget_progress()
        self._scheduler.release_all()
        self._scheduler.now += 1
        for _ in range(MOST_ROUNDS):
            cycles = [self._scheduler.run_cycle(record) for record in self._scheduler.forest.trees]
            admitted = sorted(nomination.workload.name for cycle in cycles for nomination in cycle.admitted)
            evicted = sorted({victim.name for cycle in cycles for (victim, _), _ in cycle.evicted})
            if admitted or evicted:
                for name in evicted:
                    self._recreate(name)
                return {"admit": admitted, "evict": evicted}
            if all(cycle.is_last for cycle in cycles):
                return None
        return None

    def _recreate(self, name: str) -> None:
        self._scheduler.finish(name)
        original = RECREATED.sub("", name)
        self._submit(self._entries[name], f"{original}-r{self._number + 1}")

    def _count_admitted(self) -> dict[str, int]:
        counts = {name: len(queue.holders) for name, queue in sorted(self._scheduler.forest.queues.items())}
        return {name: count for name, count in counts.items() if count}
