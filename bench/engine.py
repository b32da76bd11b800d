"""How fast the quota engine decides: a large cluster to rest, single events into it, what-ifs, and how the cost grows.

Two loads. *Kueue's*: that of Kueue's own large-scale performance test, equal queues with 35 small, 10 medium and 5 large workloads each;
everything is submitted at once, and what holds quota finishes until all has run (Kueue needs about 1,200 s for it). *Mixed*: every
workload asks for something else, three resources, six priorities, arriving in ten waves, so that borrowing and reclaim never stop.
The peer in the same run is the usual way to answer a what-if: copy the state, then try.
"""

from __future__ import annotations

import gc
import random
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from bench.figures import Figure, percentile
from quotas.domain.engine import (
    CohortSpec,
    Engine,
    FlavorQuotas,
    ForestSpec,
    Options,
    PodSet,
    Policy,
    QueueSpec,
    Quota,
    ResourceGroup,
    Settlement,
    Work,
)
from quotas.domain.replay import main as replay

RECORDINGS = Path("tests/unit/quotas/kueue")
GPU = "nvidia.com/gpu"
KUEUE_KINDS = (
    ("small", 35, 1_000, 50),
    ("medium", 10, 5_000, 100),
    ("large", 5, 20_000, 200),
)  # count, milli-cpu, priority
WAVES = 10
EVENTS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`depth`: cohorts between a queue and its root, the root included."""

    cohorts: int = 10
    queues: int = 100
    workloads: int = 50
    depth: int = 1

    def __str__(self) -> str:
        return f"{self.cohorts * self.queues} queues, {self.cohorts * self.queues * self.workloads} workloads"


@dataclass(slots=True)
class Tally:
    decisions: int = 0
    evictions: int = 0
    circles: int = 0

    def count(self, settlement: Settlement) -> None:
        self.decisions += len(settlement.decisions)
        self.evictions += len(settlement.evicted)
        self.circles += not settlement.is_settled


def build_forest(size: Size, quotas: dict[str, Quota]) -> ForestSpec:
    """Cohorts side by side, each with its queues at the bottom of a chain of `depth`."""
    group = ResourceGroup(flavors=(FlavorQuotas(flavor="default", quotas=quotas),))
    cohorts: list[CohortSpec] = []
    queues: list[QueueSpec] = []
    for number in range(size.cohorts):
        parent: str | None = None
        for level in range(size.depth):
            cohorts.append(CohortSpec(name=f"cohort-{number}-{level}", parent=parent))
            parent = cohorts[-1].name
        queues += [
            QueueSpec(
                name=f"queue-{number}-{index}",
                parent=parent,
                groups=(group,),
                reclaim=Policy.ANY,
                within_queue=Policy.LOWER_PRIORITY,
            )
            for index in range(size.queues)
        ]
    return ForestSpec(queues=tuple(queues), cohorts=tuple(cohorts))


def build_kueue_load(size: Size) -> tuple[ForestSpec, list[Work]]:
    forest = build_forest(size, {"cpu": Quota(nominal=20_000, borrowing_limit=100_000)})
    wanted = [
        (queue.name, f"{kind}-{index}", {"cpu": cpu}, priority)
        for queue in forest.queues
        for kind, count, cpu, priority in KUEUE_KINDS
        for index in range(count)
    ]
    return forest, number_work(wanted)


def build_mixed_load(size: Size) -> tuple[ForestSpec, list[Work]]:
    draw = random.Random(1)
    limits = {"cpu": 128_000, "memory": 512, GPU: 8}  # GPUs are what is scarce
    forest = build_forest(
        size, {name: Quota(nominal=amount, borrowing_limit=4 * amount) for name, amount in limits.items()}
    )
    wanted = []
    for queue in forest.queues:
        for index in range(size.workloads):
            gpus = draw.choice((0, 1, 1, 1, 2, 2, 4, 8, 8, 16))
            cpus = gpus * 4 + draw.randrange(1, 5)
            requests = {"cpu": cpus * 1_000, "memory": cpus * 4, GPU: gpus}
            wanted.append((queue.name, str(index), requests, draw.choice((0, 0, 0, 0, 50, 100))))
    return forest, number_work(wanted)


def number_work(wanted: list[tuple[str, str, dict[str, int], int]]) -> list[Work]:
    """Created one after the other; their UIDs, which decide between what came in the same second, are in no order."""
    draw = random.Random(2)
    draw.shuffle(wanted)
    return [
        Work(
            name=f"{queue}/{name}",
            queue=queue,
            pod_sets=(PodSet(requests=requests),),
            priority=priority,
            created_at=number,
            uid=f"{draw.getrandbits(128):032x}",
        )
        for number, (queue, name, requests, priority) in enumerate(wanted)
    ]


def measure() -> Iterator[Figure]:
    yield from measure_recordings()
    for is_fair in (False, True):
        mode = "fair sharing" if is_fair else "classical"
        yield from measure_run_out(mode, is_fair=is_fair)
        yield from measure_waves(mode, is_fair=is_fair)
        yield from measure_what_if(mode, is_fair=is_fair)
    yield Figure(name="largest memory of all runs", value=read_memory(), unit="MB", target=500)
    yield from measure_growth()


def measure_recordings() -> Iterator[Figure]:
    started = time.perf_counter()
    failed = sum(
        replay(["--check", str(RECORDINGS / f"{name}.jsonl")]) for name in ("named", "classical", "fair-sharing")
    )
    failed += replay(["--arrivals", "--check", str(RECORDINGS / "arrivals.jsonl")])
    yield Figure(name="files of recordings that differ", value=failed, unit="files", target=0)
    yield Figure(name="all recordings", value=time.perf_counter() - started, unit="s")


def measure_run_out(mode: str, *, is_fair: bool) -> Iterator[Figure]:
    """Kueue's load: everything at once, finishing wave by wave until all has run."""
    size, tally = Size(), Tally()
    forest, work = build_kueue_load(size)
    engine = Engine(forest, Options(fair_sharing=is_fair))
    started = time.perf_counter()
    for one in work:
        engine.submit(one)
    tally.count(engine.settle())
    yield Figure(
        name=f"{mode}: Kueue's load, {size}, to rest", value=time.perf_counter() - started, unit="s", target=60
    )
    finished = 0
    while running := engine.admitted():
        for name in running:
            engine.finish(name)
        finished += len(running)
        tally.count(engine.settle())
    seconds = time.perf_counter() - started
    if finished != len(work):
        raise AssertionError(f"{finished} of {len(work)} workloads ran")
    yield Figure(name=f"{mode}: ... until all of it has run", value=seconds, unit="s", target=60)
    yield Figure(name=f"{mode}: ... decisions per second", value=tally.decisions / seconds, unit="/s")


