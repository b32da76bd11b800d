"""What holds for the engine whatever the trees and whatever happens: limits, guarantees, accounts, and answers that can be repeated."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quotas.domain.engine import (
    Admitted,
    CohortSpec,
    Decision,
    Engine,
    Evicted,
    FlavorQuotas,
    ForestSpec,
    Fungibility,
    Options,
    PodSet,
    Policy,
    QueueingStrategy,
    QueueSpec,
    Quota,
    ResourceGroup,
    Settlement,
    Work,
    WorkState,
)
from quotas.domain.scheduling.judging import Judge
from tests.unit.quotas.accounts import Accounts, Pair
from tests.unit.quotas.forests import forest, holders, mark, queue

quickly = settings(deadline=None, max_examples=80)

FLAVORS, RESOURCES = ("f1", "f2"), ("cpu", "gpu")
MOST_ROUNDS = 300
seeds = st.integers(0, 2**32)


class Dice:
    """A forest, and things that happen to it. Thrown from a seed: a forest is hundreds of small choices, too many to draw singly."""

    def __init__(self, seed: int, *, is_product: bool = False, prefix: str = "") -> None:
        self.random = random.Random(seed)
        self.is_product = is_product
        self.prefix = prefix
        self.number = 0
        self.flavors = FLAVORS[: 1 if is_product else self.random.randint(1, 2)]
        self.resources = RESOURCES[: self.random.randint(1, 2)]

    def forest(self) -> ForestSpec:
        cohorts: list[CohortSpec] = []
        depths: dict[str, int] = {}
        for index in range(self.random.randint(1, 5)):
            parents = [one.name for one in cohorts if depths[one.name] < 3]
            parent = self.random.choice(parents) if parents and self.random.random() < 0.8 else None
            name = f"{self.prefix}c{index}"
            depths[name] = 0 if parent is None else depths[parent] + 1
            groups = self.groups(parent) if self.random.random() < 0.7 else ()
            cohorts.append(CohortSpec(name=name, parent=parent, groups=groups, weight=self.weight()))
        queues = [
            self.queue(f"{self.prefix}q{index}", self.random.choice(cohorts).name)
            for index in range(self.random.randint(2, 6))
        ]
        if self.random.random() < 0.3:
            queues.append(self.queue(f"{self.prefix}alone", None))
        if self.random.random() < 0.3:
            queues.append(self.queue(f"{self.prefix}stray", f"{self.prefix}missing"))
        return ForestSpec(queues=tuple(queues), cohorts=tuple(cohorts))

    def queue(self, name: str, parent: str | None) -> QueueSpec:
        own = QueueSpec(name=name, parent=parent, groups=self.groups(parent), weight=self.weight())
        if self.is_product:
            within = self.random.choice((Policy.NEVER, Policy.LOWER_PRIORITY))
            return replace(own, reclaim=Policy.ANY, within_queue=within)
        reclaim = self.random.choice((Policy.NEVER, Policy.LOWER_PRIORITY, Policy.ANY, Policy.ANY))
        return replace(
            own,
            reclaim=reclaim,
            within_queue=self.random.choice(
                (Policy.NEVER, Policy.LOWER_PRIORITY, Policy.LOWER_OR_NEWER_EQUAL_PRIORITY)
            ),
            borrow=Policy.NEVER
            if reclaim is Policy.NEVER
            else self.random.choice((Policy.NEVER, Policy.LOWER_PRIORITY)),
            borrow_threshold=self.random.choice((None, None, 1)),
            strategy=self.random.choice((*[QueueingStrategy.BEST_EFFORT_FIFO] * 3, QueueingStrategy.STRICT_FIFO)),
            when_can_borrow=self.random.choice(list(Fungibility)),
            when_can_preempt=self.random.choice(list(Fungibility)),
            prefers_preemption_over_borrowing=self.random.random() < 0.2,
        )

    def groups(self, parent: str | None) -> tuple[ResourceGroup, ...]:
        flavors = tuple(
            FlavorQuotas(flavor=flavor, quotas={resource: self.quota(parent) for resource in self.resources})
            for flavor in self.flavors
        )
        return (ResourceGroup(flavors=flavors),)

    def quota(self, parent: str | None) -> Quota:
        nominal = self.random.choice((0, 2, 4, 5, 8, 10))
        if parent is None:
            return Quota(nominal=nominal)
        lending = (None, None, None) if self.is_product else (None, None, 0, 2, 5)
        return Quota(
            nominal=nominal,
            borrowing_limit=self.random.choice((None, 0, 2, 5, 10)),
            lending_limit=self.random.choice(lending),
        )

    def weight(self) -> float:
        return self.random.choice((0.0, 0.5, 1.0, 1.0, 2.0))

    def works(self, spec: ForestSpec, most: int = 12) -> list[Work]:
        return [self.work(self.random.choice(spec.queues).name) for _ in range(self.random.randint(1, most))]

    def work(self, name: str) -> Work:
        self.number += 1
        count = self.random.choice((1, 1, 1, 2))
        return Work(
            name=f"{name}/{self.number}",
            queue=name,
            pod_sets=tuple(self.pod_set(f"p{index}") for index in range(count)),
            created_at=self.number,
            uid=f"{self.number:06d}",
            priority=self.random.choice((0, 0, 1, 2)),
        )

    def pod_set(self, name: str) -> PodSet:
        count = self.random.choice((1, 1, 1, 2, 3))
        least = self.random.choice((None, 1)) if count > 1 and not self.is_product else None
        requests = {resource: self.random.randint(1, 4) for resource in self.resources if self.random.random() < 0.8}
        return PodSet(name=name, count=count, min_count=least, requests=requests or {self.resources[0]: 1})

    def options(self) -> Options:
        if self.is_product:
            return Options()
        return Options(
            fair_sharing=self.random.random() < 0.5,
            keeps_sticky_preemptors=self.random.random() < 0.8,
            recomputes_overlaps=self.random.random() < 0.3,
        )

    def changed(self, spec: ForestSpec) -> ForestSpec:
        """Other quotas for one node, or another parent for a queue."""
        queues, cohorts = list(spec.queues), list(spec.cohorts)
        chance = self.random.random()
        if chance < 0.2:
            index = self.random.randrange(len(queues))
            queues[index] = replace(queues[index], parent=self.random.choice(cohorts).name)
        elif chance < 0.6:
            index = self.random.randrange(len(queues))
            queues[index] = replace(queues[index], groups=self.groups(queues[index].parent))
        else:
            index = self.random.randrange(len(cohorts))
            cohorts[index] = replace(cohorts[index], groups=self.groups(cohorts[index].parent))
        return ForestSpec(queues=tuple(queues), cohorts=tuple(cohorts))


class Story:
    """An engine to which things happen; every admission and eviction is booked by hand as well."""

    def __init__(self, dice: Dice, options: Options | None = None) -> None:
        self.dice = dice
        self.spec = dice.forest()
        self.engine = Engine(self.spec, options or dice.options())
        self.works: dict[str, Work] = {}
        self.booked: dict[str, tuple[str, Mapping[Pair, int]]] = {}
        self.is_settled = True

    def submit(self, most: int = 12) -> None:
        for work in self.dice.works(self.spec, most):
            self.works[work.name] = work
            self.engine.submit(work)

    def finish(self) -> None:
        for name in list(self.works):
            if self.dice.random.random() < 0.3:
                self.end(name)

    def end(self, name: str) -> None:
        self.engine.finish(name)
        del self.works[name]
        self.booked.pop(name, None)

    def change(self) -> None:
        self.spec = self.dice.changed(self.spec)
        self.engine.change(self.spec)

    def settle(self) -> list[Decision]:
        """What was decided; of one round the evictions first, as a head may count on the room of those that others evict."""
        settlement = self.engine.settle(MOST_ROUNDS)
        self.is_settled = settlement.is_settled
        return sorted(settlement.decisions, key=lambda one: (one.round, isinstance(one, Admitted)))

    def book(self, decision: Decision) -> tuple[str, Mapping[Pair, int]]:
        """The queue whose usage the decision changes, and the amounts."""
        if isinstance(decision, Evicted):
            return self.booked.pop(decision.workload)
        usage: dict[Pair, int] = {}
        pod_sets = self.works[decision.workload].pod_sets
        for pod_set, flavors, pods in zip(pod_sets, decision.flavors, decision.pods, strict=True):
            for resource, amount in pod_set.requests.items():
                pair = flavors[resource], resource
                usage[pair] = usage.get(pair, 0) + amount * pods
        self.booked[decision.workload] = decision.queue, usage
        return self.booked[decision.workload]

    def happen(self) -> None:
        """Some of everything, each time until nothing moves."""
        for event in self.dice.random.choices((self.submit, self.finish, self.change), weights=(3, 1, 1), k=5):
            event()
            for decision in self.settle():
                self.book(decision)

    def accounts(self) -> Accounts:
        return Accounts(self.spec, self.booked.values())


@quickly
@given(seeds)
def test_no_admission_leaves_a_node_above_its_max_or_a_root_above_its_pool(seed: int):
    story = Story(Dice(seed))
    for _ in range(3):
        story.submit()
        accounts = story.accounts()
        for decision in story.settle():
            name, usage = story.book(decision)
            accounts.book(name, usage, 1 if isinstance(decision, Admitted) else -1)
            assert not [
                (node, pair) for node in accounts.path(name) for pair in usage if accounts.above_max(node, pair)
            ]
        story.finish()


@quickly
@given(seeds)
def test_where_quota_was_lowered_an_admission_still_takes_only_what_is_left(seed: int):
    story = Story(Dice(seed))
    for event in (story.submit, story.change, story.finish, story.submit, story.change, story.submit):
        event()
        accounts = story.accounts()
        for decision in story.settle():
            name, usage = story.book(decision)
            if isinstance(decision, Evicted):
                accounts.book(name, usage, -1)
                continue
            path = accounts.path(name)
            before = {(node, pair): accounts.surplus(node, pair) for node in path for pair in usage}
            accounts.book(name, usage)
            for (node, pair), surplus in before.items():
                after = accounts.surplus(node, pair)
                limit = accounts.quota(node, pair).borrowing_limit if node != path[-1] else 0
                assert after == surplus or limit is None or after >= -limit


@quickly
@given(seeds)
def test_the_usage_of_every_node_is_the_sum_over_who_holds_quota_below(seed: int):
    story = Story(Dice(seed))
    story.happen()
    accounts = Accounts(story.engine.spec, holders(story.engine))
    if story.is_settled:  # else somebody may still hold what an eviction has been decided for
        assert accounts.held == {place: amount for place, amount in story.accounts().held.items() if amount}
    for name in accounts.nodes:
        expected = {pair: accounts.usage(name, pair) for pair in accounts.pairs}
        assert story.engine.usage(name) == {pair: amount for pair, amount in expected.items() if amount}


@quickly
@given(seeds)
def test_when_all_work_has_ended_nothing_is_used_anywhere(seed: int):
    story = Story(Dice(seed))
    story.happen()
    for name in list(story.works):
        story.end(name)
    assert not story.engine.settle().decisions
    assert not any(story.engine.usage(name) for name in story.accounts().nodes)
    assert not list(story.engine.states())


@quickly
@given(seeds)
def test_at_rest_no_work_waits_that_its_own_queues_guarantee_would_hold(seed: int):
    """With the settings of the product: every leaf reclaims from whoever borrows, and nothing keeps its lent share from it."""
    story = Story(Dice(seed, is_product=True))
    story.happen()
    if story.is_settled:
        assert not list(find_unmet(story))


def find_unmet(story: Story) -> list[str]:
    """Waiting work that would keep its queue within its nominal quota of all that it asks for."""
    accounts = story.accounts()
    unmet = []
    for work in (state.work for state in story.engine.states() if state.reservation is None):
        asked: dict[Pair, int] = {}
        for pod_set in work.pod_sets:
            for resource, amount in pod_set.requests.items():
                asked["f1", resource] = asked.get(("f1", resource), 0) + amount * pod_set.count
        if all(
            accounts.usage(work.queue, pair) + amount <= accounts.quota(work.queue, pair).nominal
            for pair, amount in asked.items()
        ):
            unmet.append(work.name)
    return unmet


@quickly
@given(seeds)
def test_a_guaranteed_share_can_always_be_had_back(seed: int):
    """Whoever comes last asks for no more than its guarantee, in small pieces, and gets all of it."""
    dice = Dice(seed, is_product=True)
    story = Story(dice)
    late = dice.random.choice(story.spec.queues)
    for work in (work for _ in range(3) for work in dice.works(story.spec) if work.queue != late.name):
        story.engine.submit(work)
    story.settle()
    if not story.is_settled:
        return
    nominal = {resource: quota.nominal for resource, quota in late.groups[0].flavors[0].quotas.items()}
    names = []
    for _ in range(min(nominal.values())):
        work = replace(dice.work(late.name), pod_sets=(PodSet(requests=dict.fromkeys(nominal, 1)),))
        names.append(work.name)
        story.engine.submit(work)
    story.settle()
    assert not story.is_settled or set(names) <= story.engine.admitted()


@quickly
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), max_size=12),
    st.integers(0, 20),
    st.integers(0, 20),
    st.sampled_from([Policy.NEVER, Policy.LOWER_PRIORITY]),
    st.booleans(),
)
def test_a_lone_queue_with_more_capacity_never_runs_less(
    jobs: list[tuple[int, int]], less: int, more: int, within: Policy, is_below_a_cohort: bool
):
    parent = "root" if is_below_a_cohort else None

    def count(nominal: int) -> int:
        engine = Engine(forest(queue("q", parent, nominal, within_queue=within)))
        for number, (size, priority) in enumerate(jobs):
            work = Work(
                name=f"{number}",
                queue="q",
                pod_sets=(PodSet(requests={"gpu": size}),),
                created_at=number,
                uid=f"{number:03d}",
                priority=priority,
            )
            engine.submit(work)
        assert engine.settle().is_settled
        return engine.usage("q").get(("f", "gpu"), 0)

    assert count(min(less, more)) <= count(max(less, more))


@quickly
@given(seeds)
def test_what_has_settled_stays_as_it_is(seed: int):
    story = Story(Dice(seed))
    for _ in range(3):
        story.submit()
        story.settle()
        if story.is_settled:
            assert not story.engine.settle().decisions


@quickly
@given(seeds)
def test_a_fork_goes_the_same_way_and_leaves_the_original_alone(seed: int):
    story = Story(Dice(seed))
    story.happen()
    before = list(story.engine.states())
    fork = story.engine.fork()
    assert list(fork.states()) == before
    compare_futures(story, fork, before)


@quickly
@given(seeds)
def test_an_engine_built_from_the_states_of_another_goes_the_same_way(seed: int):
    story = Story(Dice(seed))
    options = story.dice.options()
    story.engine = Engine(story.spec, options)
    story.happen()
    before = list(story.engine.states())
    states = story.dice.random.sample(before, len(before))
    compare_futures(story, Engine(story.engine.spec, options, work=states, now=story.engine.now), before)


def compare_futures(story: Story, other: Engine, before: list[WorkState]) -> None:
    """The same events happen to the other engine first, and then to that of the story."""
    if not story.is_settled:
        return
    arrivals = story.dice.works(story.spec)
    changed = story.dice.changed(story.spec)
    ended = [name for name in story.works if story.dice.random.random() < 0.2]

    def live_on(engine: Engine) -> list[list[Decision]]:
        past = []
        for work in arrivals:
            engine.submit(work)
        past.append(settle(engine))
        for name in ended:
            engine.finish(name)
        past.append(settle(engine))
        engine.change(changed)
        past.append(settle(engine))
        return past

    theirs = live_on(other)
    assert list(story.engine.states()) == before
    assert live_on(story.engine) == theirs


def settle(engine: Engine) -> list[Decision]:
    """By round and name: in which order trees that share nothing are looked at within a round is nobody's business."""
    decisions = engine.settle(MOST_ROUNDS).decisions
    return sorted(decisions, key=lambda one: (one.round, isinstance(one, Evicted), one.workload))


