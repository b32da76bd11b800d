"""Why work waits, with numbers, and why each decision fell, in words."""

from __future__ import annotations

from typing import Any

from quotas.domain.engine import (
    Explanation,
    FlavorSpec,
    PodSet,
    Policy,
    Shortfall,
    Standing,
    StopPolicy,
)
from tests.unit.quotas.forests import Scene, cohort, pods, queue

RECLAIM: dict[str, Any] = {"reclaim": Policy.ANY}


def test_admitted():
    scene = Scene(queue("q", None, 1))
    scene.run("q", 1)
    found = scene.engine.explain("q/1")
    assert found == Explanation(workload="q/1", queue="q", standing=Standing.ADMITTED)
    assert found.why == "q/1 holds quota in q"


def test_a_queue_that_is_not_there():
    scene = Scene(queue("q", None, 1))
    scene.submit("r", 1)
    found = scene.engine.explain("r/1")
    assert (found.standing, found.queue) == (Standing.MISCONFIGURED, "r")
    assert found.why == "r/1 waits for r, and there is no such queue"


def test_a_stopped_queue():
    scene = Scene(queue("q", None, 1, stop=StopPolicy.HOLD))
    scene.run("q", 1)
    found = scene.engine.explain("q/1")
    assert found.standing is Standing.SUSPENDED
    assert found.why == "q/1 waits until q, which is stopped, is opened again"


def test_no_flavor_with_the_labels_or_the_resource():
    labelled = FlavorSpec(name="f", labels={"gpu-model": "a100"})
    scene = Scene(queue("q", None, 4), flavors=(labelled,))
    scene.run("q", PodSet(requests={"gpu": 1}, node_selector={"gpu-model": "h100"}), {"gpu": 9, "fpga": 1})
    for name in ("q/1", "q/2"):
        found = scene.engine.explain(name)
        assert found.standing is Standing.NO_MATCHING_FLAVOR
        assert found.why.startswith(f"{name} can run nowhere: no flavor of q has all the resources")


def test_more_than_the_queue_could_ever_get():
    scene = Scene(cohort("root", None, 8), queue("q", "root", (2, 3)))
    scene.run("q", 6)
    found = scene.engine.explain("q/1")
    assert found.standing is Standing.EXCEEDS_MAX_QUOTA
    assert found.shortfalls == (
        Shortfall(pod_set="main", flavor="f", resource="gpu", requested=6, available=5, most=5, limited_by="q"),
    )
    assert found.shortfalls[0].lacking == 1
    assert found.why == "q/1 asks for 6 gpu of f, and q can never get more than 5"


def test_quota_that_others_use():
    scene = Scene(cohort("root"), cohort("mid", "root", (4, 2)), queue("q", "mid", 0), queue("p", "mid", 0))
    scene.run("p", 3)
    scene.run("q", 2)
    found = scene.engine.explain("q/2")
    assert found.standing is Standing.WAITING_FOR_QUOTA
    (missing,) = found.shortfalls
    assert (missing.requested, missing.available, missing.most, missing.lacking) == (2, 1, 4, 1)
    assert missing.limited_by == "root"
    assert found.why == (
        "q/2 asks for 2 gpu of f, and q can get 1 now, as the quota of root leaves no more; nobody may be evicted for it"
    )


def test_the_limit_of_a_cohort_between_is_named():
    scene = Scene(cohort("root", None, 9), cohort("mid", "root", (4, 2)), queue("q", "mid", 0), queue("p", "mid", 0))
    scene.run("p", 5)
    scene.run("q", 2)
    (missing,) = scene.engine.explain("q/2").shortfalls
    assert (missing.available, missing.limited_by) == (1, "mid")


def test_what_a_queue_keeps_to_itself_is_counted_before_the_limits_above():
    """2 of its own and the last one of root: mid's limit of 2 is not what stops it."""
    scene = Scene(cohort("root", None, 1), cohort("mid", "root", (0, 2)), queue("q", "mid", (2, None, 0)))
    scene.submit("q", 4)
    (missing,) = scene.engine.explain("q/1").shortfalls
    assert (missing.available, missing.most, missing.limited_by) == (3, 3, "root")


def test_above_a_lowered_quota_nothing_is_available_and_never_less():
    scene = Scene(queue("q", None, 4))
    scene.run("q", 4)
    scene.change(queue("q", None, 2))
    scene.run("q", 1)
    (missing,) = scene.engine.explain("q/2").shortfalls
    assert (missing.available, missing.lacking) == (0, 1)


def test_work_that_will_get_its_room_by_eviction():
    scene = Scene(cohort("root"), queue("own", "root", 2, **RECLAIM), queue("other", "root", 0))
    scene.run("other", 1, 1)
    scene.submit("own", 2)
    found = scene.engine.explain("own/3")
    assert (found.standing, found.would_evict) == (Standing.WAITING_FOR_PREEMPTED, ("other/1", "other/2"))
    assert found.why == "own/3 gets its room from other/1, other/2, to be evicted for it"
    assert scene.admitted() == "other/1 other/2"


def test_work_that_has_not_been_tried():
    scene = Scene(queue("q", None, 3))
    scene.submit("q", 1, 1)
    scene.submit("q", 1, priority=5)
    assert [scene.engine.explain(f"q/{number}").position for number in (3, 1, 2)] == [0, 1, 2]
    found = scene.engine.explain("q/2")
    assert found.standing is Standing.PENDING_EVALUATION
    assert found.why == "q/2 would fit, and is tried when its turn comes; 2 in q go before it"