def measure_waves(mode: str, *, is_fair: bool) -> Iterator[Figure]:
    """The mixed load in ten waves, and single events into what is then there."""
    size, tally = Size(), Tally()
    forest, work = build_mixed_load(size)
    engine = Engine(forest, Options(fair_sharing=is_fair))
    started = time.perf_counter()
    for wave in range(WAVES):
        for one in work[wave::WAVES]:
            engine.submit(one)
        tally.count(engine.settle())
    seconds = time.perf_counter() - started
    yield Figure(name=f"{mode}: mixed load, {size}, to rest", value=seconds, unit="s", target=60)
    yield Figure(name=f"{mode}: ... decisions per second", value=tally.decisions / seconds, unit="/s")
    yield Figure(name=f"{mode}: ... evictions among them", value=tally.evictions, unit="")
    yield Figure(name=f"{mode}: ... waves that went round in circles", value=tally.circles, unit="")
    gc.collect()
    milliseconds = [timed * 1000 for timed, _ in time_events(engine, EVENTS)]
    yield Figure(name=f"{mode}: one event into it, median", value=percentile(milliseconds, 0.5), unit="ms", target=50)
    yield Figure(name=f"{mode}: one event into it, mean", value=fmean(milliseconds), unit="ms")
    yield Figure(name=f"{mode}: one event into it, p95", value=percentile(milliseconds, 0.95), unit="ms")


