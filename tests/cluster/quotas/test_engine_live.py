"""The engine predicts what a running Kueue does, victim by victim. Written up in docs/apps/quotas.md, "Agreement with a running Kueue".

Random trees live side by side in one cluster, each with roots and queues of its own and real Jobs. The trees and events are the same in
every run, unless ENGINE_SEED gives another number, or `random`.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from quotas.domain.engine import Engine, ForestSpec
from quotas.domain.replay import main as replay
from quotas.domain.scheduling.scheduler import Scheduler
from quotas.domain.vectors import read_forest as read_scenario
from sandbox.cluster import Sandbox
from tests.cluster.conftest import TestNamespace
from tests.cluster.quotas.live_cluster import PATIENT_SECONDS, SURE_SECONDS, LiveCluster, LiveState, RestlessError
from tests.cluster.quotas.live_prediction import Outcome, describe, find_ends, find_moves, is_restless, predict, record
from tests.cluster.quotas.live_promises import find_broken_promises
from tests.cluster.quotas.live_trees import (
    Json,
    LiveTree,
    build_flavors,
    build_priorities,
    build_tree,
    make_tree,
)

TREES = int(os.environ.get("ENGINE_TREES", "16"))
EVENTS = int(os.environ.get("ENGINE_EVENTS", "3"))
FIRST_JOBS = 4
BURST_JOBS = 6
SEED = os.environ.get("ENGINE_SEED") or "1"
if SEED == "random":
    SEED = str(random.SystemRandom().randrange(10**6))


@dataclass(slots=True)
class Tally:
    """What was compared in one tree. `circles`: it never rests, and the engine knew; `races`: what chance decides, or did not come
    again; `agreed`: what was predicted, as lines for replay; `differences`: files of such lines."""

    events: int = 0
    evictions: int = 0
    bursts: int = 0
    promises: int = 0
    agreed: list[Json] = field(default_factory=list)
    circles: list[str] = field(default_factory=list)
    races: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def call_chance(self) -> None:
        """The same tree was lived through once more, and everything agreed."""
        self.races += [f"once in two: {line}" for line in self.differences]
        self.differences = []


@pytest.mark.parametrize("is_fair", [False, True], ids=["classical", "fair"])
def test_the_engine_and_a_running_kueue_agree(
    sandbox: Sandbox, namespace: TestNamespace, tmp_path: Path, is_fair: bool
):
    print(f"ENGINE_SEED={SEED}")  # noqa: T201
    started = time.monotonic()
    mode = "fair" if is_fair else "classical"
    with using_mode(sandbox, is_fair=is_fair):
        namespace.apply(*build_flavors(namespace.name), *build_priorities(namespace.name))
        tallies = live_through(namespace, tmp_path, mode, range(TREES))
        doubtful = [number for number, tally in enumerate(tallies) if tally.differences]
        for number, again in zip(
            doubtful, live_through(namespace, tmp_path, mode, doubtful, name="again"), strict=True
        ):
            if not again.differences:
                tallies[number].call_chance()
    report(mode, tallies, seconds=time.monotonic() - started)
    # The files that a difference would be written to are read as they should be: everything that agreed does so there, too.
    agreed = write(tmp_path / f"{mode}.jsonl", [line for tally in tallies for line in tally.agreed])
    assert replay(["--arrivals", "--check", str(agreed)]) == 0
    differences = [line for tally in tallies for line in tally.differences]
    assert not differences, f"ENGINE_SEED={SEED}\n" + "\n".join(differences)


def live_through(
    namespace: TestNamespace, folder: Path, mode: str, numbers: Sequence[int], *, name: str = ""
) -> list[Tally]:
    """The stories of these trees, side by side. `name` sets those apart that are told once more."""
    prefix = f"{namespace.name[2:6]}{mode[0]}{name}"
    trees = [
        make_tree(f"{prefix}{number}", seed=f"{SEED}-{mode}-{number}", is_fair=mode == "fair", namespace=namespace.name)
        for number in numbers
    ]
    if not trees:
        return []
    namespace.apply(*(item for tree in trees for item in build_tree(tree, namespace=namespace.name)))
    with (
        LiveCluster(namespace.sandbox.api, namespace.name) as cluster,
        ThreadPoolExecutor(len(trees)) as threads,
    ):
        return list(threads.map(lambda tree: Story(cluster, tree, folder).run(), trees))


@contextmanager
def using_mode(sandbox: Sandbox, *, is_fair: bool) -> Iterator[None]:
    """Kueue in the mode asked for, and afterwards as it was."""
    before = sandbox.fair_sharing
    if is_fair != before:
        sandbox.use_fair_sharing(is_fair)
    try:
        yield
    finally:
        if is_fair != before:
            sandbox.use_fair_sharing(before)


def report(mode: str, tallies: list[Tally], *, seconds: float) -> None:
    circles, races = ([line for tally in tallies for line in getattr(tally, kind)] for kind in ("circles", "races"))
    told = (
        f"{mode}: {len(tallies)} trees, {sum(one.events for one in tallies)} single events, "
        f"{sum(one.evictions for one in tallies)} evictions, {sum(one.bursts for one in tallies)} bursts "
        f"({sum(one.promises for one in tallies)} with all promises looked after), "
        f"{len(circles)} circles, {len(races)} races, {sum(len(one.differences) for one in tallies)} differences, {seconds:.0f} s"
    )
    print("\n".join([told, *circles, *races]))  # noqa: T201


class Story:
    """What happens in one tree, and what the engine says about it."""

    def __init__(self, cluster: LiveCluster, tree: LiveTree, folder: Path) -> None:
        self.cluster = cluster
        self.tree = tree
        self.folder = folder
        self.tally = Tally()

    def run(self) -> Tally:
        try:
            self._live()
        except RestlessError as error:
            self._note_restless(str(error))
        except Exception:
            self.tally.differences.append(f"{self.tree.name}: {traceback.format_exc()}")
        return self.tally

    def _live(self) -> None:
        state = self.cluster.read(self.tree)
        self._expect(
            as_written(self.tree) == (state.forest.queues, state.forest.cohorts), "the cluster has other trees"
        )
        for _ in range(FIRST_JOBS):  # a second apart: Kueue keeps no finer creation times
            self.cluster.submit(self.tree, self.tree.make_job(is_early=True))
            time.sleep(1.1)
        self._rest_after_burst()
        for _ in range(EVENTS):
            self._single_event()
        for _ in range(BURST_JOBS):
            self.cluster.submit(self.tree, self.tree.make_job())
        self.cluster.change(self.tree, self.tree.change(may_lower=False))
        self._rest_after_burst()

    def _note_restless(self, complaint: str) -> None:
        """Kueue goes round in circles, and the engine must say so, too; or it took many turns, and has come to rest by now."""
        moments = [self.cluster.read(self.tree)]
        deadline = time.monotonic() + 2 * SURE_SECONDS
        while not (is_at_rest := self.cluster.quiet_seconds(self.tree) >= SURE_SECONDS) and time.monotonic() < deadline:
            time.sleep(0.5)
            moments.append(self.cluster.read(self.tree))
        for job in self.tree.jobs.values():
            self.cluster.delete(self.tree, job)
        path = self.folder / f"{self.tree.name}-restless.jsonl"
        scenario = copy.deepcopy(self.tree.scenario)
        write(path, [record(scenario, moment, {"change": {}}, moment.holders) for moment in moments])
        if is_at_rest:
            self.tally.bursts += 1
            moves = find_moves(moments[-1], is_fair=self.tree.is_fair)
            if moves:
                self.tally.differences.append(f"{path}: {complaint}, and rests where the engine does not: {moves}")
        elif is_restless(moments, is_fair=self.tree.is_fair):
            self.tally.circles.append(f"{path}: {complaint}, and the engine says that it will go on")
        else:
            # A tree that does not rest can't be compared; what the engine makes of it is printed, to be looked into.
            self.tally.races.append(
                f"{path}: {complaint}, and from none of {len(moments)} moments the engine goes on for ever"
            )

    # --- one event

    def _single_event(self) -> None:
        tree, pick = self.tree, self.tree.random
        before = self.cluster.read(tree)
        self.cluster.take_evicted(tree)
        scenario = copy.deepcopy(tree.scenario)
        kind = pick.choice(("submit", "submit", "submit", "finish", "change", "change"))
        if kind == "finish" and before.works:
            event, work = self._end_work(before)
            self.cluster.wait_for_rest(tree, is_seen=lambda: self.cluster.is_gone(work))
        elif kind == "change":
            node = tree.change()
            event = {"change": {"cqs" if "reclaim" in node else "cohorts": [copy.deepcopy(node)]}}
            self.cluster.change(tree, node)
            self.cluster.wait_for_rest(tree)
        else:
            job = tree.make_job()
            self.cluster.submit(tree, job)
            self.cluster.wait_for_rest(tree, is_seen=lambda: self.cluster.find(job) is not None)
            event = {"submit": job.name}
        self._compare(scenario, before, event)

    def _end_work(self, before: LiveState) -> tuple[Json, str]:
        """What holds quota mostly finishes; what waits can only be deleted."""
        pick = self.tree.random
        works = sorted((one for one in before.works), key=lambda one: one.work.created_at)
        holders = [one for one in works if one.reservation is not None]
        chosen = pick.choice(holders if holders and pick.random() < 0.8 else works)
        job = next(job for job in self.tree.jobs.values() if self.cluster.find(job) == chosen.work.name)
        if chosen.reservation is not None and pick.random() < 0.5:
            self.cluster.complete(self.tree, job)
        else:
            self.cluster.delete(self.tree, job)
        return {"finish": chosen.work.name}, chosen.work.name

    def _compare(self, scenario: Json, before: LiveState, event: Json) -> None:
        after = self.cluster.read(self.tree)
        event = self._complete(event, after)

        def happen(engine: Engine | Scheduler) -> None:
            apply(engine, event, after)

        expected = predict(before, happen, is_fair=self.tree.is_fair)
        evicted = self.cluster.take_evicted(self.tree)
        if Outcome(holders=after.holders, evicted=evicted) != expected:
            # Perhaps it was not at rest yet.
            self.cluster.wait_for_rest(self.tree, quiet_seconds=PATIENT_SECONDS)
            after = self.cluster.read(self.tree)
            evicted |= self.cluster.take_evicted(self.tree)
        self.tally.events += 1
        self.tally.evictions += len(evicted)
        found = Outcome(holders=after.holders, evicted=evicted)
        line = record(scenario, before, event, after.holders)
        if found == expected:
            self.tally.agreed.append(line)
            return
        path = write(self.folder / f"{self.tree.name}-{self.tally.events}.jsonl", [line])
        told = (
            f"{path}: {json.dumps(event)}; Kueue holds {tell(found.holders - expected.holders)} and the engine "
            f"{tell(expected.holders - found.holders)}; Kueue evicted {tell(found.evicted)}, the engine {tell(expected.evicted)}"
        )
        if not expected.is_settled and not find_moves(after, is_fair=self.tree.is_fair):
            # By turns, without end, if victims left at once; Kueue's leave one by one, and one of these moments was a way out.
            self.tally.circles.append(f"{told}; the engine goes round in circles, and would rest where Kueue does")
            return
        ends = find_ends(before, happen, is_fair=self.tree.is_fair)
        if len(ends) > 1 and found in ends:
            self.tally.races.append(told)
        else:
            self.tally.differences.append(f"{told}; {len(ends)} ends")

    def _complete(self, event: Json, after: LiveState) -> Json:
        """A submission with what only the cluster knows: the creation time and the UID."""
        if "submit" not in event:
            return event
        name = self.cluster.find(self.tree.jobs[event["submit"]])
        state = next(one for one in after.works if one.work.name == name)
        entry = describe(state)
        return {"submit": {key: value for key, value in entry.items() if key not in {"holds", "reserved", "parked"}}}

    # --- many events

    def _rest_after_burst(self) -> None:
        tree = self.tree
        self.cluster.wait_for_rest(
            tree, is_seen=lambda: all(self.cluster.find(job) for job in list(tree.jobs.values())[-BURST_JOBS:])
        )
        state = self.cluster.read(tree)
        moves = find_moves(state, is_fair=tree.is_fair)
        if moves:
            self.cluster.wait_for_rest(tree, quiet_seconds=PATIENT_SECONDS)
            state = self.cluster.read(tree)
            moves = find_moves(state, is_fair=tree.is_fair)
        self.tally.bursts += 1
        self._expect(not moves, f"after a burst the engine still moves: {moves}", state)
        if not tree.has_lowered:
            broken = find_broken_promises(state)
            self.tally.promises += 1
            self._expect(not broken, f"after a burst: {broken}", state)

    def _expect(self, is_true: bool, complaint: str, state: LiveState | None = None) -> None:
        if is_true:
            return
        path = self.folder / f"{self.tree.name}-{self.tally.events}-burst.jsonl"
        if state is not None:
            write(path, [record(self.tree.scenario, state, {"change": {}}, state.holders)])
        self.tally.differences.append(f"{path}: {complaint}")


def write(path: Path, lines: list[Json]) -> Path:
    """A file for `python -m quotas.domain.replay --arrivals`."""
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def apply(engine: Engine | Scheduler, event: Json, after: LiveState) -> None:
    if "submit" in event:
        engine.submit(next(one.work for one in after.works if one.work.name == event["submit"]["name"]))
    elif "finish" in event:
        engine.finish(event["finish"])
    else:
        engine.change(after.forest)


def as_written(tree: LiveTree) -> tuple[object, object]:
    forest: ForestSpec = read_scenario(tree.scenario)
    return tuple(sorted(forest.queues, key=lambda one: one.name)), tuple(
        sorted(forest.cohorts, key=lambda one: one.name)
    )


def tell(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
