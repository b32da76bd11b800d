"""Recorded decisions of Kueue's scheduler, as JSON lines: reading scenarios and replaying them.

The format, and how the recordings came about, is described with them (`tests/unit/quotas/kueue/README.md`). A *round* is one cycle
of the scheduler, a *pass* the rounds up to one that moves something; each pass begins afresh. Evicted work comes back as a new
workload with a number of its own, as pods recreated by a controller would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aidashboard.kit.quantity import parse_quantity
from quotas.domain.engine import Engine
from quotas.domain.scheduling.scheduler import Scheduler
from quotas.domain.scheduling.spec import (
    CohortSpec,
    FlavorQuotas,
    ForestSpec,
    Options,
    PodSet,
    Policy,
    QueueSpec,
    Quota,
    ResourceGroup,
    Work,
)

JsonObject = Mapping[str, Any]  # a scenario as json.loads gives it; the readers below name every key they take

MOST_PASSES: Final = 200
MOST_ROUNDS: Final = 50
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


def read_amount(resource: str, quantity: str) -> int:
    return int(quantity) * (MILLI if resource == "cpu" else 1)


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
    """What holds quota at rest after each arrival, in the product's mode: the state lives on, evicted work keeps name and age.

    Raises: KeyError or ValueError for a recording of another form.
    """
    scenario = recording["scenario"]
    entries = {f"{entry['cq']}.{entry['prefix']}": entry for step in scenario["steps"] for entry in step["add"]}
    engine = Engine(read_forest(scenario), Options(fair_sharing=bool(scenario.get("fairSharing"))))
    admitted = []
    for number, name in enumerate(recording["arrivals"], start=1):
        engine.submit(read_work(entries[name.rsplit("-", 1)[0]], name=name, number=number))
        engine.settle()
        admitted.append(sorted(engine.admitted()))
    return admitted


class Replay:
    """One scenario, step by step, on a scheduler that begins every pass afresh."""

    __slots__ = ("_entries", "_number", "_scenario", "_scheduler")

    def __init__(self, scenario: JsonObject) -> None:
        options = Options(fair_sharing=bool(scenario.get("fairSharing")), keeps_sticky_preemptors=False)
        self._scenario = scenario
        self._scheduler = Scheduler(read_forest(scenario), options)
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
            cycle = self._scheduler.run_cycle()
            admitted = sorted(nomination.workload.name for nomination in cycle.admitted)
            evicted = sorted({victim.name for (victim, _), _ in cycle.evicted})
            if admitted or evicted:
                for name in evicted:
                    self._recreate(name)
                return {"admit": admitted, "evict": evicted}
            if not cycle.has_parked:
                return None
        return None

    def _recreate(self, name: str) -> None:
        self._scheduler.finish(name)
        original = RECREATED.sub("", name)
        self._submit(self._entries[name], f"{original}-r{self._number + 1}")

    def _count_admitted(self) -> dict[str, int]:
        counts = {name: len(queue.holders) for name, queue in sorted(self._scheduler.forest.queues.items())}
        return {name: count for name, count in counts.items() if count}
