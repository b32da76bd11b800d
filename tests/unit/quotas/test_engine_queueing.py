"""Who is tried, in which order, and who may be evicted for whom: queues, priorities, stop policies, preemption settings."""

from __future__ import annotations

from typing import Any

import pytest

from quotas.domain.engine import (
    DuplicateWorkloadError,
    Engine,
    Policy,
    QueueingStrategy,
    Reason,
    Reservation,
    StopPolicy,
    UnknownWorkloadError,
    Work,
    WorkState,
)
from tests.unit.quotas.forests import Scene, cohort, forest, pod_sets, queue

STRICT = QueueingStrategy.STRICT_FIFO
RECLAIM: dict[str, Any] = {"reclaim": Policy.ANY}


def test_best_effort_lets_smaller_work_pass_a_head_that_finds_no_room():
    scene = Scene(queue("q", None, 4))
    scene.run("q", 3)
    assert scene.run("q", 2, 1) == ["+q/3"]


def test_the_head_of_a_strict_queue_blocks_all_behind_it():
    scene = Scene(queue("q", None, 4, strategy=STRICT))
    scene.run("q", 3)
    assert scene.run("q", 2, 1) == []
    scene.engine.finish("q/1")
    assert scene.settle() == ["+q/2", "+q/3"]


def test_a_head_too_large_for_ever_blocks_a_strict_queue_for_ever():
    scene = Scene(queue("q", None, 4, strategy=STRICT))
    assert scene.run("q", 5, 1) == []
    scene.engine.finish("q/1")
    assert scene.settle() == ["+q/2"]


def test_a_strict_head_gives_way_to_higher_priority_only():
    scene = Scene(queue("q", None, 4, strategy=STRICT))
    scene.run("q", 3, 2)
    assert scene.run("q", 1) == []
    assert scene.run("q", 1, priority=1) == ["+q/4"]


def test_a_strict_head_is_tried_at_once_and_what_was_set_aside_when_the_tree_is_quiet():
    """loose/2 is older, and would be first of the two heads; but Kueue releases what was set aside a second after the change."""
    queues = (queue("strict", "root", 2, strategy=STRICT), queue("loose", "root", 0))
    scene = Scene(cohort("root", None, 0), *queues)
    scene.run("strict", 2)
    scene.submit("loose", 2)
    assert scene.run("strict", 2) == []
    assert scene.change(cohort("root", None, 2), *queues) == ["+strict/3"]


def test_priority_goes_before_age_and_age_before_uid():
    scene = Scene(queue("q", None, 1))
    scene.submit("q", 1)
    scene.submit("q", 1, priority=1, name="urgent", uid="9", created_at=5)
    scene.submit("q", 1, priority=1, name="twin", uid="8", created_at=5)
    order = []
    for _ in range(3):
        order += scene.settle()
        scene.engine.finish(order[-1].removeprefix("+"))
    assert order == ["+twin", "+urgent", "+q/1"]


def test_work_evicted_because_its_pods_were_not_ready_queues_by_the_time_of_its_eviction():
    scene = Scene(queue("q", None, 1))
    scene.submit("q", 1, queue_time=10)
    scene.submit("q", 1)
    assert scene.settle() == ["+q/2"]


@pytest.mark.parametrize(("uids", "victim"), [(("a", "b"), "first"), (("b", "a"), "second")])
def test_who_came_last_within_one_second_is_told_by_the_uid(uids: tuple[str, str], victim: str):
    """Two heads of a strict queue come at once, one cycle after the other. A second later one of them has to give way again."""
    queues = (queue("strict", "root", 0, strategy=STRICT), queue("loose", "root", 0, **RECLAIM))
    scene = Scene(cohort("root"), *queues)
    for name, uid in zip(("first", "second"), uids, strict=True):
        scene.run("strict", 1, name=name, uid=uid)
    assert scene.run("loose", 2) == []
    decisions = scene.change(cohort("root"), queues[0], queue("loose", "root", 3, **RECLAIM))
    assert decisions == ["+first", "+second", f"-{victim}", "+loose/3"]


