"""What becomes of work when quotas, queues and flavors change, and which forests are refused."""

from __future__ import annotations

from typing import Any

import pytest

from quotas.domain.engine import (
    UNLIMITED,
    CohortSpec,
    Engine,
    FlavorQuotas,
    FlavorSpec,
    Options,
    PodSet,
    Policy,
    QueueSpec,
    Quota,
    Reservation,
    ResourceGroup,
    SpecError,
    Standing,
    Work,
    WorkState,
)
from tests.unit.quotas.forests import Scene, cohort, forest, pod_sets, queue

RECLAIM: dict[str, Any] = {"reclaim": Policy.ANY}


def test_lowering_a_max_evicts_nobody_and_admits_nobody():
    scene = Scene(cohort("root", None, 8), queue("q", "root", (2, 4)))
    scene.run("q", 3, 3)
    assert scene.change(cohort("root", None, 8), queue("q", "root", (2, 0))) == []
    assert scene.engine.usage("q") == {("f", "gpu"): 6}
    assert scene.run("q", 1) == []
    scene.engine.finish("q/1")
    assert scene.settle() == []
    scene.engine.finish("q/2")
    assert scene.settle() == ["+q/3"]


def test_a_lowered_min_of_another_is_lent_no_more_and_a_raised_one_taken_back():
    scene = Scene(cohort("root"), queue("a", "root", 2, **RECLAIM), queue("b", "root", 2, **RECLAIM))
    scene.run("b", 2, 2)
    assert scene.run("a", 1) == ["-b/2", "+a/3"]
    assert scene.change(cohort("root"), queue("a", "root", 1, **RECLAIM), queue("b", "root", 2, **RECLAIM)) == []
    assert scene.change(cohort("root"), queue("a", "root", 1, **RECLAIM), queue("b", "root", 4, **RECLAIM)) == ["+b/2"]


def test_raising_a_quota_lets_waiting_work_in_and_leaves_other_trees_alone():
    scene = Scene(queue("a", None, 1), queue("b", None, 1))
    scene.run("a", 2)
    scene.run("b", 2)
    assert scene.change(queue("a", None, 2), queue("b", None, 1)) == ["+a/1"]


def test_a_removed_queue_gives_up_its_room_and_its_work_waits_for_it_to_come_back():
    nodes = (cohort("root", None, 2), queue("a", "root", 0), queue("b", "root", 0))
    scene = Scene(*nodes)
    scene.run("a", 2, 1)
    scene.run("b", 2)
    assert scene.change(nodes[0], nodes[2]) == ["+b/3"]
    assert scene.engine.explain("a/1").standing is Standing.MISCONFIGURED
    assert scene.change(*nodes) == []
    scene.engine.finish("b/3")
    assert scene.settle() == ["+a/1"]


def test_a_queue_that_moves_takes_its_usage_along():
    def nodes(parent: str) -> tuple[Any, ...]:
        return (
            cohort("x", None, 4),
            cohort("y", None, 4),
            queue("q", parent, 0),
            queue("left", "x", 0),
            queue("met", "y", 0),
        )

    scene = Scene(*nodes("x"))
    scene.run("q", 3)
    scene.run("left", 3)
    scene.run("met", 2)
    assert scene.change(*nodes("y")) == ["+left/2"]
    assert scene.engine.usage("x") == {("f", "gpu"): 3}
    assert scene.engine.usage("y") == {("f", "gpu"): 5}
    assert scene.run("met", 1) == []


def test_a_queue_may_leave_its_cohort_and_a_cohort_its_parent():
    scene = Scene(cohort("root", None, 4), cohort("mid", "root"), queue("q", "mid", 1))
    scene.run("q", 3)
    scene.change(cohort("root", None, 4), cohort("mid"), queue("q", "mid", 1))
    assert scene.engine.usage("root") == {}
    assert scene.engine.usage("mid") == {("f", "gpu"): 3}
    scene.change(cohort("root", None, 4), queue("q", None, 1))
    assert scene.engine.usage("q") == {("f", "gpu"): 3}
    with pytest.raises(KeyError):
        scene.engine.usage("mid")


def test_a_new_flavor_is_used_at_once():
    scene = Scene(queue("q", None, {"f1": {"gpu": 1}}))
    scene.run("q", 1, 1)
    assert scene.change(queue("q", None, {"f1": {"gpu": 1}, "f2": {"gpu": 1}})) == ["+q/2"]
    assert scene.engine.usage("q") == {("f1", "gpu"): 1, ("f2", "gpu"): 1}


def test_new_labels_of_a_flavor_count_for_work_that_waits():
    def flavor(model: str) -> FlavorSpec:
        return FlavorSpec(name="f", labels={"gpu-model": model})

    scene = Scene(queue("q", None, 1), flavors=(flavor("a100"),))
    assert scene.run("q", PodSet(requests={"gpu": 1}, node_selector={"gpu-model": "h100"})) == []
    assert scene.change(queue("q", None, 1), flavors=(flavor("h100"),)) == ["+q/1"]


