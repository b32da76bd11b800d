"""One real control plane per test run, and a namespace of its own for every test.

Nothing here skips: where the programs of the sandbox are missing they are built, and where that fails the tests fail.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from aidashboard.stack.waiting import wait_until
from sandbox.build import BuildProgress
from sandbox.cluster import Sandbox
from sandbox.errors import KubectlError

# Cluster-scoped objects that belong to a test carry this label with its namespace as the value.
TEST_LABEL = "sandbox.aidashboard.io/test"

_NODES = 4
# Kinds without a namespace that tests make, with the names kubectl knows them by.
_CLUSTER_SCOPED = {
    "ClusterQueue": "clusterqueues.kueue.x-k8s.io",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Cohort": "cohorts.kueue.x-k8s.io",
    "Namespace": "namespaces",
    "Node": "nodes",
    "ResourceFlavor": "resourceflavors.kueue.x-k8s.io",
    "WorkloadPriorityClass": "workloadpriorityclasses.kueue.x-k8s.io",
}


@dataclass(frozen=True, slots=True)
class TestNamespace:
    """The namespace of one test. `name` is unique in the run: use it as a prefix for cluster-scoped names, too."""

    __test__ = False

    name: str
    sandbox: Sandbox

    def kubectl(self, *arguments: str, input: str | None = None) -> str:
        return self.sandbox.kubectl("-n", self.name, *arguments, input=input)

    @property
    def labels(self) -> dict[str, str]:
        """Put these on what is cluster-scoped, and it is deleted after the test."""
        return {TEST_LABEL: self.name}

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply raw Kubernetes objects, labelled as this test's; those that name no namespace land in this one."""
        items = [self._own(item) for item in objects]
        wait_until(lambda: self._is_applied(items), seconds=20, describe="Kueue's webhooks to have seen the namespace")

    def _is_applied(self, items: list[dict[str, Any]]) -> bool:
        """False while the webhooks, which read from a cache, don't know the namespace yet."""
        try:
            self.sandbox.apply(items)
        except KubectlError as error:
            if f'Namespace "{self.name}" not found' in str(error):
                return False
            raise
        return True

    def _own(self, item: dict[str, Any]) -> dict[str, Any]:
        metadata = item["metadata"] | {"labels": self.labels | item["metadata"].get("labels", {})}
        if item["kind"] not in _CLUSTER_SCOPED:
            metadata = {"namespace": self.name} | metadata
        return item | {"metadata": metadata}


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running cluster with four GPU nodes, shared by all tests of the run."""

    def report(progress: BuildProgress) -> None:
        if progress.program != shown[0]:
            shown[0] = progress.program
            print(f"sandbox: {progress.program}, {progress.index} of {progress.count}")  # noqa: T201

    shown = [""]
    with Sandbox(tmp_path_factory.mktemp("sandbox"), report=report) as running:
        create_nodes(running, *(build_node(f"gpu-{index}") for index in range(_NODES)))
        running.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s")
        yield running


@pytest.fixture
def namespace(sandbox: Sandbox) -> Iterator[TestNamespace]:
    """A namespace that nobody else has; it and everything labelled with it goes after the test."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    sandbox.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {TEST_LABEL: name}}}])
    # Pods are refused until the controller manager has made it.
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    wait_until(lambda: sandbox.api.find(account) is not None, seconds=30, describe="the default ServiceAccount")
    yield TestNamespace(name=name, sandbox=sandbox)
    # A test may have left the cluster broken on purpose; then its leftovers are the smaller trouble.
    with suppress(KubectlError):
        kinds = ",".join(_CLUSTER_SCOPED.values())
        sandbox.kubectl("delete", kinds, "-l", f"{TEST_LABEL}={name}", "--wait=false")


def build_node(name: str, *, gpus: int = 8, cpus: int = 96, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A simulated GPU node. Both addresses must be there from the start, or `kubectl logs` finds no kubelet."""
    resources = {"cpu": str(cpus), "memory": "1Ti", "pods": "110", "nvidia.com/gpu": str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
                "nvidia.com/gpu.count": str(gpus),
                "nvidia.com/gpu.memory": "81559",
                "topology.kubernetes.io/zone": "zone-a",
            }
            | (labels or {}),
        },
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
        },
    }


def create_nodes(sandbox: Sandbox, *nodes: dict[str, Any]) -> None:
    """Create, not apply: the server drops the status of a node that is applied."""
    sandbox.kubectl("create", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": nodes}))