@quickly
@given(seeds, st.booleans())
def test_trees_that_share_nothing_do_not_meddle_with_each_other(seed: int, is_fair: bool):
    options = Options(fair_sharing=is_fair)
    stories = [Dice(seed, prefix="x"), Dice(seed + 1, prefix="y")]
    specs = [dice.forest() for dice in stories]
    works = [dice.works(spec, 30) for dice, spec in zip(stories, specs, strict=True)]
    together = Engine(
        ForestSpec(queues=specs[1].queues + specs[0].queues, cohorts=specs[0].cohorts + specs[1].cohorts), options
    )
    alone = [Engine(spec, options) for spec in specs]
    for engine, arrivals in zip(alone, works, strict=True):
        for work in arrivals:
            engine.submit(work)
            together.submit(work)
    both = together.settle(MOST_ROUNDS)
    settled = [engine.settle(MOST_ROUNDS) for engine in alone]
    if both.is_settled and all(one.is_settled for one in settled):
        assert by_tree(both, "x") == by_tree(settled[0], "x")
        assert by_tree(both, "y") == by_tree(settled[1], "y")


def by_tree(settlement: Settlement, prefix: str) -> list[list[str]]:
    """Round by round, without the rounds in which only others moved."""
    rounds: dict[int, list[str]] = {}
    for decision in settlement.decisions:
        if decision.workload.startswith(prefix):
            rounds.setdefault(decision.round, []).append(mark(decision))
    return [sorted(marks) for marks in rounds.values()]


