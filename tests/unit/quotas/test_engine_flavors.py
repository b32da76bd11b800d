"""Which flavors work gets: several pod sets, fewer pods, labels and taints, and how far a queue looks before it borrows or evicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from quotas.domain.engine import (
    Engine,
    FlavorSpec,
    Fungibility,
    NodeRequirement,
    PodSet,
    Policy,
    Taint,
    TaintEffect,
    Toleration,
)
from tests.unit.quotas.forests import Scene, cohort, pods, queue

GPU = {"gpu": 1}


def flavors_of(engine: Engine, name: str) -> tuple[Mapping[str, str], ...]:
    """What the next settling gives this workload."""
    return next(one.flavors for one in engine.settle().admitted if one.workload == name)


def test_two_pod_sets_share_the_quota_of_one_flavor():
    scene = Scene(queue("q", None, 4))
    assert scene.run("q", pods({"gpu": 2}, {"gpu": 3})) == []
    assert scene.run("q", pods({"gpu": 2}, {"gpu": 2})) == ["+q/2"]
    assert scene.engine.usage("q") == {("f", "gpu"): 4}


def test_a_second_pod_set_takes_the_next_flavor_when_the_first_one_filled_the_flavor():
    scene = Scene(queue("q", None, {"f1": {"gpu": 3}, "f2": {"gpu": 2}}))
    scene.submit("q", pods({"gpu": 2}, {"gpu": 2}))
    assert flavors_of(scene.engine, "q/1") == ({"gpu": "f1"}, {"gpu": "f2"})
    assert scene.engine.usage("q") == {("f1", "gpu"): 2, ("f2", "gpu"): 2}


def test_victims_are_chosen_for_all_pod_sets_together():
    """Each pod set alone would have to evict one, both together two."""
    scene = Scene(cohort("root"), queue("own", "root", 4, reclaim=Policy.ANY), queue("other", "root", 0))
    scene.run("other", 2, 2)
    assert scene.run("own", pods({"gpu": 2}, {"gpu": 2})) == ["-other/1 -other/2", "+own/3"]


def test_a_pod_set_counts_all_its_pods():
    scene = Scene(queue("q", None, 5))
    assert scene.run("q", PodSet(requests={"gpu": 2}, count=3)) == []
    assert scene.run("q", PodSet(requests={"gpu": 2}, count=2)) == ["+q/2"]


def test_resources_of_one_group_get_one_flavor_and_groups_choose_for_themselves():
    scene = Scene(
        queue(
            "q",
            None,
            {"big": {"gpu": 1, "memory": 8}, "small": {"gpu": 4, "memory": 4}},
            {"any": {"cpu": 9}},
        )
    )
    scene.submit("q", {"gpu": 2, "memory": 1, "cpu": 3})
    assert flavors_of(scene.engine, "q/1") == ({"gpu": "small", "memory": "small", "cpu": "any"},)


def test_pods_are_counted_where_the_queue_covers_them():
    scene = Scene(queue("q", None, {"f": {"gpu": 9, "pods": 3}}))
    assert scene.run("q", PodSet(requests=GPU, count=2)) == ["+q/1"]
    assert scene.engine.usage("q") == {("f", "gpu"): 2, ("f", "pods"): 2}
    assert scene.run("q", PodSet(requests=GPU, count=2)) == []
    assert scene.run("q", PodSet(requests={}, count=1)) == ["+q/3"]


def test_a_resource_that_the_queue_does_not_cover_is_refused_unless_nothing_of_it_is_asked_for():
    scene = Scene(queue("q", None, 4))
    assert scene.run("q", {"gpu": 1, "fpga": 1}) == []
    assert scene.run("q", {"gpu": 1, "fpga": 0}) == ["+q/2"]


@pytest.mark.parametrize(("free", "expected"), [(10, (6, 4)), (9, (5, 4)), (8, (4, 3)), (4, (2, 2)), (3, None)])
def test_partial_admission_reduces_all_pod_sets_in_proportion(free: int, expected: tuple[int, int] | None):
    """Of 6 pods 4 may be spared, of 4 pods 2: with k of these 6 spared there are 6 - k * 4 // 6 and 4 - k * 2 // 6 left."""
    scene = Scene(queue("q", None, free))
    sets = (
        PodSet(name="workers", requests=GPU, count=6, min_count=2),
        PodSet(name="helpers", requests=GPU, count=4, min_count=2),
    )
    scene.submit("q", sets)
    admitted = scene.engine.settle().admitted
    assert [one.pods for one in admitted] == ([] if expected is None else [expected])
    assert scene.engine.usage("q") == ({} if expected is None else {("f", "gpu"): sum(expected)})


