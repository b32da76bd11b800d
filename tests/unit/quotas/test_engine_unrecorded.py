"""Rules of Kueue that no recorded scenario notices when they are broken; each scene here comes out differently then."""

from __future__ import annotations

import pytest

from quotas.domain.engine import Fungibility, PodSet, Policy, QueueingStrategy, Standing
from tests.unit.quotas.forests import Scene, cohort, pods, queue


def test_those_outside_of_an_entitled_subtree_give_way_before_siblings_of_lower_priority():
    """p asks more than its own 2, but its cohort's quota of 8 holds it: t, outside, must go first although s has the lower priority."""
    scene = Scene(
        cohort("root"),
        cohort("a", "root", 4),
        queue("p", "a", 2, reclaim=Policy.ANY, borrow=Policy.LOWER_PRIORITY),
        queue("s", "a", 2),
        queue("t", "root", 0),
    )
    scene.run("s", 3, priority=0)
    scene.run("t", 5, priority=1)
    assert scene.run("p", 3, priority=5) == ["-t/2", "+p/3"]


def test_an_entitlement_once_gained_holds_at_every_level_above():
    """Cohort a's 8 hold the 2 that p asks for, b's 8 do not, as s uses 7 of them; still t, above b, has to give way."""
    scene = Scene(
        cohort("root"),
        cohort("b", "root"),
        cohort("a", "b", 8),
        queue("p", "a", 0, reclaim=Policy.ANY),
        queue("s", "b", 0),
        queue("t", "root", 0),
    )
    scene.run("s", 6, priority=1)
    scene.run("s", 1, priority=1)
    scene.run("t", 1)
    assert scene.run("p", 2, priority=1) == ["-s/2 -t/3", "+p/4"]


def test_nobody_below_a_cohort_that_is_back_within_its_quota_is_evicted():
    """When x1's last has gone, cohort x uses the 4 that it has. x2 borrows all of them from its cohort, and keeps them: y is next."""
    scene = Scene(
        cohort("root"),
        cohort("x", "root", 4),
        queue("x1", "x", 0),
        queue("x2", "x", 0),
        queue("y", "root", 0),
        queue("p", "root", 4, reclaim=Policy.ANY),
    )
    for name in ("y", "x2", "x2", "x1"):
        scene.run(name, 2)
    assert scene.run("p", 4) == ["-x1/4 -y/1", "+p/5"]


def test_of_equal_shares_that_of_the_cohort_is_taken():
    """q and cohort c borrow 2 each. q's work is the newer, so it would go first if queues and cohorts were ranked alike."""
    scene = Scene(
        cohort("root"),
        cohort("c", "root"),
        queue("c1", "c", 0),
        queue("q", "root", 0),
        queue("p", "root", 4, reclaim=Policy.ANY),
        fair_sharing=True,
    )
    scene.run("c1", 2)
    scene.run("q", 2)
    assert scene.run("p", 2) == ["-c1/1", "+p/3"]


def test_who_asks_for_nothing_borrowed_goes_before_a_lower_share():
    """One of two heads gets the last 2 gpu. rich borrows 60 % of all cpu, but its gpu are its own; poor would borrow 20 % of the gpu."""
    both = {"cpu": 0, "gpu": 0}
    scene = Scene(
        cohort("root"),
        queue("rich", "root", {"f": both | {"gpu": 2}}),
        queue("poor", "root", {"f": both | {"cpu": 2}}),
        queue("lender", "root", {"f": {"cpu": 8, "gpu": 8}}),
        fair_sharing=True,
    )
    scene.run("rich", {"cpu": 6})
    scene.run("lender", {"gpu": 8})
    scene.submit("poor", {"gpu": 2})
    scene.submit("rich", {"gpu": 2})
    assert scene.settle() == ["+rich/4"]