def test_within_one_queue_higher_priority_evicts_the_lower_and_equal_priority_nobody():
    scene = Scene(queue("q", None, 2, within_queue=Policy.LOWER_PRIORITY))
    scene.run("q", 1, 1)
    assert scene.run("q", 1) == []
    assert scene.run("q", 1, priority=1) == ["-q/2", "+q/4"]


def test_newer_work_of_equal_priority_gives_way_to_older_where_the_queue_says_so():
    scene = Scene(queue("q", None, 2, within_queue=Policy.LOWER_OR_NEWER_EQUAL_PRIORITY))
    scene.submit("q", 2, queue_time=10)
    scene.settle()
    assert scene.run("q", 2) == ["-q/1", "+q/2"]


def test_who_is_on_the_way_out_is_the_first_victim_whatever_its_priority():
    spec = forest(queue("q", None, 4, within_queue=Policy.LOWER_PRIORITY))
    low, high, head = (
        Work(name=name, queue="q", pod_sets=pod_sets(2), created_at=1, uid=name, priority=priority)
        for name, priority in (("low", 0), ("high", 1), ("new", 2))
    )
    leaving = Reservation(usage={("f", "gpu"): 2}, reserved_at=1, is_evicting=True)
    staying = Reservation(usage={("f", "gpu"): 2}, reserved_at=1)
    states = [WorkState(work=low, reservation=staying), WorkState(work=high, reservation=leaving)]
    engine = Engine(spec, work=[*states, WorkState(work=head)])
    evicted = engine.settle().evicted
    assert [(one.workload, one.by) for one in evicted] == [("low", "high")], "its room is enough for the new one"
    assert engine.admitted() == {"high", "new"}


def test_who_is_on_the_way_out_leaves_though_nobody_else_asks_for_anything():
    leaving = Reservation(usage={("f", "gpu"): 2}, reserved_at=1, is_evicting=True)
    work = Work(name="old", queue="q", pod_sets=pod_sets(2), created_at=1, uid="1")
    engine = Engine(forest(queue("q", None, 1)), work=[WorkState(work=work, reservation=leaving)])
    engine.settle()
    assert engine.admitted() == frozenset()
    assert engine.usage("q") == {}


@pytest.mark.parametrize("stop", [StopPolicy.HOLD, StopPolicy.HOLD_AND_DRAIN])
def test_a_stopped_queue_admits_nothing(stop: StopPolicy):
    scene = Scene(queue("q", None, 4, stop=stop))
    assert scene.run("q", 1) == []
    assert scene.change(queue("q", None, 4)) == ["+q/1"]


def test_hold_keeps_what_runs_and_drain_gives_it_up():
    scene = Scene(queue("q", None, 4))
    scene.run("q", 1, 2)
    assert scene.change(queue("q", None, 4, stop=StopPolicy.HOLD)) == []
    scene.engine.change(forest(queue("q", None, 4, stop=StopPolicy.HOLD_AND_DRAIN)))
    drained = scene.engine.settle()
    assert [(one.workload, one.reason) for one in drained.evicted] == [
        (name, Reason.QUEUE_STOPPED) for name in ("q/2", "q/1")
    ]
    assert scene.engine.usage("q") == {}
    assert scene.change(queue("q", None, 4)) == ["+q/1", "+q/2"]


def test_work_of_a_stopped_queue_is_nobodys_victim_but_counts():
    scene = Scene(cohort("root"), queue("lent", "root", 4, **RECLAIM), queue("borrower", "root", 0))
    scene.run("borrower", 4)
    stopped = queue("borrower", "root", 0, stop=StopPolicy.HOLD)
    scene.change(cohort("root"), queue("lent", "root", 4, **RECLAIM), stopped)
    assert scene.run("lent", 1) == []
    assert scene.engine.usage("root") == {("f", "gpu"): 4}
    assert scene.change(cohort("root"), queue("lent", "root", 4, **RECLAIM), queue("borrower", "root", 0)) == [
        "-borrower/1",
        "+lent/2",
    ]


def test_quota_that_a_drained_queue_gives_up_goes_to_those_who_wait():
    scene = Scene(cohort("root"), queue("a", "root", 4), queue("b", "root", 0))
    scene.run("a", 4)
    scene.run("b", 3)
    drained = queue("a", "root", 4, stop=StopPolicy.HOLD_AND_DRAIN)
    assert scene.change(cohort("root"), drained, queue("b", "root", 0)) == ["-a/1", "+b/2"]