def test_work_with_fewer_pods_still_evicts_for_them():
    scene = Scene(cohort("root"), queue("own", "root", (2, 0), reclaim=Policy.ANY), queue("other", "root", 0))
    scene.run("other", 1, 1)
    scene.submit("own", PodSet(requests=GPU, count=3, min_count=1))
    settlement = scene.engine.settle()
    assert {one.workload for one in settlement.evicted} == {"other/1", "other/2"}
    assert settlement.admitted[-1].pods == (2,)


def test_all_pods_are_preferred_to_fewer_even_where_that_evicts():
    scene = Scene(cohort("root"), queue("own", "root", 3, reclaim=Policy.ANY), queue("other", "root", 0))
    scene.run("other", 1)
    scene.submit("own", PodSet(requests=GPU, count=3, min_count=1))
    assert scene.engine.settle().admitted[-1].pods == (3,)


H100 = FlavorSpec(name="h100", labels={"gpu-model": "h100", "memory": "80"})
A100 = FlavorSpec(name="a100", labels={"gpu-model": "a100", "memory": "40"})


def admitted_on(pod_set: PodSet, *flavors: FlavorSpec) -> str | None:
    """The flavor that one pod gets of h100 and a100, in this order."""
    scene = Scene(queue("q", None, {"h100": GPU, "a100": GPU}), flavors=flavors or (H100, A100))
    scene.submit("q", pod_set)
    admitted = scene.engine.settle().admitted
    return admitted[0].flavors[0]["gpu"] if admitted else None


def requirement(key: str, operator: str, *values: str) -> NodeRequirement:
    return NodeRequirement(key=key, operator=operator, values=values)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "h100"),
        ({"node_selector": {"gpu-model": "a100"}}, "a100"),
        ({"node_selector": {"gpu-model": "v100"}}, None),
        ({"node_selector": {"zone": "north"}}, "h100"),  # no flavor says anything about zones
        ({"node_selector": {"zone": "north", "gpu-model": "a100"}}, "a100"),
        ({"affinity": ((requirement("gpu-model", "In", "a100", "v100"),),)}, "a100"),
        ({"affinity": ((requirement("gpu-model", "NotIn", "h100"),),)}, "a100"),
        ({"affinity": ((requirement("gpu-model", "Exists"),),)}, "h100"),
        ({"affinity": ((requirement("gpu-model", "DoesNotExist"),),)}, None),
        ({"affinity": ((requirement("memory", "Lt", "80"),),)}, "a100"),
        ({"affinity": ((requirement("memory", "Gt", "40"),),)}, "h100"),
        ({"affinity": ((requirement("memory", "Gt", "much"),),)}, None),
        ({"affinity": ((requirement("gpu-model", "Gt", "1"),),)}, None),
        ({"affinity": ((requirement("memory", "Gt"),),)}, None),
        ({"affinity": ((requirement("gpu-model", "Like", "h"),),)}, None),
        # terms are alternatives, what stands in one term must hold together
        ({"affinity": ((requirement("gpu-model", "In", "v100"),), (requirement("memory", "In", "40"),))}, "a100"),
        ({"affinity": ((requirement("gpu-model", "In", "h100"), requirement("memory", "In", "40")),)}, None),
        # a term of which the flavor knows no key matches every flavor
        ({"affinity": ((requirement("gpu-model", "In", "a100"),), (requirement("zone", "In", "north"),))}, "h100"),
        ({"affinity": ((requirement("gpu-model", "In", "a100"), requirement("zone", "In", "north")),)}, "a100"),
    ],
)
def test_selectors_and_affinity_choose_among_the_labels_that_a_flavor_has(
    options: dict[str, Any], expected: str | None
):
    assert admitted_on(PodSet(requests=GPU, **options)) == expected


