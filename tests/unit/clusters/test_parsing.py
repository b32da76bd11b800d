"""Raw objects become what we keep of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from clusters.domain.states import WorkloadState
from clusters.kube.kinds import CLUSTER_QUEUE, COHORT, LOCAL_QUEUE, RESOURCE_FLAVOR
from clusters.kube.parsing.fields import amounts, ceil_amount, subtract_amounts
from clusters.kube.parsing.nodes import parse_namespace, parse_node
from clusters.kube.parsing.pods import parse_job, parse_pod
from clusters.kube.parsing.queues import parse_queue
from clusters.kube.parsing.requests import sum_pod_requests
from clusters.kube.parsing.workloads import NOT_LOOKED_AT, parse_workload
from clusters.observe.pending import PendingCluster
from tests.unit.clusters.recorded import load

GIB = 1024**3
GPU = "nvidia.com/gpu"


def test_a_ready_node_has_no_reasons():
    node = parse_node(load("node"))
    assert (node.name, node.is_ready, node.is_cordoned, node.reasons) == ("gpu-0", True, False, [])
    assert node.capacity == {"cpu": 96_000, "memory": 1024 * GIB, "pods": 110, GPU: 8}
    assert (node.gpu_model, node.zone, node.internal_ip) == ("NVIDIA-H100-80GB-HBM3", "zone-a", "127.0.0.1")
    assert node.created_at == datetime(2026, 11, 22, 16, 8, 22, tzinfo=UTC)


def test_a_node_says_why_it_takes_no_work():
    raw = load("node")
    raw["spec"]["unschedulable"] = True
    raw["status"]["allocatable"][GPU] = "6"
    for condition in raw["status"]["conditions"]:
        condition["status"] = {"Ready": "Unknown", "DiskPressure": "True"}.get(condition["type"], condition["status"])
        condition["reason"] = "NodeStatusUnknown" if condition["type"] == "Ready" else condition.get("reason", "")
    node = parse_node(raw)
    assert node.reasons == ["NotReady (NodeStatusUnknown)", "Cordoned", "DiskPressure", "2 of 8 GPUs unhealthy"]
    assert (node.is_ready, node.ready_since, node.gpu_allocatable) == (False, None, 6)


def test_a_node_without_status_is_not_ready_and_has_nothing():
    raw = load("node")
    raw["status"] = {}
    node = parse_node(raw)
    assert (node.is_ready, node.capacity, node.reasons) == (False, {}, ["NotReady"])


def test_a_pod_of_kueue_is_queued():
    pod = parse_pod(load("pod"))
    assert (pod.is_queued, pod.phase, pod.node_name, pod.gpu_request) == (True, "Running", "gpu-1", 4)
    assert (pod.owner_kind, pod.owner_name) == ("Job", "j2")
    assert pod.requests == {"cpu": 1000, "memory": GIB, GPU: 4}


@pytest.mark.parametrize(
    ("labels", "annotations", "gates", "is_queued"),
    [
        ({}, {}, [], False),
        ({"app": "web"}, {}, [{"name": "other"}], False),
        ({"kueue.x-k8s.io/queue-name": "default"}, {}, [], True),
        ({}, {"kueue.x-k8s.io/workload": "job-x"}, [], True),
        ({}, {}, [{"name": "kueue.x-k8s.io/admission"}], True),
    ],
)
def test_labels_annotation_or_gate_of_kueue_make_a_pod_queued(labels, annotations, gates, is_queued):
    raw = load("pod")
    raw["metadata"] |= {"labels": labels, "annotations": annotations}
    raw["spec"]["schedulingGates"] = gates
    assert parse_pod(raw).is_queued is is_queued


def test_only_pods_that_hold_or_want_something_are_kept():
    raw = load("pod")
    raw["metadata"] |= {"labels": {}, "annotations": {}}
    assert parse_pod(raw).is_relevant
    for container in raw["spec"]["containers"]:
        container["resources"] = {"requests": {"cpu": "1"}}
    assert parse_pod(raw).is_relevant
    assert not parse_pod(raw | {"status": {"phase": "Succeeded"}}).is_relevant
    assert not parse_pod(raw | {"spec": {**raw["spec"], "nodeName": ""}}).is_relevant


def test_a_pod_says_why_it_does_not_run():
    raw = load("pod")
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    raw["status"]["containerStatuses"] = [{"name": "main", "state": waiting}]
    assert (parse_pod(raw).reason, parse_pod(raw).message) == ("ImagePullBackOff", "no such image")
    raw["status"] = {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/4 nodes"}],
    }
    assert (parse_pod(raw).reason, parse_pod(raw).message) == ("Unschedulable", "0/4 nodes")
    raw["status"] = {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}
    assert (parse_pod(raw).reason, parse_pod(raw).message) == ("Evicted", "low on memory")


def test_requests_count_sidecars_and_the_largest_init_container():
    spec = {
        "initContainers": [
            {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}},
            {"name": "load", "resources": {"requests": {"cpu": "4", "memory": "1Gi"}}},
        ],
        "containers": [
            {"name": "a", "resources": {"requests": {"cpu": "1", "memory": "2Gi"}}},
            {"name": "b", "resources": {"requests": {"cpu": "1"}, "limits": {GPU: "2", "cpu": "3"}}},
        ],
        "overhead": {"memory": "128Mi"},
    }
    assert sum_pod_requests(spec) == {"cpu": 4500, "memory": 2 * GIB + 128 * 1024**2, GPU: 2}


def test_absurd_requests_stay_within_what_can_be_stored():
    """Anybody may submit such work; it must wait for ever, not stop the inventory."""
    container = {"resources": {"requests": {"memory": "8Ei"}}}
    raw = load("workload_j4")
    raw["status"] = {}
    raw["spec"]["podSets"] = [{"count": 12, "template": {"spec": {"containers": [container] * 3}}}]
    workload = parse_workload(raw)
    assert workload.requests == {"memory": 2**63 - 1}
    assert PendingCluster(cluster_id=1).build_values(workload)["content_hash"]


def test_a_request_of_the_whole_pod_replaces_the_sum():
    spec = {
        "resources": {"requests": {"cpu": "8"}},
        "containers": [{"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}],
    }
    assert sum_pod_requests(spec) == {"cpu": 8000, "memory": GIB}


def test_a_job_knows_who_submitted_it():
    job = parse_job(load("job"))
    assert (job.name, job.submitted_by, job.queue_name, job.is_suspended) == ("j4", "linus", "default", False)
    assert (job.parallelism, job.outcome, job.finished_at) == (1, "", None)


def test_a_job_that_failed_says_so():
    raw = load("job")
    raw["status"] = {
        "failed": 3,
        "conditions": [{"type": "Failed", "status": "True", "lastTransitionTime": "2026-11-22T17:00:00Z"}],
    }
    job = parse_job(raw)
    assert (job.outcome, job.failed, job.finished_at) == ("failed", 3, datetime(2026, 11, 22, 17, tzinfo=UTC))


def test_an_admitted_workload_holds_what_kueue_charges():
    workload = parse_workload(load("workload_j2"))
    assert (workload.state, workload.cluster_queue, workload.queue_name) == (
        WorkloadState.ADMITTED,
        "team-a",
        "default",
    )
    assert (workload.owner_kind, workload.owner_name, workload.gpu_request) == ("Job", "j2", 4)
    assert workload.requests == {"cpu": 1000, "memory": GIB, GPU: 4}
    assert workload.admitted_at is not None
    assert workload.evictions == 0


def test_a_pending_workload_says_why():
    workload = parse_workload(load("workload_big"))
    assert (workload.state, workload.reason, workload.cluster_queue) == (WorkloadState.PENDING, "Pending", "")
    assert "maximum capacity (8)" in workload.message
    assert workload.gpu_request == 100
    assert (workload.queued_at, workload.reserved_at) == (workload.created_at, None)


def test_an_evicted_workload_waits_since_its_eviction():
    workload = parse_workload(load("workload_j1"))
    assert (workload.state, workload.reason, workload.evictions) == (WorkloadState.EVICTED, "Preempted", 1)
    assert "preemptor path: /root/team-b" in workload.message
    assert workload.queued_at == workload.evicted_at == datetime(2026, 11, 22, 16, 27, 22, tzinfo=UTC)
    assert (workload.pod_count, workload.gpu_request, workload.cluster_queue) == (2, 4, "")
    assert {condition["type"] for condition in workload.conditions} >= {"QuotaReserved", "Evicted", "Preempted"}


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("Succeeded", WorkloadState.FINISHED),
        ("Failed", WorkloadState.FAILED),
        ("AdmissionChecksRejected", WorkloadState.FAILED),
        ("OutOfSync", WorkloadState.FINISHED),
    ],
)
def test_a_finished_workload_is_finished_whatever_else_it_was(reason, state):
    raw = load("workload_j2")
    raw["status"]["conditions"].append(
        {
            "type": "Finished",
            "status": "True",
            "reason": reason,
            "message": "",
            "lastTransitionTime": "2026-11-22T17:00:00Z",
        }
    )
    workload = parse_workload(raw)
    assert (workload.state, workload.finished_at) == (state, datetime(2026, 11, 22, 17, tzinfo=UTC))


def test_a_workload_with_quota_but_open_checks_is_reserved():
    raw = load("workload_j2")
    raw["status"]["conditions"] = [
        {
            "type": "QuotaReserved",
            "status": "True",
            "reason": "QuotaReserved",
            "lastTransitionTime": "2026-11-22T17:00:00Z",
        },
        {"type": "Admitted", "status": "False", "reason": "UnsatisfiedAdmissionChecks", "message": "check p: Pending"},
    ]
    workload = parse_workload(raw)
    assert (workload.state, workload.reason) == (WorkloadState.RESERVED, "UnsatisfiedAdmissionChecks")


def test_a_workload_that_kueue_has_not_seen_counts_its_templates():
    raw = load("workload_j1")
    raw["status"] = {}
    workload = parse_workload(raw)
    assert (workload.state, workload.reason) == (WorkloadState.PENDING, NOT_LOOKED_AT)
    assert workload.requests == {"cpu": 2000, "memory": 2 * GIB, GPU: 4}


def test_queues_have_one_shape():
    queue = parse_queue(load("cluster_queue"), CLUSTER_QUEUE)
    assert (queue.kind, queue.parent, queue.is_active, queue.reason) == ("ClusterQueue", "root", True, "Ready")
    assert queue.nominal == {"cpu": 8000, "memory": 64 * GIB, GPU: 4}
    assert queue.usage[GPU] == queue.reserved[GPU] == 4
    local = parse_queue(load("local_queue"), LOCAL_QUEUE)
    assert (local.namespace, local.parent, local.pending_workloads) == ("team-b", "team-b", 1)
    cohort = parse_queue(load("cohort"), COHORT)
    assert (cohort.parent, cohort.nominal, cohort.is_active) == ("", {}, True)
    flavor = parse_queue(load("resource_flavor"), RESOURCE_FLAVOR)
    assert (flavor.name, flavor.parent) == ("aidashboard", "")


def test_a_queue_that_kueue_has_not_looked_at_is_not_active():
    raw = load("cluster_queue")
    raw["status"] = {}
    assert not parse_queue(raw, CLUSTER_QUEUE).is_active


def test_a_stopped_queue_says_so():
    raw = load("cluster_queue")
    raw["status"]["conditions"] = [{"type": "Active", "status": "False", "reason": "Stopped", "message": "is stopped"}]
    raw["metadata"]["labels"] = {"aidashboard.io/owner": "quota-tree-3"}
    queue = parse_queue(raw, CLUSTER_QUEUE)
    assert (queue.is_active, queue.reason, queue.message, queue.owner) == (
        False,
        "Stopped",
        "is stopped",
        "quota-tree-3",
    )


def test_a_namespace_has_labels_and_phase():
    namespace = parse_namespace(load("namespace"))
    assert (namespace.name, namespace.phase) == ("team-a", "Active")
    assert namespace.labels["kubernetes.io/metadata.name"] == "team-a"


def test_fine_quantities_round_up_and_malformed_ones_are_left_out():
    assert ceil_amount("cpu", "100u") == 1
    assert ceil_amount("memory", "1500m") == 2
    assert amounts({"cpu": "2", "memory": "10Gb", GPU: 3}) == {"cpu": 2000, GPU: 3}
    assert subtract_amounts({"cpu": 5, GPU: 1}, {"cpu": 7, "memory": 1}) == {"cpu": 0, GPU: 1}


def test_an_odd_object_gives_empty_values():
    raw = load("pod")
    raw["spec"] |= {"containers": "none", "schedulingGates": None, "nodeName": 7}
    raw["status"] = {"phase": None, "conditions": [None, "x"], "reason": "a\x00b"}
    pod = parse_pod(raw)
    assert (pod.phase, pod.requests, pod.node_name, pod.reason) == ("Pending", {}, "", "ab")