def test_reclaiming_only_from_lower_priority_leaves_equals_alone():
    scene = Scene(
        cohort("root"),
        queue("own", "root", 2, reclaim=Policy.LOWER_PRIORITY),
        queue("other", "root", 0),
    )
    scene.run("other", 2)
    assert scene.run("own", 2) == []
    assert scene.run("own", 2, priority=1) == ["-other/1", "+own/3"]


def borrowers(**options: Any) -> Scene:
    """low borrows 2, mid borrows 2, nobody has quota but the root; p may evict while borrowing."""
    scene = Scene(
        cohort("root", None, 4),
        queue("p", "root", 0, reclaim=Policy.ANY, **options),
        queue("low", "root", 0),
        queue("mid", "root", 0),
    )
    scene.run("low", 2, priority=0)
    scene.run("mid", 2, priority=5)
    return scene


def test_a_borrower_evicts_borrowers_of_lower_priority_where_it_may():
    assert borrowers().run("p", 2, priority=9) == []
    scene = borrowers(borrow=Policy.LOWER_PRIORITY)
    scene.submit("p", 2, priority=9)
    evicted = scene.engine.settle().evicted
    assert [(one.workload, one.reason) for one in evicted] == [("low/1", Reason.WHILE_BORROWING)]


def test_but_none_above_the_threshold():
    scene = borrowers(borrow=Policy.LOWER_PRIORITY, borrow_threshold=4)
    assert scene.run("p", 2, priority=9) == ["-low/1", "+p/3"]
    assert scene.run("p", 2, priority=9) == []
    assert borrowers(borrow=Policy.LOWER_PRIORITY, borrow_threshold=5).run("p", 4, priority=9)[0] == "-low/1 -mid/2"


def test_without_a_threshold_all_lower_priorities_go():
    scene = borrowers(borrow=Policy.LOWER_PRIORITY)
    assert scene.run("p", 4, priority=9) == ["-low/1 -mid/2", "+p/3"]


def test_with_fair_sharing_a_queue_of_weight_zero_goes_last_and_gives_way_first():
    def share(weight: float) -> list[str]:
        scene = Scene(
            cohort("root", None, 4),
            queue("a", "root", 0, weight=weight, **RECLAIM),
            queue("b", "root", 0, **RECLAIM),
            fair_sharing=True,
        )
        scene.run("a", 1, 1, 1, 1)
        return scene.run("b", 1, 1, 1, 1)

    assert len(share(1.0)) == 4  # two evictions, two admissions: 2 and 2
    assert len(share(0.0)) == 8  # all four


def test_between_two_of_weight_zero_the_unweighted_share_decides():
    scene = Scene(
        cohort("root", None, 4),
        queue("a", "root", 0, weight=0.0, **RECLAIM),
        queue("b", "root", 0, weight=0.0, **RECLAIM),
        fair_sharing=True,
    )
    scene.run("a", 1, 1, 1, 1)
    scene.run("b", 1, 1, 1, 1)
    assert len([name for name in scene.engine.admitted() if name.startswith("a")]) == 2


def test_a_cohort_that_is_only_named_joins_its_queues_without_quota_of_its_own():
    scene = Scene(queue("a", "nowhere", 2), queue("b", "nowhere", 2))
    assert scene.run("a", 4) == ["+a/1"]
    assert scene.run("b", 1) == []
    assert scene.engine.usage("nowhere") == {("f", "gpu"): 4}


def test_a_queue_without_cohort_borrows_from_nobody():
    scene = Scene(queue("a", None, 2), queue("b", None, 2))
    assert scene.run("a", 3) == []
    assert scene.run("a", 2) == ["+a/2"]


def stubborn(*, is_sticky: bool) -> Scene:
    """own's oldest work is too large for its queue; the small one behind evicts the borrower, whose room the borrower takes back
    while the large one is tried first again."""
    scene = Scene(
        cohort("root"),
        queue("own", "root", (2, 0), reclaim=Policy.ANY),
        queue("other", "root", (2, 2), reclaim=Policy.ANY),
        keeps_sticky_preemptors=is_sticky,
    )
    scene.run("other", 2, 2)
    scene.submit("own", 2, priority=1, name="first")
    return scene