@pytest.mark.parametrize(
    ("taint", "toleration", "expected"),
    [
        (Taint(key="dear", effect=TaintEffect.NO_SCHEDULE), None, "a100"),
        (Taint(key="dear", effect=TaintEffect.NO_EXECUTE), None, "a100"),
        (Taint(key="dear", effect=TaintEffect.PREFER_NO_SCHEDULE), None, "h100"),
        (Taint(key="dear", value="very", effect=TaintEffect.NO_SCHEDULE), Toleration(key="dear", value="very"), "h100"),
        (
            Taint(key="dear", value="very", effect=TaintEffect.NO_SCHEDULE),
            Toleration(key="dear", value="a bit"),
            "a100",
        ),
        (Taint(key="dear", value="very", effect=TaintEffect.NO_SCHEDULE), Toleration(key="dear", exists=True), "h100"),
        (Taint(key="dear", effect=TaintEffect.NO_SCHEDULE), Toleration(exists=True), "h100"),
        (Taint(key="dear", effect=TaintEffect.NO_SCHEDULE), Toleration(key="cheap", exists=True), "a100"),
        (
            Taint(key="dear", effect=TaintEffect.NO_EXECUTE),
            Toleration(key="dear", exists=True, effect="NoSchedule"),
            "a100",
        ),
    ],
)
def test_an_untolerated_taint_closes_a_flavor(taint: Taint, toleration: Toleration | None, expected: str):
    tolerations = () if toleration is None else (toleration,)
    tainted = FlavorSpec(name="h100", taints=(taint,))
    assert admitted_on(PodSet(requests=GPU, tolerations=tolerations), tainted) == expected


def test_a_flavor_may_tolerate_its_own_taint():
    taint = Taint(key="dear", effect=TaintEffect.NO_SCHEDULE)
    tolerant = FlavorSpec(name="h100", taints=(taint,), tolerations=(Toleration(key="dear", exists=True),))
    assert admitted_on(PodSet(requests=GPU), tolerant) == "h100"


def test_pod_sets_choose_their_flavors_each_for_itself():
    scene = Scene(queue("q", None, {"h100": GPU, "a100": GPU}), flavors=(H100, A100))
    scene.submit(
        "q",
        (
            PodSet(name="one", requests=GPU, node_selector={"gpu-model": "a100"}),
            PodSet(name="other", requests=GPU),
        ),
    )
    assert flavors_of(scene.engine, "q/1") == ({"gpu": "a100"}, {"gpu": "h100"})


def two_flavors(**options: Any) -> Scene:
    """own has 2 of f2 and may borrow 2 of f1, which idle lends."""
    return Scene(
        cohort("root"),
        queue("own", "root", {"f1": {"gpu": 0}, "f2": {"gpu": 2}}, **options),
        queue("idle", "root", {"f1": {"gpu": 2}}),
    )


@pytest.mark.parametrize(("when", "flavor"), [(Fungibility.MAY_STOP_SEARCH, "f1"), (Fungibility.TRY_NEXT_FLAVOR, "f2")])
def test_a_queue_borrows_the_first_flavor_unless_it_shall_try_the_next(when: Fungibility, flavor: str):
    scene = two_flavors(when_can_borrow=when)
    scene.submit("own", 2)
    assert flavors_of(scene.engine, "own/1") == ({"gpu": flavor},)


def test_trying_the_next_flavor_comes_back_to_the_first_when_the_next_is_full():
    scene = two_flavors(when_can_borrow=Fungibility.TRY_NEXT_FLAVOR)
    scene.run("own", 2)
    scene.submit("own", 2)
    assert flavors_of(scene.engine, "own/2") == ({"gpu": "f1"},)


def contested(**options: Any) -> Scene:
    """own has 2 of f1, lent to other, and f2 is free."""
    scene = Scene(
        cohort("root"),
        queue("own", "root", {"f1": {"gpu": 2}, "f2": {"gpu": 2}}, reclaim=Policy.ANY, **options),
        queue("other", "root", {"f1": {"gpu": 0}}),
    )
    scene.run("other", 2)
    return scene


