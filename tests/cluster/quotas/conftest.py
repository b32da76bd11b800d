"""The product on the sandbox: a registered cluster with the rights of deploy/rbac and no more, an admin, the REST API."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any
from unittest import mock

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from clusters.models import Cluster
from clusters.observe import Observer
from clusters.services import register_cluster
from quotas import tasks
from sandbox.cluster import Sandbox
from sandbox.errors import KubectlError
from tests.factories.people import make_admin

RBAC = Path(__file__).parents[3] / "deploy" / "rbac" / "aidashboard.yaml"
TREES = "/api/v1/quota-trees/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`prefix` is unique in the run: every tree and namespace of a test begins with it."""

    sandbox: Sandbox
    cluster: Cluster
    admin: User
    api: APIClient
    prefix: str

    def namespace(self, number: int) -> str:
        return f"{self.prefix}-{number}"

    def create_tree(self, cpu: int) -> dict[str, Any]:  # Any: JSON
        limits = {"cpu": str(cpu)}
        body = {"cluster": self.cluster.name, "name": self.prefix, "min": limits, "max": limits}
        answer = self.api.post(TREES, body, format="json")
        assert answer.status_code == 201, answer.json()
        return dict(answer.json())

    def change(self, tree_id: int, *changes: Mapping[str, Any], status: int = 200, confirmation: str = "") -> Any:
        body = {"changes": list(changes), "confirmation": confirmation}
        answer = self.api.post(f"{TREES}{tree_id}/changes/", body, format="json")
        assert answer.status_code == status, answer.json()
        return answer.json()

    def read(self, tree_id: int) -> Any:  # Any: JSON
        return self.api.get(f"{TREES}{tree_id}/").json()

    def node(self, tree_id: int, name: str) -> Any:  # Any: JSON
        return next(node for node in self.read(tree_id)["nodes"] if node["name"] == name)

    def get(self, kind: str, name: str, namespace: str = "default") -> Any:  # Any: JSON
        return json.loads(self.sandbox.kubectl("-n", namespace, "get", kind, name, "-o", "json"))

    def exists(self, kind: str, name: str, namespace: str = "default") -> bool:
        return bool(
            self.sandbox.kubectl("-n", namespace, "get", kind, name, "--ignore-not-found", "-o", "name").strip()
        )

    def start_jobs(self, namespace: str, count: int, *, cpu: int = 5, first: int = 1) -> None:
        """Jobs of one pod each, without a queue label: the LocalQueue called `default` takes them."""
        self.sandbox.apply([build_job(namespace, f"job-{number}", cpu) for number in range(first, first + count)])

    def count_running(self, namespace: str) -> int:
        text = self.sandbox.kubectl(
            "-n", namespace, "get", "pods", "--field-selector=status.phase=Running", "-o", "json"
        )
        return sum(1 for pod in json.loads(text)["items"] if "deletionTimestamp" not in pod["metadata"])

    def wait_running(self, *expected: int, seconds: float = 90) -> None:
        """Until the numbered namespaces run as many pods as expected, and go on doing so."""
        wait_for(
            lambda: [self.count_running(self.namespace(index)) for index, _ in enumerate(expected, start=1)],
            list(expected),
            seconds=seconds,
            steady_seconds=4,
        )


def wait_for(read: Callable[[], object], expected: object, *, seconds: float = 30, steady_seconds: float = 0) -> None:
    deadline, since, seen = time.monotonic() + seconds, None, None
    while time.monotonic() < deadline:
        seen = read()
        if seen != expected:
            since = None
        elif since is None:
            since = time.monotonic()
        if since is not None and time.monotonic() - since >= steady_seconds:
            return
        time.sleep(0.3)
    raise AssertionError(f"expected {expected}, found {seen} after {seconds} s")


def build_job(namespace: str, name: str, cpu: int) -> dict[str, Any]:  # Any: JSON
    container = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": str(cpu)}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "template": {
                "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
            }
        },
    }


@pytest.fixture
def product(sandbox: Sandbox, transactional_db: None, valkey: str) -> Iterator[Product]:
    """A worker is stood in for by running its task at once, in the thread that would have enqueued it."""
    sandbox.apply(RBAC.read_text())
    admin, prefix = make_admin(), f"q{uuid.uuid4().hex[:6]}"
    kubeconfig = sandbox.token_kubeconfig("aidashboard-system", "aidashboard")
    with mock.patch.object(tasks.reconcile_tree, "delay", lambda tree_id: tasks.reconcile_tree.apply((tree_id,))):
        cluster = register_cluster(name=prefix, kubeconfig=kubeconfig, by=admin)
        api = APIClient()
        api.force_authenticate(admin)
        product = Product(sandbox=sandbox, cluster=cluster, admin=admin, api=api, prefix=prefix)
        yield product
        _clean_up(product)


@contextmanager
def observing() -> Iterator[None]:
    """The observer at work: rows follow the cluster."""
    until = Event()
    thread = Thread(target=Observer().run, args=(until,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        until.set()
        thread.join(timeout=20)


def run_task(tree_id: int) -> None:
    tasks.reconcile_tree.apply((tree_id,)).get()


def _clean_up(product: Product) -> None:
    """Every test registers the cluster anew, so what is left of this one would be a stranger's to the next."""
    namespaces = product.sandbox.kubectl("get", "ns", "-o", "name").split()
    names = [name for name in namespaces if f"/{product.prefix}" in name]
    with suppress(KubectlError):
        for name in names:
            product.sandbox.kubectl("-n", name.removeprefix("namespace/"), "delete", "jobs", "--all", "--wait=false")
        managed = "app.kubernetes.io/managed-by=aidashboard"
        for kind in ("localqueues", "clusterqueues", "cohorts", "resourceflavors"):
            scope = ("-A",) if kind == "localqueues" else ()
            product.sandbox.kubectl("delete", f"{kind}.kueue.x-k8s.io", *scope, "-l", managed, "--timeout=60s")
        if names:
            product.sandbox.kubectl("delete", *names, "--wait=false")