@quickly
@given(seeds, st.booleans(), st.booleans())
def test_work_that_is_set_aside_unseen_would_have_been_set_aside(seed: int, is_fair: bool, is_product: bool):
    """`Judge.is_hopeless` and `Judge._look` spare the closer look, which may cost time but may change nothing."""
    options = Options(fair_sharing=is_fair)
    quick, slow = (Story(Dice(seed, is_product=is_product), options) for _ in range(2))
    quick.submit(40)
    quick.happen()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "is_hopeless", lambda judge, workload: False)
        patch.setattr(Judge, "_look", lambda judge, workload: None)
        slow.submit(40)
        slow.happen()
    assert quick.booked == slow.booked
    assert list(quick.engine.states()) == list(slow.engine.states())


@quickly
@given(seeds)
def test_the_order_in_which_nodes_are_written_down_decides_nothing(seed: int):
    dice = Dice(seed)
    spec, options = dice.forest(), dice.options()
    shuffled = ForestSpec(
        queues=tuple(dice.random.sample(spec.queues, len(spec.queues))),
        cohorts=tuple(dice.random.sample(spec.cohorts, len(spec.cohorts))),
    )
    works = dice.works(spec, 30)
    outcomes = []
    for engine in (Engine(spec, options), Engine(shuffled, options)):
        for work in works:
            engine.submit(work)
        outcomes.append(by_tree(engine.settle(MOST_ROUNDS), ""))
    assert outcomes[0] == outcomes[1]
