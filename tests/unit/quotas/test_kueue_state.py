"""Kueue's objects read as the engine's values. The JSON is what a running Kueue 0.19.2 answered, shortened."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quotas.backends.kueue_state import read_forest, read_queue_names, read_work, read_works
from quotas.domain.engine import (
    CohortSpec,
    Engine,
    FlavorQuotas,
    FlavorSpec,
    Fungibility,
    NodeRequirement,
    PodSet,
    Policy,
    QueueingStrategy,
    QueueSpec,
    Quota,
    Reservation,
    ResourceGroup,
    StopPolicy,
    Taint,
    TaintEffect,
    Toleration,
)

Json = dict[str, Any]  # Any: JSON
GI = 2**30
QUEUES = {("default", "q0"): "q0"}


@pytest.fixture
def objects() -> dict[str, list[Json]]:
    """By kind, in the order in which the cluster listed them."""
    text = (Path(__file__).parent / "kueue" / "objects.json").read_text()
    found: dict[str, list[Json]] = {}
    for item in json.loads(text)["items"]:
        found.setdefault(item["kind"], []).append(item)
    return found


def test_a_queue_has_all_that_its_spec_says(objects: dict[str, list[Json]]):
    forest = read_forest(
        cluster_queues=objects["ClusterQueue"], cohorts=objects["Cohort"], flavors=objects["ResourceFlavor"]
    )
    quotas = {
        "cpu": Quota(nominal=2000, borrowing_limit=1000, lending_limit=500),
        "memory": Quota(nominal=GI),
    }
    assert forest.queues == (
        QueueSpec(
            name="q0",
            parent="team",
            groups=(ResourceGroup(flavors=(FlavorQuotas(flavor="f1", quotas=quotas),)),),
            within_queue=Policy.LOWER_PRIORITY,
            reclaim=Policy.ANY,
            borrow=Policy.LOWER_PRIORITY,
            borrow_threshold=5,
        ),
    )


def test_cohorts_have_parents_quota_and_weights(objects: dict[str, list[Json]]):
    quotas = {"cpu": Quota(nominal=1500), "memory": Quota(nominal=2 * GI)}
    assert read_forest(cluster_queues=[], cohorts=objects["Cohort"]).cohorts == (
        CohortSpec(name="root", groups=(ResourceGroup(flavors=(FlavorQuotas(flavor="f1", quotas=quotas),)),)),
        CohortSpec(name="team", parent="root", weight=1.5),
    )


def test_flavors_have_labels_taints_and_tolerations(objects: dict[str, list[Json]]):
    assert read_forest(cluster_queues=[], cohorts=[], flavors=objects["ResourceFlavor"]).flavors == (
        FlavorSpec(
            name="f1",
            labels={"gpu": "h100"},
            taints=(Taint(key="gpu", value="h100", effect=TaintEffect.NO_SCHEDULE),),
            tolerations=(Toleration(key="gpu", value="h100", effect="NoSchedule"),),
        ),
    )


def test_what_a_spec_leaves_out_has_the_defaults_of_kueue():
    (queue,) = read_forest(cluster_queues=[{"metadata": {"name": "bare"}, "spec": {}}], cohorts=[]).queues
    assert queue == QueueSpec(name="bare")


def test_a_queue_says_how_it_queues_stops_and_chooses_flavors():
    spec = {
        "queueingStrategy": "StrictFIFO",
        "stopPolicy": "HoldAndDrain",
        "fairSharing": {"weight": "500m"},
        "flavorFungibility": {
            "whenCanBorrow": "TryNextFlavor",
            "whenCanPreempt": "TryNextFlavor",
            "preference": "PreemptionOverBorrowing",
        },
    }
    (queue,) = read_forest(cluster_queues=[{"metadata": {"name": "q"}, "spec": spec}], cohorts=[]).queues
    assert queue == QueueSpec(
        name="q",
        weight=0.5,
        strategy=QueueingStrategy.STRICT_FIFO,
        stop=StopPolicy.HOLD_AND_DRAIN,
        when_can_borrow=Fungibility.TRY_NEXT_FLAVOR,
        prefers_preemption_over_borrowing=True,
    )


def test_a_queue_that_kueue_calls_inactive_admits_nothing():
    status = {"conditions": [{"type": "Active", "status": "False", "reason": "FlavorNotFound"}]}
    item = {"metadata": {"name": "q"}, "spec": {"stopPolicy": "None"}, "status": status}
    assert read_forest(cluster_queues=[item], cohorts=[]).queues[0].stop is StopPolicy.HOLD


def test_local_queues_lead_to_their_cluster_queues(objects: dict[str, list[Json]]):
    assert read_queue_names(objects["LocalQueue"]) == QUEUES


def test_admitted_work_holds_what_kueue_counted_since_it_did(objects: dict[str, list[Json]]):
    item = find(objects, "job-j3-32dc5")
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.reservation == Reservation(
        usage={("f1", "cpu"): 1500, ("f1", "memory"): 200 * 2**20}, reserved_at=1795377987
    )
    assert (state.work.name, state.work.queue) == ("default/job-j3-32dc5", "q0")
    assert (state.work.priority, state.work.created_at) == (10, 1795377987)
    assert state.work.uid == "d788e31d-5ad7-4c8a-96b7-b0dcbcc9ca31"
    assert state.work.pod_sets == (
        PodSet(
            name="main",
            count=2,
            requests={"cpu": 750, "memory": 100 * 2**20},
            tolerations=(Toleration(key="gpu", exists=True),),
        ),
    )


def test_waiting_work_asks_for_what_kueue_would_count(objects: dict[str, list[Json]]):
    item = find(objects, "job-j2-fa512")
    item["status"]["resourceRequests"][0]["resources"]["cpu"] = "2"  # an overhead that the template does not show
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.reservation is None
    assert state.work.pod_sets[0].requests == {"cpu": 1000, "memory": 100 * 2**20}
    assert not state.is_parked


def test_work_that_nobody_has_looked_at_asks_for_what_its_template_says(objects: dict[str, list[Json]]):
    item = find(objects, "job-j2-fa512")
    del item["status"]
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.work.pod_sets[0].requests == {"cpu": 750, "memory": 100 * 2**20}


def test_at_rest_what_waits_was_set_aside(objects: dict[str, list[Json]]):
    states = list(read_works(objects["Workload"], QUEUES, is_at_rest=True))
    assert (
        [state.is_parked for state in states] == [state.reservation is None for state in states] == [False, True, False]
    )


def test_pods_that_are_done_no_longer_count(objects: dict[str, list[Json]]):
    item = find(objects, "job-j3-32dc5")
    item["status"]["reclaimablePods"] = [{"name": "main", "count": 1}]
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.reservation is not None
    assert state.reservation.usage == {("f1", "cpu"): 750, ("f1", "memory"): 100 * 2**20}
    assert state.work.pod_sets[0].count == 1


def test_partly_admitted_work_keeps_what_it_asked_for(objects: dict[str, list[Json]]):
    item = find(objects, "job-j3-32dc5")
    item["spec"]["podSets"][0] |= {"count": 5, "minCount": 2}
    state = read_work(item, QUEUES)
    assert state is not None
    assert (state.work.pod_sets[0].count, state.work.pod_sets[0].min_count) == (5, 2)
    assert state.work.pod_sets[0].requests["cpu"] == 750
    assert state.reservation is not None
    assert state.reservation.usage["f1", "cpu"] == 1500


def test_the_count_of_pods_is_the_engines_business(objects: dict[str, list[Json]]):
    item = find(objects, "job-j3-32dc5")
    assignment = item["status"]["admission"]["podSetAssignments"][0]
    assignment["resourceUsage"]["pods"] = "2"
    assignment["flavors"]["pods"] = "f1"
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.reservation is not None
    assert state.reservation.usage["f1", "pods"] == 2
    assert "pods" not in state.work.pod_sets[0].requests


def test_selectors_and_required_affinity_are_read(objects: dict[str, list[Json]]):
    item = find(objects, "job-j2-fa512")
    spec = item["spec"]["podSets"][0]["template"]["spec"]
    term = {"matchExpressions": [{"key": "gpu", "operator": "In", "values": ["h100", "a100"]}]}
    spec["nodeSelector"] = {"zone": "a"}
    spec["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    }
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.work.pod_sets[0].node_selector == {"zone": "a"}
    assert state.work.pod_sets[0].affinity == ((NodeRequirement(key="gpu", operator="In", values=("h100", "a100")),),)


def test_evicted_work_whose_pods_go_still_holds_its_quota(objects: dict[str, list[Json]]):
    item = find(objects, "job-j3-32dc5")
    item["status"]["conditions"].append(
        {"type": "Evicted", "status": "True", "reason": "Preempted", "lastTransitionTime": "2026-11-22T19:40:00Z"}
    )
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.reservation is not None
    assert state.reservation.is_evicting
    assert state.work.queue_time is None, "preempted work keeps its place"


def test_work_that_was_not_ready_in_time_queues_up_again(objects: dict[str, list[Json]]):
    item = find(objects, "job-j2-fa512")
    item["status"]["conditions"].append(
        {
            "type": "Evicted",
            "status": "True",
            "reason": "PodsReadyTimeout",
            "lastTransitionTime": "2026-11-22T19:40:00Z",
        }
    )
    state = read_work(item, QUEUES)
    assert state is not None
    assert state.work.queue_time == 1795376400


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"active": False}},
        {"status": {"conditions": [{"type": "Finished", "status": "True"}]}},
        {"metadata": {"annotations": {"kueue.x-k8s.io/admission-gated-by": "example.com/check"}}},
    ],
)
def test_work_that_takes_no_part_is_left_out(objects: dict[str, list[Json]], change: Json):
    item = find(objects, "job-j2-fa512")
    merged = {key: item[key] | change.get(key, {}) for key in ("metadata", "spec", "status")}
    assert read_work(merged, QUEUES) is None


def test_work_of_a_queue_that_is_not_there_waits_for_it(objects: dict[str, list[Json]]):
    engine = Engine(read_forest(cluster_queues=[], cohorts=[]), work=read_works(objects["Workload"], {}))
    assert engine.settle().decisions == ()
    assert engine.admitted() == frozenset()


def test_the_engine_goes_on_from_what_was_read(objects: dict[str, list[Json]]):
    """1500m of 3 cores each: two of three jobs hold quota, and the third gets it when one of them is done."""
    forest = read_forest(
        cluster_queues=objects["ClusterQueue"], cohorts=objects["Cohort"], flavors=objects["ResourceFlavor"]
    )
    works = read_works(objects["Workload"], read_queue_names(objects["LocalQueue"]), is_at_rest=True)
    engine = Engine(forest, work=works, now=1795378000)
    assert engine.settle().decisions == ()
    engine.finish("default/job-j1-92421")
    engine.settle()
    assert engine.admitted() == {"default/job-j2-fa512", "default/job-j3-32dc5"}


def find(objects: dict[str, list[Json]], name: str) -> Json:
    return next(item for item in objects["Workload"] if item["metadata"]["name"] == name)