def test_of_several_flavors_the_mildest_obstacle_counts_and_the_least_lack_is_told():
    scene = Scene(queue("q", None, {"f1": {"gpu": 1}, "f2": {"gpu": 4}}))
    scene.run("q", 3)
    scene.run("q", 2)
    found = scene.engine.explain("q/2")
    assert found.standing is Standing.WAITING_FOR_QUOTA
    assert [(one.flavor, one.most) for one in found.shortfalls] == [("f1", 1), ("f2", 4)]
    assert "asks for 2 gpu of f2, and q can get 1 now" in found.why


def test_waiting_is_milder_than_never_even_where_nobody_could_be_evicted():
    """Nothing that p asks for is its own or its cohort's to claim: f1 never has 2, f2 has them once other has ended."""
    scene = Scene(
        cohort("root", None, {"f1": {"gpu": 1}, "f2": {"gpu": 4}}),
        queue("p", "root", {"f1": {"gpu": 0}, "f2": {"gpu": 0}}),
        queue("other", "root", {"f2": {"gpu": 0}}),
    )
    scene.run("other", 3)
    scene.run("p", 2)
    assert scene.engine.explain("p/2").standing is Standing.WAITING_FOR_QUOTA


def test_of_several_groups_the_one_without_a_flavor_counts():
    """gpu only wait for somebody to end, memory can never be had."""
    scene = Scene(queue("q", None, {"f": {"gpu": 2}}, {"m": {"memory": 4096}}, within_queue=Policy.LOWER_PRIORITY))
    scene.run("q", 2)
    scene.submit("q", {"gpu": 2, "memory": 8192}, priority=1)
    found = scene.engine.explain("q/2")
    assert found.standing is Standing.EXCEEDS_MAX_QUOTA
    assert [one.resource for one in found.shortfalls] == ["gpu", "memory"]


def test_of_several_pod_sets_the_one_that_finds_no_room_counts():
    scene = Scene(queue("q", None, 4))
    scene.submit("q", pods({"gpu": 3}, {"gpu": 2}))
    found = scene.engine.explain("q/1")
    assert found.standing is Standing.EXCEEDS_MAX_QUOTA
    assert [(one.pod_set, one.requested) for one in found.shortfalls] == [("set1", 5)]


def test_amounts_are_told_as_people_write_them():
    scene = Scene(queue("q", None, {"f": {"cpu": 1500}}))
    scene.run("q", {"cpu": 2000})
    assert scene.engine.explain("q/1").why == "q/1 asks for 2 cpu of f, and q can never get more than 1500m"


def test_explaining_changes_nothing():
    scene = Scene(cohort("root"), queue("own", "root", 2, **RECLAIM), queue("other", "root", 0))
    scene.run("other", 2)
    scene.submit("own", 2)
    before = list(scene.engine.states()), scene.engine.usage("root")
    scene.engine.explain("own/2")
    assert (list(scene.engine.states()), scene.engine.usage("root")) == before
    assert scene.settle() == ["-other/1", "+own/2"]


def told(scene: Scene) -> list[str]:
    return [decision.why for decision in scene.engine.settle().decisions]


def test_an_admission_names_the_cohort_within_which_it_borrows():
    scene = Scene(cohort("root", None, 9), cohort("mid", "root", 2), queue("q", "mid", 1))
    scene.submit("q", 1, 2, 3)
    assert told(scene) == [
        "q/1 is admitted in q, out of the queue's own quota",
        "q/2 is admitted in q, with quota borrowed within mid",
        "q/3 is admitted in q, with quota borrowed within root",
    ]


def test_an_eviction_names_who_needed_it_and_by_what_right():
    scene = Scene(
        cohort("root"),
        queue("own", "root", 2, within_queue=Policy.LOWER_PRIORITY, **RECLAIM),
        queue("other", "root", 0),
    )
    scene.run("other", 2)
    scene.submit("own", 2)
    assert told(scene)[0] == (
        "other/1 of other loses its quota: own/2 takes back what is guaranteed to own, "
        "or to a part of the tree that own belongs to"
    )
    scene.submit("own", 2, priority=1)
    assert told(scene)[0] == ("own/2 of own loses its quota: own/3, which goes before it in the same queue, needs it")


def test_an_eviction_by_a_borrower_or_for_a_fairer_share_says_so():
    nodes = (cohort("root", None, 2), queue("b", "root", 0))
    scene = Scene(*nodes, queue("a", "root", 0, borrow=Policy.LOWER_PRIORITY, **RECLAIM))
    scene.run("b", 2)
    scene.submit("a", 1, priority=1)
    assert told(scene)[0] == ("b/1 of b loses its quota: a/2 has the higher priority, and a may evict even to borrow")
    scene = Scene(*nodes, queue("a", "root", 0, **RECLAIM), fair_sharing=True)
    scene.run("b", 1, 1)
    scene.submit("a", 1)
    assert told(scene)[0] == "b/2 of b loses its quota: a/3 needs it, and a borrows the smaller share"


def test_an_eviction_from_a_drained_queue_names_nobody():
    scene = Scene(queue("q", None, 1))
    scene.run("q", 1)
    scene.engine.change(Scene(queue("q", None, 1, stop=StopPolicy.HOLD_AND_DRAIN)).engine.spec)
    assert told(scene) == ["q/1 of q loses its quota: its queue is stopped and drained"]
