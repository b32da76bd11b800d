"""The sandbox is a real cluster: what the other cluster tests take for granted, checked with kubectl alone."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from aidashboard.stack.waiting import wait_until
from sandbox import kwok
from sandbox.checking import CORE_PROCESSES
from sandbox.cluster import Sandbox
from sandbox.errors import KubectlError
from tests.cluster.conftest import TestNamespace, build_node, create_nodes

# --- the cluster as a whole


def test_client_and_server_have_the_locked_version(sandbox: Sandbox):
    versions = json.loads(sandbox.kubectl("version", "-o", "json"))
    assert versions["serverVersion"]["gitVersion"] == versions["clientVersion"]["gitVersion"] == "v1.36.3"


def test_every_process_runs(sandbox: Sandbox):
    assert set(sandbox.supervisor.names) >= set(CORE_PROCESSES)
    assert all(sandbox.supervisor.is_running(name) for name in CORE_PROCESSES)


def test_every_api_service_is_available(sandbox: Sandbox):
    available = {
        item["metadata"]["name"]: condition["status"]
        for item in _get(sandbox, "apiservices")["items"]
        for condition in item["status"]["conditions"]
        if condition["type"] == "Available"
    }
    assert available["v1beta2.visibility.kueue.x-k8s.io"] == "True"
    assert set(available.values()) == {"True"}


def test_everything_listens_on_loopback_only(sandbox: Sandbox):
    for name in CORE_PROCESSES:
        connections = psutil.Process(sandbox.supervisor.pid(name)).net_connections("tcp")
        listening = {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
        assert listening, f"{name} listens nowhere"
        assert listening <= {"127.0.0.1", "::1"}, f"{name} listens on {listening}"


def test_keys_and_kubeconfigs_are_private(sandbox: Sandbox):
    secrets = [sandbox.kubeconfig, *sandbox.layout.certificates.rglob("*.key"), *sandbox.layout.kubeconfigs.iterdir()]
    assert len(secrets) > 10
    assert {path.stat().st_mode & 0o077 for path in secrets} == {0}


# --- pods and nodes


def test_a_pod_is_scheduled_and_runs_until_it_is_deleted(namespace: TestNamespace):
    namespace.apply(_pod("forever"))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/forever", "--timeout=30s")
    namespace.kubectl("delete", "pod/forever", "--timeout=30s")


def test_a_pod_with_a_delay_completes_after_it(namespace: TestNamespace):
    namespace.apply(_pod("brief", {kwok.COMPLETE_AFTER: "1s"}))
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/brief", "--timeout=30s")
    state = _get(namespace, "pod/brief")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert state["exitCode"] == 0
    assert state["startedAt"] < state["finishedAt"], "the run time is kept"


def test_a_pod_that_shall_fail_does_so_with_its_reason(namespace: TestNamespace):
    annotations = {kwok.FAIL_AFTER: "500ms", kwok.FAIL_REASON: "OOMKilled", kwok.FAIL_EXIT_CODE: "137"}
    namespace.apply(_pod("greedy", annotations))
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/greedy", "--timeout=30s")
    state = _get(namespace, "pod/greedy")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (state["reason"], state["exitCode"]) == ("OOMKilled", 137)


def test_a_pod_can_be_stuck_before_its_containers_start(namespace: TestNamespace):
    namespace.apply(_pod("typo", {kwok.STUCK_REASON: "ImagePullBackOff"}))
    reason = "{.status.containerStatuses[0].state.waiting.reason}"
    namespace.kubectl("wait", f"--for=jsonpath={reason}=ImagePullBackOff", "pod/typo", "--timeout=30s")
    assert _get(namespace, "pod/typo")["status"]["phase"] == "Pending"


def test_logs_of_any_pod_are_those_of_a_training_run(namespace: TestNamespace):
    namespace.apply(_pod("talks"))
    namespace.kubectl("wait", "--for=condition=Ready", "pod/talks", "--timeout=30s")
    lines = namespace.kubectl("logs", "talks", "--tail=5", "--timestamps").splitlines()
    assert len(lines) == 5
    assert "loss" in "".join(lines)


def test_a_labelled_node_is_not_ready_until_the_label_goes(sandbox: Sandbox, namespace: TestNamespace):
    name = f"{namespace.name}-node"
    create_nodes(sandbox, build_node(name, labels={**namespace.labels, kwok.NOT_READY: "true"}))
    sandbox.kubectl("wait", "--for=condition=Ready=False", f"node/{name}", "--timeout=30s")
    taints = "{.spec.taints[*].key}"
    wait_until(
        lambda: "node.kubernetes.io/not-ready" in sandbox.kubectl("get", "node", name, "-o", f"jsonpath={taints}"),
        seconds=20,
        describe="the node controller to taint the node",
    )
    sandbox.kubectl("label", "node", name, f"{kwok.NOT_READY}-")
    sandbox.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=30s")


# --- rights


def test_a_token_kubeconfig_has_the_rights_of_its_service_account_and_no_more(
    sandbox: Sandbox, namespace: TestNamespace, tmp_path: Path
):
    name = namespace.name
    namespace.kubectl("create", "serviceaccount", "reader")
    namespace.kubectl("create", "rolebinding", "reader", "--clusterrole=view", f"--serviceaccount={name}:reader")
    file = tmp_path / "kubeconfig"
    file.write_text(sandbox.token_kubeconfig(name, "reader"))

    assert "system:serviceaccount" in sandbox.kubectl_as(file, "auth", "whoami")
    sandbox.kubectl_as(file, "get", "pods")
    for forbidden in (["get", "nodes"], ["get", "secrets"], ["-n", "default", "get", "pods"], ["create", "ns", "x"]):
        with pytest.raises(KubectlError, match="orbidden"):
            sandbox.kubectl_as(file, *forbidden)


# --- Kueue


def test_the_conversion_webhook_serves_the_old_version(sandbox: Sandbox, namespace: TestNamespace):
    namespace.apply(_flavor(namespace), _cluster_queue(namespace, "old", parent=None, cpu=1, limit=None))
    old = _get(sandbox, f"clusterqueues.v1beta1.kueue.x-k8s.io/{namespace.name}-old")
    assert old["apiVersion"] == "kueue.x-k8s.io/v1beta1"


def test_the_validating_webhook_refuses_nonsense(namespace: TestNamespace):
    queue = _cluster_queue(namespace, "bad", parent=f"{namespace.name}-root", cpu=10, limit=None)
    queue["spec"]["resourceGroups"][0]["flavors"][0]["resources"][0]["lendingLimit"] = 20
    with pytest.raises(KubectlError, match="lendingLimit"):
        namespace.apply(queue)


def test_the_visibility_api_tells_the_position_in_the_queue(sandbox: Sandbox, namespace: TestNamespace):
    namespace.apply(
        _flavor(namespace),
        _cluster_queue(namespace, "small", parent=None, cpu=5, limit=None),
        _local_queue(namespace.name, f"{namespace.name}-small"),
        *(_job(f"job-{index}") for index in range(3)),
    )
    path = f"/apis/visibility.kueue.x-k8s.io/v1beta2/clusterqueues/{namespace.name}-small/pendingworkloads"

    def read_positions() -> list[int]:
        return [item["positionInClusterQueue"] for item in json.loads(sandbox.kubectl("get", "--raw", path))["items"]]

    wait_until(lambda: read_positions() == [0, 1], seconds=20, describe="two jobs to wait in order")


# --- metrics


def test_prometheus_scrapes_kueue_and_the_state_of_the_cluster(sandbox: Sandbox):
    wait_until(
        lambda: _query(sandbox, "kueue_build_info") != [] and _query(sandbox, "kube_node_info") != [],
        seconds=40,
        describe="Prometheus to have scraped both",
    )


# --- what the tests are made of


def _get(where: Sandbox | TestNamespace, what: str) -> Any:  # raw Kubernetes JSON
    return json.loads(where.kubectl("get", what, "-o", "json"))


def _query(sandbox: Sandbox, expression: str) -> Any:  # raw JSON of Prometheus
    url = f"{sandbox.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - http on loopback
        return json.load(response)["data"]["result"]


def _pod(name: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": {"containers": [{"name": "main", "image": "train:1"}]},
    }


def _job(name: str, *, cpu: int = 5) -> dict[str, Any]:
    container = {"name": "main", "image": "train:1", "resources": {"requests": {"cpu": str(cpu)}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"kueue.x-k8s.io/queue-name": "default"}},
        "spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never"}}},
    }


def _flavor(namespace: TestNamespace) -> dict[str, Any]:
    return {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": namespace.name}}


def _cluster_queue(
    namespace: TestNamespace, leaf: str, *, parent: str | None, cpu: int, limit: int | None
) -> dict[str, Any]:
    quota: dict[str, Any] = {"name": "cpu", "nominalQuota": cpu} | ({} if limit is None else {"borrowingLimit": limit})
    spec: dict[str, Any] = {
        "namespaceSelector": {},
        "resourceGroups": [
            {"coveredResources": ["cpu"], "flavors": [{"name": namespace.name, "resources": [quota]}]},
        ],
        "preemption": {
            "reclaimWithinCohort": "Any",
            "withinClusterQueue": "LowerPriority",
            "borrowWithinCohort": {"policy": "Never"},
        },
    }
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": f"{namespace.name}-{leaf}"},
        "spec": spec | ({"cohortName": parent} if parent else {}),
    }


def _local_queue(namespace: str, cluster_queue: str) -> dict[str, Any]:
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "LocalQueue",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"clusterQueue": cluster_queue},
    }