def test_quota_held_of_a_flavor_that_no_queue_names_any_more_still_counts():
    holder = Work(name="old", queue="q", pod_sets=pod_sets(1), created_at=1, uid="1")
    state = WorkState(work=holder, reservation=Reservation(usage={("gone", "gpu"): 3}, reserved_at=1))
    engine = Engine(forest(cohort("root"), queue("q", "root", 1)), work=[state])
    assert engine.usage("root") == engine.usage("q") == {("gone", "gpu"): 3}
    engine.finish("old")
    assert engine.usage("root") == {}


def test_quotas_without_end_do_not_add_up_to_more():
    """Kueue counts in 64 bits and stops at the largest number, which stands for no limit."""
    scene = Scene(cohort("root"), queue("a", "root", UNLIMITED), queue("b", "root", UNLIMITED))
    assert scene.run("a", 1) == ["+a/1"]
    assert scene.run("b", UNLIMITED) == []
    assert scene.run("b", UNLIMITED - 1) == ["+b/3"]


def bad_group(**quotas: Quota) -> tuple[ResourceGroup, ...]:
    return (ResourceGroup(flavors=(FlavorQuotas(flavor="f", quotas=quotas),)),)


BAD: list[tuple[list[QueueSpec | CohortSpec], str]] = [
    ([queue("q"), queue("q")], "ClusterQueue 'q' is given twice, names are unique"),
    ([cohort("c"), cohort("c")], "Cohort 'c' is given twice, names are unique"),
    ([cohort("c", "c")], "cohort 'c' is its own ancestor, through 'c'"),
    ([cohort("a", "b"), cohort("b", "a")], "cohort 'a' is its own ancestor, through 'a'"),
    (
        [queue("q", None, {"f": {"gpu": 1}}, {"g": {"gpu": 1}})],
        "q: 'gpu' stands in two resource groups, it may in one",
    ),
    (
        [queue("q", None, {"f": {"gpu": 1, "cpu": 1}, "g": {"gpu": 1}})],
        "q: flavor 'g' gives no quota for 'cpu', its group covers it",
    ),
    ([queue("q", None, -1)], "q: nominal quota of gpu in 'f' is -1, it may not be below 0"),
    ([cohort("c", "p", (0, -2))], "c: borrowing limit of gpu in 'f' is -2, it may not be below 0"),
    (
        [QueueSpec(name="q", parent="c", groups=bad_group(gpu=Quota(nominal=1, lending_limit=-3)))],
        "q: lending limit of gpu in 'f' is -3, it may not be below 0",
    ),
    ([queue("q", None, 1, weight=-1.0)], "q: the fair-sharing weight is -1.0, below 0"),
]


@pytest.mark.parametrize(("nodes", "complaint"), BAD)
def test_a_forest_that_cannot_be_is_refused_by_name_and_rule(nodes: list[QueueSpec | CohortSpec], complaint: str):
    with pytest.raises(SpecError) as refusal:
        Engine(forest(*nodes))
    assert str(refusal.value) == complaint


def test_a_flavor_given_twice_is_refused():
    with pytest.raises(SpecError, match="ResourceFlavor 'f' is given twice"):
        Engine(forest(queue("q"), flavors=(FlavorSpec(name="f"), FlavorSpec(name="f"))))


@pytest.mark.parametrize("nodes", [nodes for nodes, _ in BAD])
def test_a_change_that_is_refused_changes_nothing(nodes: list[QueueSpec | CohortSpec]):
    scene = Scene(cohort("root", None, 2), queue("q", "root", 1))
    scene.run("q", 2, 2)
    before = (scene.engine.spec, list(scene.engine.states()), scene.engine.usage("root"))
    with pytest.raises(SpecError):
        scene.engine.change(forest(*nodes))
    assert (scene.engine.spec, list(scene.engine.states()), scene.engine.usage("root")) == before
    assert scene.settle() == []


def test_a_fork_has_the_options_and_the_time_of_its_original():
    engine = Engine(forest(queue("own", "root", 2, **RECLAIM), queue("b", "root", 0)), Options(minimum_run=5), now=7)
    engine.submit(Work(name="b", queue="b", pod_sets=pod_sets(2), created_at=1, uid="1"))
    engine.settle()
    fork = engine.fork()
    assert (fork.now, fork.spec) == (engine.now, engine.spec)
    fork.submit(Work(name="own", queue="own", pod_sets=pod_sets(2), created_at=2, uid="2"))
    assert not fork.settle().decisions
    fork.advance(12)
    assert [one.workload for one in fork.settle().evicted] == ["b"]
    assert engine.admitted() == {"b"}
