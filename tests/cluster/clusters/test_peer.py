"""Our gateway beside the official client, on the same server: both must see and do the same."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client as official
from kubernetes import config

from clusters.kube.applying import apply_object
from clusters.kube.client import KubeClient
from clusters.kube.errors import ApplyConflictError
from clusters.kube.kinds import CONFIG_MAP, NODE, POD
from clusters.kube.parsing.nodes import parse_node
from clusters.kube.parsing.pods import parse_pod
from clusters.kube.reading import find_object, list_objects
from sandbox.cluster import Sandbox
from tests.cluster.conftest import TestNamespace


@pytest.fixture
def peer(sandbox: Sandbox) -> Any:  # Any: in the official client's types everything may be None
    loaded = config.new_client_from_config(str(sandbox.kubeconfig))  # type: ignore[no-untyped-call]  # its own gap
    return official.CoreV1Api(loaded)


def test_both_see_the_same_nodes(api: KubeClient, peer: Any):
    theirs = {node.metadata.uid: node for node in peer.list_node().items}
    ours = {node.uid: node for node in map(parse_node, list_objects(api, NODE))}
    assert ours.keys() == theirs.keys()
    for uid, node in ours.items():
        other = theirs[uid]
        assert (node.name, node.labels, node.created_at) == (
            other.metadata.name,
            other.metadata.labels,
            other.metadata.creation_timestamp,
        )
        assert node.gpu_allocatable == int(other.status.allocatable["nvidia.com/gpu"])
        ready = next(condition for condition in other.status.conditions if condition.type == "Ready")
        assert (node.is_ready, node.ready_since) == (ready.status == "True", ready.last_transition_time)


def test_both_see_the_same_pod(api: KubeClient, peer: Any, namespace: TestNamespace):
    resources = {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"nvidia.com/gpu": "1"}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": namespace.name},
        "spec": {"containers": [{"name": "main", "image": "x", "resources": resources}]},
    }
    namespace.apply(pod)
    other = peer.read_namespaced_pod("one", namespace.name)
    (raw,) = list_objects(api, POD, namespace=namespace.name)
    ours = parse_pod(raw)
    assert (ours.uid, ours.created_at) == (other.metadata.uid, other.metadata.creation_timestamp)
    assert ours.requests == {"cpu": 250, "memory": 64 * 1024**2, "nvidia.com/gpu": 1}
    assert other.spec.containers[0].resources.requests["nvidia.com/gpu"] == "1", (
        "the server adds the request for a limit"
    )


def test_a_field_of_the_peer_is_a_conflict_for_us(admin_api: KubeClient, peer: Any, namespace: TestNamespace):
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", "namespace": namespace.name}}
    peer.create_namespaced_config_map(namespace.name, {**manifest, "data": {"key": "theirs"}}, field_manager="peer")
    with pytest.raises(ApplyConflictError) as caught:
        apply_object(admin_api, {**manifest, "data": {"key": "ours"}})
    assert [(conflict.manager, conflict.field) for conflict in caught.value.conflicts] == [("peer", "data.key")]
    apply_object(admin_api, {**manifest, "data": {"key": "ours"}}, force=True)
    found = find_object(admin_api, CONFIG_MAP, "one", namespace=namespace.name)
    theirs = peer.read_namespaced_config_map("one", namespace.name)
    assert found is not None
    assert found["data"] == theirs.data == {"key": "ours"}