def test_a_head_whose_victims_are_taken_looks_for_others_in_the_flavor_it_was_given_first():
    """p1 and p2 both want v/2, which uses 2 of each flavor. p1 gets it; with it gone p2 would fit f1, but was nominated for f2."""
    own = {"f1": {"gpu": 0}, "f2": {"gpu": 2}}
    scene = Scene(
        cohort("root", None, {"f1": {"gpu": 2}}),
        queue("p1", "root", own, reclaim=Policy.ANY),
        queue("p2", "root", own, reclaim=Policy.ANY),
        queue("v", "root", {"f2": {"gpu": 0}, "f1": {"gpu": 0}}),
        recomputes_overlaps=True,
    )
    scene.run("v", 2)
    two_flavors = pods({"gpu": 2}, {"gpu": 2})
    assert scene.run("v", two_flavors) == ["+v/2"]
    assert scene.engine.usage("v") == {("f2", "gpu"): 4, ("f1", "gpu"): 2}
    scene.submit("p1", 2)
    scene.submit("p2", 2)
    assert scene.settle()[0] == "-v/1 -v/2"


def test_a_head_that_others_only_kept_from_its_room_goes_on_to_the_next_flavor():
    """strict finds no victims and keeps its room of f1 from the others, cycle after cycle; loose then takes f2."""
    scene = Scene(
        cohort("root"),
        queue("strict", "root", {"f1": {"gpu": 4}}, strategy=QueueingStrategy.STRICT_FIFO),
        queue("loose", "root", {"f1": {"gpu": 0}, "f2": {"gpu": 2}}),
        queue("holder", "root", {"f1": {"gpu": 0}}),
    )
    scene.run("holder", 2)
    scene.submit("strict", 4)
    scene.submit("loose", 2)
    assert scene.settle() == ["+loose/3"]
    assert scene.engine.usage("loose") == {("f2", "gpu"): 2}


def three_heads(vain: int | tuple[PodSet, ...]) -> Scene:
    """hopeful and other both fit, but not together. With fair sharing a would hold 12 with hopeful, b 13 with other."""
    scene = Scene(
        cohort("root", None, 20),
        cohort("a", "root"),
        cohort("b", "root"),
        queue("vain", "a", 0, reclaim=Policy.ANY),
        queue("hopeful", "a", 0, reclaim=Policy.ANY),
        queue("other", "b", 0, reclaim=Policy.ANY),
        fair_sharing=True,
    )
    scene.run("hopeful", 4)
    scene.run("other", 6)
    scene.submit("vain", vain)
    scene.submit("hopeful", 8)
    scene.submit("other", 7)
    return scene


def test_a_head_that_gets_nothing_still_stands_in_front_of_another_of_its_cohort():
    """vain's queue would hold 11, hopeful's 12, so vain stands for a, which would hold 15 with it: other goes first."""
    assert three_heads(vain=11).settle()[0] == "+other/5"


def test_so_does_one_of_which_only_the_first_pod_set_could_ever_fit():
    assert three_heads(vain=pods({"gpu": 11}, {"gpu": 30})).settle()[0] == "+other/5"


def test_one_that_could_never_fit_takes_part_with_nothing_and_is_soon_out_of_the_way():
    assert three_heads(vain=30).settle()[0] == "+hopeful/4"


def test_own_work_that_would_go_does_not_bring_a_queue_within_its_quota():
    """With p/2 in, p's queue is above its 2, and stands above v in gpu. Were p/1, of lower priority, counted as gone, it would be within
    them, and evict v without comparing shares. Kueue asks before anybody has gone."""
    scene = Scene(
        cohort("root", None, {"f": {"gpu": 0, "cpu": 8}}),
        queue("p", "root", {"f": {"gpu": 2, "cpu": 0}}, reclaim=Policy.ANY, within_queue=Policy.LOWER_PRIORITY),
        queue("v", "root", {"f": {"gpu": 6, "cpu": 0}}),
        fair_sharing=True,
    )
    scene.run("p", {"gpu": 1})
    scene.run("p", {"cpu": 8}, priority=9)
    scene.run("v", {"gpu": 5}, {"gpu": 2})
    assert scene.admitted() == "p/1 p/2 v/3 v/4"
    assert scene.run("p", {"gpu": 2}, priority=5) == []


def test_of_equal_shares_priority_goes_next_and_then_age():
    def winner(**first: int) -> str:
        scene = Scene(cohort("root", None, 2), queue("a", "root", 0), queue("b", "root", 0), fair_sharing=True)
        scene.submit("a", 2, **first)
        scene.submit("b", 2, created_at=3)
        return scene.settle()[0]

    assert winner() == "+a/1"
    assert winner(priority=-1) == "+b/2"
    assert winner(created_at=4) == "+b/2"