def test_a_sticky_preemptor_keeps_the_first_place_until_it_is_admitted():
    """Between the eviction and the next cycle work of higher priority comes to the same queue: it has to wait for its turn."""

    def outcome(*, is_sticky: bool) -> str:
        scene = stubborn(is_sticky=is_sticky)
        assert not scene.engine.settle(most_rounds=1).is_settled
        scene.submit("own", 2, priority=2, name="second")
        scene.settle()
        return scene.admitted()

    assert outcome(is_sticky=True) == "first other/1"
    assert outcome(is_sticky=False) == "other/1 second"


def test_a_sticky_preemptor_survives_being_written_down():
    scene = stubborn(is_sticky=True)
    scene.engine.settle(most_rounds=1)
    assert [state.work.name for state in scene.engine.states() if state.is_sticky] == ["first"]
    again = Engine(scene.engine.spec, work=scene.engine.states(), now=scene.engine.now)
    again.submit(Work(name="second", queue="own", pod_sets=pod_sets(2), created_at=9, uid="9", priority=2))
    again.settle()
    assert again.admitted() == {"first", "other/1"}


def test_a_strict_queue_has_no_sticky_preemptor():
    scene = Scene(
        cohort("root"),
        queue("own", "root", (2, 0), reclaim=Policy.ANY, strategy=STRICT),
        queue("other", "root", (2, 2)),
    )
    scene.run("other", 2, 2)
    scene.submit("own", 2)
    scene.engine.settle(most_rounds=1)
    assert not [state for state in scene.engine.states() if state.is_sticky]


def test_minimum_run_protects_young_work_until_its_time_has_passed():
    scene = Scene(
        cohort("root"),
        queue("own", "root", 2, reclaim=Policy.ANY),
        queue("other", "root", 0),
        minimum_run=10,
    )
    scene.run("other", 2, created_at=1)
    assert scene.run("own", 2) == []
    scene.engine.advance(10)
    assert scene.settle() == []
    scene.engine.advance(11)
    assert scene.settle() == ["-other/1", "+own/2"]


def test_time_does_not_go_back():
    scene = Scene(queue("q", None, 1))
    scene.engine.advance(5)
    with pytest.raises(ValueError, match="the time is 5, it can't go back to 4"):
        scene.engine.advance(4)
    assert scene.engine.now == 5


def test_work_for_a_queue_that_is_not_there_waits_for_it():
    scene = Scene(queue("q", None, 2))
    assert scene.run("later", 1) == []
    assert scene.change(queue("q", None, 2), queue("later", None, 1)) == ["+later/1"]


def test_work_for_a_missing_queue_can_be_taken_back():
    scene = Scene(queue("q", None, 2))
    scene.submit("later", 1)
    scene.engine.finish("later/1")
    assert scene.change(queue("q", None, 2), queue("later", None, 1)) == []


def test_names_of_work_are_unique_and_known():
    scene = Scene(queue("q", None, 1))
    scene.submit("q", 1, name="one")
    scene.submit("nowhere", 1, name="lost")
    for name in ("one", "lost"):
        with pytest.raises(DuplicateWorkloadError, match=f"workload '{name}' is here already"):
            scene.submit("q", 1, name=name)
    for ask in (scene.engine.finish, scene.engine.explain):
        with pytest.raises(UnknownWorkloadError, match="nobody"):
            ask("nobody")
    with pytest.raises(KeyError):
        scene.engine.usage("nowhere else")


def test_work_that_is_waiting_can_be_taken_back():
    scene = Scene(queue("q", None, 1))
    scene.run("q", 1, 1)
    scene.engine.finish("q/2")
    scene.engine.finish("q/1")
    assert scene.settle() == []
    assert not list(scene.engine.states())


def test_a_settling_that_is_cut_short_says_so():
    scene = stubborn(is_sticky=True)
    cut = scene.engine.settle(most_rounds=1)
    assert (cut.is_settled, cut.rounds, [one.workload for one in cut.evicted]) == (False, 1, ["other/2"])
    assert scene.settle() == ["+first"]