@pytest.mark.parametrize(
    ("when", "expected"),
    [(Fungibility.TRY_NEXT_FLAVOR, ["+own/2"]), (Fungibility.MAY_STOP_SEARCH, ["-other/1", "+own/2"])],
)
def test_a_queue_takes_a_free_flavor_before_it_evicts_unless_it_may_stop_there(when: Fungibility, expected: list[str]):
    assert contested(when_can_preempt=when).run("own", 2) == expected


@pytest.mark.parametrize(("prefers_preemption", "expected"), [(False, ["+own/2"]), (True, ["-other/1", "+own/2"])])
def test_evicting_in_the_own_flavor_may_be_preferred_to_borrowing_another(
    prefers_preemption: bool, expected: list[str]
):
    """own's 2 of f1 are lent to other; of f2 it has none, but lender has."""
    scene = Scene(
        cohort("root"),
        queue(
            "own",
            "root",
            {"f1": {"gpu": 2}, "f2": {"gpu": 0}},
            reclaim=Policy.ANY,
            when_can_borrow=Fungibility.TRY_NEXT_FLAVOR,
            prefers_preemption_over_borrowing=prefers_preemption,
        ),
        queue("other", "root", {"f1": {"gpu": 0}}),
        queue("lender", "root", {"f2": {"gpu": 2}}),
    )
    scene.run("other", 2)
    assert scene.run("own", 2) == expected


def test_a_flavor_without_candidates_is_worse_than_one_with():
    """Nobody can be evicted from f1, somebody can from f2."""
    scene = Scene(
        cohort("root"),
        queue("own", "root", {"f1": {"gpu": 2}, "f2": {"gpu": 2}}, reclaim=Policy.LOWER_PRIORITY),
        queue("other", "root", {"f1": {"gpu": 0}, "f2": {"gpu": 0}}),
    )
    scene.run("other", 2, priority=9)
    scene.run("other", 2, priority=0)
    assert scene.run("own", 2, priority=5) == ["-other/2", "+own/3"]
    assert scene.engine.usage("own") == {("f2", "gpu"): 2}


def outrun() -> Scene:
    """wide was nominated for f1, but first, whose own f1 is, got it in the same cycle; f2 is left to try."""
    scene = Scene(
        cohort("root", None, {"f1": {"gpu": 0}, "f2": {"gpu": 6}}),
        queue("wide", "root", {"f1": {"gpu": 0}, "f2": {"gpu": 0}}),
        queue("first", "root", {"f1": {"gpu": 2}}),
    )
    scene.submit("wide", 2)
    scene.submit("first", 2)
    assert [one.workload for one in scene.engine.settle(most_rounds=1).admitted] == ["first/2"]
    return scene


def test_a_head_that_was_skipped_goes_on_with_the_next_flavor_in_the_next_cycle():
    scene = outrun()
    scene.engine.finish("first/2")
    assert flavors_of(scene.engine, "wide/1") == ({"gpu": "f2"},), "though the first is free again"


def test_later_it_begins_anew_if_quota_came_free_meanwhile():
    scene = outrun()
    scene.submit("wide", 1, 1, priority=9)
    assert not scene.engine.settle(most_rounds=2).is_settled
    scene.engine.finish("first/2")
    assert flavors_of(scene.engine, "wide/1") == ({"gpu": "f1"},)


def test_a_flavor_at_the_end_of_the_list_that_the_pods_may_not_use_counts_as_tried():
    """Otherwise the next cycle would go on behind the only flavor that there is for wide."""
    scene = Scene(
        cohort("root", None, {"f1": {"gpu": 0}, "f2": {"gpu": 6}}),
        queue("wide", "root", {"f1": {"gpu": 0}, "f2": {"gpu": 0}}, when_can_borrow=Fungibility.TRY_NEXT_FLAVOR),
        queue("first", "root", {"f1": {"gpu": 2}}),
        flavors=(
            FlavorSpec(name="f1", labels={"gpu-model": "h100"}),
            FlavorSpec(name="f2", labels={"gpu-model": "a100"}),
        ),
    )
    scene.submit("wide", PodSet(requests={"gpu": 2}, node_selector={"gpu-model": "h100"}))
    scene.submit("first", 2)
    assert [one.workload for one in scene.engine.settle(most_rounds=1).admitted] == ["first/2"]
    scene.engine.finish("first/2")
    assert [(one.workload, one.round) for one in scene.engine.settle().admitted] == [("wide/1", 1)]
