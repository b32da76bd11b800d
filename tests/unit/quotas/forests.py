"""Queues, work and what became of it in few words, for tests of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quotas.domain.engine import (
    Admitted,
    CohortSpec,
    Decision,
    Engine,
    FlavorQuotas,
    ForestSpec,
    Options,
    PodSet,
    QueueSpec,
    Quota,
    ResourceGroup,
    Settlement,
    Work,
)

Limits = int | tuple[int | None, ...]
"""Nominal, then borrowing limit, then lending limit; None or nothing: no limit."""

Group = Limits | Mapping[str, Mapping[str, Limits]]
"""Per flavor and resource; plain limits are those of `gpu` in the one flavor `f`."""


def group(quotas: Group) -> ResourceGroup:
    if isinstance(quotas, int | tuple):
        quotas = {"f": {"gpu": quotas}}
    return ResourceGroup(
        flavors=tuple(
            FlavorQuotas(flavor=flavor, quotas={resource: quota(limits) for resource, limits in resources.items()})
            for flavor, resources in quotas.items()
        )
    )


def quota(limits: Limits) -> Quota:
    nominal, borrowing, lending = (*((limits,) if isinstance(limits, int) else limits), None, None)[:3]
    assert nominal is not None
    return Quota(nominal=nominal, borrowing_limit=borrowing, lending_limit=lending)


def queue(name: str, parent: str | None = None, *groups: Group, **options: Any) -> QueueSpec:  # fields of QueueSpec
    return QueueSpec(name=name, parent=parent, groups=tuple(group(one) for one in groups), **options)


def cohort(name: str, parent: str | None = None, *groups: Group, weight: float = 1.0) -> CohortSpec:
    return CohortSpec(name=name, parent=parent, groups=tuple(group(one) for one in groups), weight=weight)


def forest(*nodes: QueueSpec | CohortSpec, **others: Any) -> ForestSpec:  # fields of ForestSpec
    return ForestSpec(
        queues=tuple(node for node in nodes if isinstance(node, QueueSpec)),
        cohorts=tuple(node for node in nodes if isinstance(node, CohortSpec)),
        **others,
    )


class Scene:
    """An engine to which work comes in the order of the calls. Work is named `queue/k`, unless it is given a name."""

    def __init__(self, *nodes: QueueSpec | CohortSpec, flavors: tuple[Any, ...] = (), **options: Any) -> None:
        self.engine = Engine(forest(*nodes, flavors=flavors), Options(**options))
        self.number = 0

    def submit(self, queue: str, *sizes: int | Mapping[str, int] | PodSet | tuple[PodSet, ...], **fields: Any) -> None:
        """One workload per size: GPUs, requests, or pod sets; `fields` are those of `Work`."""
        for size in sizes:
            self.number += 1
            values: dict[str, Any] = {
                "name": f"{queue}/{self.number}",
                "created_at": self.number,
                "uid": f"{self.number:06d}",
                "pod_sets": pod_sets(size),
            }
            self.engine.submit(Work(queue=queue, **(values | fields)))

    def settle(self) -> list[str]:
        """What was decided, per round: `+` admitted, `-` evicted, in the order of their names."""
        settlement = self.engine.settle()
        assert settlement.is_settled
        return show(settlement)

    def run(
        self, queue: str, *sizes: int | Mapping[str, int] | PodSet | tuple[PodSet, ...], **fields: Any
    ) -> list[str]:
        """Submit and settle."""
        self.submit(queue, *sizes, **fields)
        return self.settle()

    def change(self, *nodes: QueueSpec | CohortSpec, flavors: tuple[Any, ...] = ()) -> list[str]:
        self.engine.change(forest(*nodes, flavors=flavors))
        return self.settle()

    def admitted(self) -> str:
        return " ".join(sorted(self.engine.admitted()))


def pod_sets(size: int | Mapping[str, int] | PodSet | tuple[PodSet, ...]) -> tuple[PodSet, ...]:
    if isinstance(size, int):
        size = {"gpu": size}
    if isinstance(size, Mapping):
        size = PodSet(requests=size)
    return size if isinstance(size, tuple) else (size,)


def show(settlement: Settlement) -> list[str]:
    rounds: dict[int, list[str]] = {}
    for decision in settlement.decisions:
        rounds.setdefault(decision.round, []).append(mark(decision))
    return [" ".join(sorted(names)) for names in rounds.values()]


def mark(decision: Decision) -> str:
    return ("+" if isinstance(decision, Admitted) else "-") + decision.workload


def holders(engine: Engine) -> Iterable[tuple[str, Mapping[tuple[str, str], int]]]:
    """(queue, usage) of all work that holds quota."""
    for state in engine.states():
        if state.reservation is not None:
            yield state.work.queue, state.reservation.usage


def pods(*requests: Mapping[str, int]) -> tuple[PodSet, ...]:
    """Several pod sets of one pod each, by their requests."""
    return tuple(PodSet(name=f"set{index}", requests=one) for index, one in enumerate(requests))