def time_events(engine: Engine, count: int) -> Iterator[tuple[float, Settlement]]:
    """Seconds and outcome of single events: a workload finishes, one comes, a Min changes, in turn."""
    draw = random.Random(3)
    for number in range(count):
        event = choose_event(engine, draw, number)
        started = time.perf_counter()
        event()
        settlement = engine.settle()
        yield time.perf_counter() - started, settlement


def choose_event(engine: Engine, draw: random.Random, number: int) -> Callable[[], None]:
    forest = engine.spec
    position = draw.randrange(len(forest.queues))
    queue = forest.queues[position]
    if number % 3 == 0:
        running = draw.choice(sorted(engine.admitted()))
        return lambda: engine.finish(running)
    quotas = queue.groups[0].flavors[0].quotas
    if number % 3 == 1:
        requests = {name: max(1, quota.nominal // 4) for name, quota in quotas.items()}
        work = Work(
            name=f"event-{number}",
            queue=queue.name,
            pod_sets=(PodSet(requests=requests),),
            priority=draw.choice((0, 50)),
            created_at=10**7 + number,
            uid=f"event-{number}",
        )
        return lambda: engine.submit(work)
    changed = {name: replace(quota, nominal=quota.nominal * draw.choice((3, 5)) // 4) for name, quota in quotas.items()}
    groups = (ResourceGroup(flavors=(FlavorQuotas(flavor="default", quotas=changed),)),)
    queues = (*forest.queues[:position], replace(queue, groups=groups), *forest.queues[position + 1 :])
    return lambda: engine.change(replace(forest, queues=queues))


def measure_what_if(mode: str, *, is_fair: bool) -> Iterator[Figure]:
    """What a page asks while somebody drags a node: copy the state, change one Min, run to rest."""
    engine = settle_mixed(Size(cohorts=1, queues=100, workloads=10), is_fair=is_fair)
    gc.collect()
    gc.freeze()  # as a service does once it has started: what it has loaded is not searched for garbage again
    milliseconds, copies = [], []
    for number in range(20):
        started = time.perf_counter()
        copy = engine.fork()
        copies.append((time.perf_counter() - started) * 1000)
        choose_event(copy, random.Random(number), 2)()
        copy.settle()
        milliseconds.append((time.perf_counter() - started) * 1000)
    gc.unfreeze()
    name = f"{mode}: what-if, 100 queues, 1000 workloads"
    yield Figure(name=f"{name}, median", value=percentile(milliseconds, 0.5), unit="ms", target=100)
    yield Figure(name=f"{name}, p95", value=percentile(milliseconds, 0.95), unit="ms", target=100)
    yield Figure(name=f"{name}, of which copying (the peer's floor)", value=percentile(copies, 0.5), unit="ms")


def measure_growth() -> Iterator[Figure]:
    """What one event costs when one thing grows. What it changes is what is tried because of it: all that waits in its tree, again and
    again as work moves."""
    base = Size(cohorts=1, queues=20, workloads=20)
    for name, size in (
        ("base", base),
        ("10 times the trees", replace(base, cohorts=10)),
        ("10 times the queues of the tree", replace(base, queues=200)),
        ("10 times the workloads", replace(base, workloads=200)),
        ("4 times the depth", replace(base, depth=4)),
    ):
        engine = settle_mixed(size)
        copying = time.perf_counter()
        engine.fork()
        copying = time.perf_counter() - copying
        events = list(time_events(engine, EVENTS))
        seconds, tried = sum(timed for timed, _ in events), sum(settlement.tried for _, settlement in events)
        yield Figure(name=f"one event, {name} ({size}), mean", value=seconds / EVENTS * 1000, unit="ms")
        yield Figure(name="  workloads tried for it", value=tried / EVENTS, unit="")
        yield Figure(name="  per workload tried", value=seconds / tried * 1e6, unit="us")
        yield Figure(name="  peer: copying that state first would add", value=copying * 1000, unit="ms")


def settle_mixed(size: Size, *, is_fair: bool = False) -> Engine:
    forest, work = build_mixed_load(size)
    engine = Engine(forest, Options(fair_sharing=is_fair))
    for wave in range(WAVES):
        for one in work[wave::WAVES]:
            engine.submit(one)
        engine.settle()
    return engine


def read_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
