"""What Kueue will do: the public face of the quota engine.

Build an engine from a forest of queues and the work in it, tell it what happens, let it settle, and read what it decided and why.
It agrees with Kueue's scheduler decision by decision (`quotas.domain.replay` proves it on recordings); no I/O, no clock of its own.

    engine = Engine(spec, Options(fair_sharing=True))
    engine.submit(Work(name="train", queue="nlp", pod_sets=(PodSet(requests={"nvidia.com/gpu": 8}),), created_at=1, uid="1"))
    for decision in engine.settle().decisions: print(decision.why)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from quotas.domain.scheduling.explaining import Explanation, Shortfall, Standing, explain, find_lender
from quotas.domain.scheduling.nodes import TreeRecord
from quotas.domain.scheduling.nominations import Nomination
from quotas.domain.scheduling.scheduler import DuplicateWorkloadError, Scheduler, UnknownWorkloadError
from quotas.domain.scheduling.spec import (
    UNLIMITED,
    CohortSpec,
    FlavorQuotas,
    FlavorSpec,
    ForestSpec,
    Fungibility,
    NodeRequirement,
    Options,
    PodSet,
    Policy,
    QueueingStrategy,
    QueueSpec,
    Quota,
    Reservation,
    ResourceGroup,
    SpecError,
    StopPolicy,
    Taint,
    TaintEffect,
    Toleration,
    Work,
    WorkState,
)
from quotas.domain.scheduling.victims import Reason, Target

__all__ = [
    "UNLIMITED",
    "Admitted",
    "CohortSpec",
    "Decision",
    "DuplicateWorkloadError",
    "Engine",
    "Evicted",
    "Explanation",
    "FlavorQuotas",
    "FlavorSpec",
    "ForestSpec",
    "Fungibility",
    "NodeRequirement",
    "Options",
    "PodSet",
    "Policy",
    "QueueSpec",
    "QueueingStrategy",
    "Quota",
    "Reason",
    "Reservation",
    "ResourceGroup",
    "Settlement",
    "Shortfall",
    "SpecError",
    "Standing",
    "StopPolicy",
    "Taint",
    "TaintEffect",
    "Toleration",
    "UnknownWorkloadError",
    "Work",
    "WorkState",
]

MOST_ROUNDS: Final = 100_000
MOST_RETURNS: Final = 4
"""How often the same work may hold quota again after an eviction before this is called going round in circles. Kueue can: a workload
that straddles the guarantee of its queue is evicted whole, its room is lent again, and it takes that back."""
MOST_SCANS: Final = 64
"""Rounds in which heads that others only keep from their room go through their flavors, of which a group has no more than that. Kueue
would go through them again and again."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Work got quota. `level`: 0 from the queue's own, higher from farther away in the tree. `flavors` and `pods` per pod set.

    `lender`: the lowest cohort that holds the request within its own quota; empty when the queue itself does.
    """

    round: int
    workload: str
    queue: str
    level: int
    flavors: tuple[Mapping[str, str], ...]
    pods: tuple[int, ...]
    lender: str = ""

    @property
    def why(self) -> str:
        source = f"with quota borrowed within {self.lender}" if self.lender else "out of the queue's own quota"
        return f"{self.workload} is admitted in {self.queue}, {source}"


@dataclass(frozen=True, slots=True)
class Evicted:
    """Work lost its quota and waits again. `by` is empty when no workload asked for it."""

    round: int
    workload: str
    queue: str
    reason: Reason
    by: str = ""
    by_queue: str = ""

    @property
    def why(self) -> str:
        return f"{self.workload} of {self.queue} loses its quota: {_CAUSES[self.reason].format(by=self.by, queue=self.by_queue)}"


Decision = Admitted | Evicted

_CAUSES = {
    Reason.IN_QUEUE: "{by}, which goes before it in the same queue, needs it",
    Reason.RECLAMATION: "{by} takes back what is guaranteed to {queue}, or to a part of the tree that {queue} belongs to",
    Reason.WHILE_BORROWING: "{by} has the higher priority, and {queue} may evict even to borrow",
    Reason.FAIR_SHARING: "{by} needs it, and {queue} borrows the smaller share",
    Reason.QUEUE_STOPPED: "its queue is stopped and drained",
}


@dataclass(frozen=True, slots=True)
class Settlement:
    """What happened until nothing moved any more. `is_settled` False: it goes round in circles, or moved after the most rounds.

    `tried`: how often some workload was tried, the work that it took.
    """

    decisions: tuple[Decision, ...]
    rounds: int
    is_settled: bool
    tried: int

    @property
    def admitted(self) -> tuple[Admitted, ...]:
        return tuple(decision for decision in self.decisions if isinstance(decision, Admitted))

    @property
    def evicted(self) -> tuple[Evicted, ...]:
        return tuple(decision for decision in self.decisions if isinstance(decision, Evicted))


class Engine:
    """The queues of one cluster. `now` is in seconds, as `Work.created_at`. Rounds take no time, until what was set aside is tried again
    a second later; settling takes a second more."""

    __slots__ = ("_scheduler",)

    def __init__(
        self, spec: ForestSpec, options: Options | None = None, *, work: Iterable[WorkState] = (), now: int = 0
    ) -> None:
        """Raises: SpecError, DuplicateWorkloadError."""
        self._scheduler = Scheduler(spec, options or Options())
        self._scheduler.now = now
        for state in work:
            self._scheduler.restore(state)

    @property
    def spec(self) -> ForestSpec:
        return self._scheduler.forest.spec

    @property
    def now(self) -> int:
        return self._scheduler.now

    def advance(self, now: int) -> None:
        """Let time pass: what `Options.minimum_run` protected may be evicted now. Raises: ValueError for a time in the past."""
        if now < self._scheduler.now:
            raise ValueError(f"the time is {self._scheduler.now}, it can't go back to {now}")
        self._scheduler.now = now
        if self._scheduler.options.minimum_run:
            self._scheduler.release_all()

    def submit(self, work: Work) -> None:
        """Raises: DuplicateWorkloadError."""
        self._scheduler.submit(work)

    def finish(self, name: str) -> None:
        """Work that ended or was deleted. Raises: UnknownWorkloadError."""
        self._scheduler.finish(name)

    def change(self, spec: ForestSpec) -> None:
        """Other quotas, queues or flavors; lowering a quota evicts nobody. Raises: SpecError, and then nothing has changed."""
        self._scheduler.change(spec)

    def settle(self, most_rounds: int = MOST_ROUNDS) -> Settlement:
        """Run cycle after cycle until nothing moves, tree by tree: they have nothing to do with each other."""
        decisions: list[Decision] = list(self._drain())
        started_at, ended_at = self._scheduler.now, self._scheduler.now
        rounds, is_settled, tried = 0, True, self._scheduler.tried
        for record in self._scheduler.restless:
            self._scheduler.now = started_at
            taken, rests = self._settle_tree(record, decisions, most_rounds)
            ended_at = max(ended_at, self._scheduler.now)
            rounds, is_settled = rounds + taken, is_settled and rests
        self._scheduler.now = ended_at
        self._scheduler.pass_second()
        return Settlement(tuple(decisions), rounds, is_settled, self._scheduler.tried - tried)

    def _settle_tree(self, record: TreeRecord, decisions: list[Decision], most_rounds: int) -> tuple[int, bool]:
        """How many rounds it took, and whether nothing moves any more."""
        scheduler = self._scheduler
        holders, returns, scans = 0, Counter[int](), 0
        for number in range(1, most_rounds + 1):
            cycle = scheduler.run_cycle(record)
            moved = [nomination.workload.name for nomination in cycle.admitted]
            evicted = [one for one in cycle.evicted if not one[0][0].is_evicting]
            if moved or evicted:
                scans = 0
                decisions += [_describe_admission(number, nomination) for nomination in cycle.admitted]
                decisions += [_describe_eviction(number, target, nomination) for target, nomination in evicted]
                for name in sorted({victim.name for (victim, _), _ in evicted}):
                    scheduler.start_evicting(name)
            else:
                scans = 0 if cycle.has_parked else scans + 1
                if scans > MOST_SCANS:
                    scheduler.forget_scans()
                elif cycle.has_parked or cycle.has_flavors_left:
                    continue
                moved = victims = scheduler.finish_evicting(record)
                if not victims:
                    if not record.is_due:
                        scheduler.calm(record)
                        return number, True
                    scheduler.pass_second()
                    scheduler.release(record)
                    continue
            for name in moved:
                holders ^= hash(name)  # a name for who holds quota: equal when the same work does
            returns[holders] += not evicted and not cycle.admitted
            if returns[holders] > MOST_RETURNS:
                return number, False
        return most_rounds, False

    def explain(self, name: str) -> Explanation:
        """Where a workload stands, and what it lacks if it waits; changes nothing. Raises: UnknownWorkloadError."""
        return explain(self._scheduler, name)

    def admitted(self) -> frozenset[str]:
        """The names of the work that holds quota."""
        return frozenset(name for name, one in self._scheduler.workloads.items() if one.usage is not None)

    def states(self) -> Iterator[WorkState]:
        """Where everything stands; enough to build the same engine again."""
        return self._scheduler.states()

    def usage(self, node: str) -> Mapping[tuple[str, str], int]:
        """What a queue or cohort uses, by (flavor, resource); of a cohort what lies above its children's private parts.

        Raises: KeyError for a name that no queue or cohort has.
        """
        return self._scheduler.usage(node)

    def fork(self) -> Engine:
        """An independent copy, to try something on."""
        return Engine(self.spec, self._scheduler.options, work=self.states(), now=self.now)

    def _drain(self) -> Iterator[Evicted]:
        for workload in list(self._scheduler.drained()):
            self._scheduler.evict(workload.name)
            yield Evicted(0, workload.name, workload.queue.name, Reason.QUEUE_STOPPED)


def _describe_admission(number: int, nomination: Nomination) -> Admitted:
    assignment, workload = nomination.assignment, nomination.workload
    lender = find_lender(workload.queue, assignment.level)
    return Admitted(
        number, workload.name, workload.queue.name, assignment.level, assignment.flavors, assignment.counts, lender
    )


def _describe_eviction(number: int, target: Target, nomination: Nomination) -> Evicted:
    victim, reason = target
    by = nomination.workload
    return Evicted(number, victim.name, victim.queue.name, reason, by=by.name, by_queue=by.queue.name)