def overlapping(*, recomputes_overlaps: bool) -> Scene:
    """p1 and p2 both need the 4 that v borrows. p1 evicts it, so p2 will fit once it has gone."""
    scene = Scene(
        cohort("root"),
        queue("p1", "root", 3, reclaim=Policy.ANY),
        queue("p2", "root", {"f": {"gpu": 3}, "none": {"gpu": 0}}, reclaim=Policy.ANY),
        queue("p3", "root", 0),
        queue("v", "root", 0),
        recomputes_overlaps=recomputes_overlaps,
    )
    scene.run("v", 4)
    scene.submit("p1", 3)
    scene.submit("p2", 3)
    return scene


def test_a_head_that_will_fit_when_the_victims_of_others_have_gone_holds_its_room_until_then():
    """p3 asks for the 2 that are free now, but they will be p2's."""
    scene = overlapping(recomputes_overlaps=True)
    scene.submit("p3", 2)
    assert scene.settle() == ["-v/1", "+p1/2 +p2/3"]


def test_where_overlaps_are_not_recomputed_it_is_passed_over_and_holds_nothing():
    """p3 gets the 2 that are free, and has to give them back when p2's turn comes."""
    scene = overlapping(recomputes_overlaps=False)
    scene.submit("p3", 2)
    assert scene.settle() == ["+p3/4 -v/1", "+p1/2", "-p3/4", "+p2/3"]


def test_it_stays_first_in_its_queue_and_begins_its_search_for_a_flavor_anew():
    scene = overlapping(recomputes_overlaps=True)
    assert not scene.engine.settle(most_rounds=1).is_settled
    scene.submit("p2", 3, priority=9)
    assert scene.settle() == ["+p1/2 +p2/3"]


@pytest.mark.parametrize(("is_deep", "expected"), [(False, []), (True, ["-a/1", "+p/2"])])
def test_below_a_cohort_of_cohorts_everything_is_tried_again_when_a_queue_admits(is_deep: bool, expected: list[str]):
    """p finds no victim while a keeps to its 7. Then a borrows 1 with work of higher priority: its first work could be evicted now.
    Kueue notices in a deep tree, where it looks at the cohorts of a queue whose counts have changed, and not in a flat one."""
    nodes = (
        queue("a", "mid", 7),
        queue("p", "mid", 0, reclaim=Policy.ANY, borrow=Policy.LOWER_PRIORITY),
    )
    scene = Scene(cohort("root"), cohort("mid", "root" if is_deep else None, 3), *nodes)
    scene.run("a", 7)
    assert scene.run("p", 4, priority=5) == []
    assert scene.run("a", 1, priority=3) == ["+a/3", *expected]


@pytest.mark.parametrize("prefers_preemption", [False, True])
def test_where_preemption_goes_before_borrowing_one_that_borrows_elsewhere_evicts_nobody(prefers_preemption: bool):
    """p's cpu is guaranteed and lent to v, its memory would be borrowed and is free. Kueue takes that for a fit, and passes p over."""
    anything = Fungibility.TRY_NEXT_FLAVOR
    scene = Scene(
        cohort("root"),
        queue(
            "p",
            "root",
            {"f": {"cpu": 4, "memory": 0}},
            reclaim=Policy.ANY,
            borrow=Policy.LOWER_PRIORITY,
            when_can_borrow=anything,
            when_can_preempt=anything,
            prefers_preemption_over_borrowing=prefers_preemption,
        ),
        queue("v", "root", {"f": {"cpu": 0, "memory": 4}}),
    )
    scene.run("v", {"cpu": 4, "memory": 1})
    decided = scene.run("p", {"cpu": 2, "memory": 1}, priority=5)
    if not prefers_preemption:
        assert decided == ["-v/1", "+p/2"]
        return
    assert decided == []
    assert scene.engine.explain("p/2").standing is Standing.WAITING_FOR_QUOTA
    scene.engine.finish("v/1")
    assert scene.settle() == ["+p/2"]
