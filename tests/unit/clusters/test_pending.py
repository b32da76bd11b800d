"""What the writer keeps between batches: the last word on an object wins, and only what changed is written."""

from __future__ import annotations

from typing import Any

from clusters.kube.kinds import CLUSTER_QUEUE, JOB, LOCAL_QUEUE, NODE, POD, WORKLOAD, Kind
from clusters.kube.parsing.nodes import parse_node
from clusters.kube.parsing.pods import parse_job, parse_pod
from clusters.kube.parsing.queues import parse_queue
from clusters.kube.parsing.workloads import parse_workload
from clusters.observe.changes import Facts, Relisted, Seen, Vanished
from clusters.observe.pending import PendingCluster
from tests.unit.clusters.recorded import load

GPU = "nvidia.com/gpu"


def seen(kind: Kind, *facts: Facts) -> Seen:
    return Seen(cluster_id=1, kind=kind, facts=facts)


def node(name: str = "gpu-0", **changes: Any) -> Any:
    raw = load("node")
    raw["metadata"] |= {"name": name, "uid": f"uid-{name}"} | changes
    return parse_node(raw)


def outside_pod(name: str, *, node_name: str = "gpu-0", phase: str = "Running", gpus: int = 1) -> Any:
    raw = load("pod")
    raw["metadata"] |= {"labels": {}, "annotations": {}, "uid": f"uid-{name}", "name": name}
    raw["spec"] |= {"nodeName": node_name, "containers": [{"resources": {"requests": {GPU: str(gpus), "cpu": "4"}}}]}
    raw["status"]["phase"] = phase
    return parse_pod(raw)


def test_the_last_word_on_an_object_wins():
    pending = PendingCluster(cluster_id=1)
    pending.note(seen(NODE, node(resourceVersion="1")))
    pending.note(seen(NODE, node(resourceVersion="2")))
    assert [row["resource_version"] for row in pending.list_changed(NODE)] == ["2"]
    pending.note(Vanished(cluster_id=1, kind=NODE, uids=("uid-gpu-0",)))
    assert list(pending.list_changed(NODE)) == []
    assert not pending.has_changes


def test_a_heartbeat_writes_nothing():
    pending = PendingCluster(cluster_id=1)
    pending.note(seen(NODE, node(resourceVersion="1")))
    pending.clear({NODE: list(pending.list_changed(NODE))})
    pending.note(seen(NODE, node(resourceVersion="2")))
    assert list(pending.list_changed(NODE)) == []


def test_only_rows_that_exist_are_deleted():
    pending = PendingCluster(cluster_id=1, known={NODE: {"uid-gpu-0": "hash"}})
    pending.note(Vanished(cluster_id=1, kind=NODE, uids=("uid-gpu-0", "uid-never-seen")))
    assert pending.deletes == {NODE: {"uid-gpu-0"}}
    pending.note(seen(NODE, node()))
    assert pending.deletes == {NODE: set()}


def test_what_a_fresh_list_does_not_have_is_gone():
    pending = PendingCluster(cluster_id=1, known={NODE: {"uid-old": "hash", "uid-gpu-0": "hash"}})
    pending.note(seen(NODE, node(), node("gpu-1")))
    pending.note(Relisted(cluster_id=1, kind=NODE, uids=frozenset({"uid-gpu-0"})))
    assert pending.deletes == {NODE: {"uid-old"}}
    assert [row["name"] for row in pending.list_changed(NODE)] == ["gpu-0"]


def test_a_list_of_one_kind_leaves_others_alone():
    pending = PendingCluster(cluster_id=1, known={LOCAL_QUEUE: {"uid-a": "hash"}})
    pending.note(Relisted(cluster_id=1, kind=CLUSTER_QUEUE, uids=frozenset()))
    assert not pending.has_changes


def test_a_workload_learns_from_its_job_and_its_queue():
    pending = PendingCluster(cluster_id=1)
    workload = parse_workload(load("workload_j1"))
    raw = load("job")
    raw["metadata"]["uid"] = workload.owner_uid
    queue = load("local_queue")
    queue["metadata"]["namespace"] = workload.namespace
    pending.note(seen(WORKLOAD, workload))
    pending.note(seen(JOB, parse_job(raw)))
    pending.note(seen(LOCAL_QUEUE, parse_queue(queue, LOCAL_QUEUE)))
    (row,) = pending.list_changed(WORKLOAD)
    assert (row["submitted_by"], row["cluster_queue"]) == ("linus", "team-b")
    assert pending.moved_places == {("team-a", "default")}


def test_capacity_is_unknown_until_nodes_and_pods_are_listed():
    pending = PendingCluster(cluster_id=1)
    pending.note(seen(NODE, node()))
    pending.note(Relisted(cluster_id=1, kind=NODE, uids=frozenset({"uid-gpu-0"})))
    assert pending.capacity.find_capacity() is None
    pending.note(Relisted(cluster_id=1, kind=POD, uids=frozenset()))
    total, schedulable = pending.capacity.find_capacity() or ({}, {})
    assert total[GPU] == schedulable[GPU] == 8


def test_schedulable_is_what_open_nodes_have_less_what_pods_outside_kueue_hold():
    pending = PendingCluster(cluster_id=1)
    cordoned = load("node")
    cordoned["metadata"] |= {"uid": "uid-c", "name": "c"}
    cordoned["spec"]["unschedulable"] = True
    pods = (
        outside_pod("a"),
        outside_pod("done", phase="Succeeded"),
        outside_pod("elsewhere", node_name="c"),
        outside_pod("unbound", node_name=""),
        parse_pod(load("pod")),
    )
    pending.note(seen(NODE, node(), parse_node(cordoned)))
    pending.note(seen(POD, *pods))
    pending.note(Relisted(cluster_id=1, kind=NODE, uids=frozenset({"uid-gpu-0", "uid-c"})))
    pending.note(Relisted(cluster_id=1, kind=POD, uids=frozenset(pod.uid for pod in pods)))
    total, schedulable = pending.capacity.find_capacity() or ({}, {})
    assert total[GPU] == 16
    assert (schedulable[GPU], schedulable["cpu"], schedulable["pods"]) == (7, 92_000, 109)
    pending.note(seen(POD, outside_pod("a", phase="Succeeded")))
    assert (pending.capacity.find_capacity() or ({}, {}))[1][GPU] == 8
