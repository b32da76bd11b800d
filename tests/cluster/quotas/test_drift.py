"""What others do to our objects is undone and shown; what breaks on our side is made good."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AuditEvent
from quotas import reconcile
from quotas.models import QuotaTree
from tests.cluster.quotas.conftest import Product, run_task, wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture
def tree(product: Product) -> int:
    """root 20/20 over x and y, 5/20 each, x with the first namespace and y with the second."""
    made = product.create_tree(20)
    root = made["nodes"][0]["id"]
    changes: list[dict[str, Any]] = []
    for number, name in enumerate("xy", start=1):
        quantities = {"min": {"cpu": "5"}, "max": {"cpu": "20"}}
        changes.append({"kind": "add-node", "key": f"new-{name}", "parent": root, "name": name, **quantities})
        changes.append({"kind": "bind-namespace", "node": f"new-{name}", "namespace": product.namespace(number)})
    product.change(made["id"], *changes)
    assert product.read(made["id"])["sync"]["state"] == "synced"
    return int(made["id"])


def read_limit(product: Product, queue: str) -> str:
    (group,) = product.get("clusterqueue", queue)["spec"]["resourceGroups"]
    row = next(row for row in group["flavors"][0]["resources"] if row["name"] == "cpu")
    return str(row["borrowingLimit"])


def test_a_queue_that_was_edited_by_hand_is_put_back_and_shown(product: Product, tree: int) -> None:
    queue = f"{product.prefix}-x"
    path = "/spec/resourceGroups/0/flavors/0/resources/0/borrowingLimit"
    patch = f'[{{"op": "replace", "path": "{path}", "value": "99"}}]'
    product.sandbox.kubectl("patch", "clusterqueue", queue, "--type=json", "-p", patch)
    assert read_limit(product, queue) == "99"
    run_task(tree)
    assert read_limit(product, queue) == "15"
    sync = product.node(tree, "x")["sync"]
    assert sync["state"] == "synced"
    event = AuditEvent.objects.get(kind="quota-tree.drift-healed")
    assert queue in event.details["objects"][0]


@pytest.mark.parametrize("kind", ["clusterqueue", "cohort", "localqueue"])
def test_an_object_that_was_deleted_by_hand_comes_back(product: Product, tree: int, kind: str) -> None:
    name, namespace = {
        "clusterqueue": (f"{product.prefix}-y", "default"),
        "cohort": (product.prefix, "default"),
        "localqueue": ("default", product.namespace(2)),
    }[kind]
    product.sandbox.kubectl("-n", namespace, "delete", kind, name)
    assert not product.exists(kind, name, namespace)
    run_task(tree)
    assert product.exists(kind, name, namespace)
    assert product.read(tree)["sync"]["state"] == "synced"


def test_reconciling_twice_changes_nothing(product: Product, tree: int) -> None:
    before = product.get("clusterqueue", f"{product.prefix}-x")["metadata"]["resourceVersion"]
    run_task(tree)
    run_task(tree)
    assert product.get("clusterqueue", f"{product.prefix}-x")["metadata"]["resourceVersion"] == before


def test_a_queue_that_is_not_ours_is_never_touched(product: Product, tree: int) -> None:
    name = f"{product.prefix}-foreign"
    foreign = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue", "metadata": {"name": name}, "spec": {}}
    product.sandbox.apply([foreign])
    root = product.node(tree, product.prefix)["id"]
    product.change(tree, {"kind": "add-node", "key": "new-1", "parent": root, "name": "foreign"})
    node = product.node(tree, "foreign")
    assert node["sync"]["state"] == "conflict"
    assert "was not made by AI Dashboard" in node["sync"]["message"]
    assert product.get("clusterqueue", name)["spec"].get("cohortName") is None
    product.sandbox.kubectl("delete", "clusterqueue", name)
    run_task(tree)
    assert product.node(tree, "foreign")["sync"]["state"] == "synced"


def test_a_change_that_meets_a_dead_webhook_is_made_good_later(product: Product, tree: int) -> None:
    leaf = product.node(tree, "x")["id"]
    product.sandbox.kill("kueue")
    try:
        product.change(tree, {"kind": "change-node", "node": leaf, "max": {"cpu": "12"}})
        sync = product.read(tree)["sync"]
        assert sync["state"] in {"waiting", "failed"}
        assert "webhook" in sync["message"]
        assert sync["generation"] > sync["observed_generation"]
    finally:
        product.sandbox.restart("kueue")
    due = timezone.now() + timedelta(minutes=10)
    assert tree in reconcile.list_behind(now=due)

    def retry() -> object:
        run_task(tree)
        return product.read(tree)["sync"]["state"]

    wait_for(retry, "synced", seconds=60)
    assert read_limit(product, f"{product.prefix}-x") == "7"


def test_an_unreachable_cluster_is_told_as_such(product: Product, tree: int) -> None:
    leaf = product.node(tree, "x")["id"]
    product.sandbox.kill("kube-apiserver")
    try:
        product.change(tree, {"kind": "change-node", "node": leaf, "max": {"cpu": "12"}})
        assert product.node(tree, "x")["sync"]["state"] == "unreachable"
        assert product.read(tree)["sync"]["next_attempt_at"] is not None
    finally:
        product.sandbox.restart("kube-apiserver")

    def retry() -> object:
        run_task(tree)
        return product.read(tree)["sync"]["state"]

    wait_for(retry, "synced", seconds=90)
    assert read_limit(product, f"{product.prefix}-x") == "7"


def test_a_worker_that_is_killed_halfway_costs_nothing(product: Product, tree: int) -> None:
    """A real process dies by SIGKILL between two objects; what it left is finished by the next one, once its lease is over."""
    root = product.node(tree, product.prefix)["id"]
    changes = [
        {"kind": "add-node", "key": f"new-{number}", "parent": root, "name": f"t{number}"} for number in range(60)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("quotas.tasks.reconcile_tree.delay", lambda tree_id: None)
        product.change(tree, *changes)
    worker = _start_worker(tree)
    try:
        wait_for(lambda: product.exists("clusterqueue", f"{product.prefix}-t3"), expected=True, seconds=60)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    row = QuotaTree.objects.get(pk=tree)
    assert row.is_behind
    assert row.lease_holder
    run_task(tree)
    assert QuotaTree.objects.get(pk=tree).is_behind, "the lease of the dead worker still holds"
    QuotaTree.objects.filter(pk=tree).update(lease_until=timezone.now())
    time.sleep(0.1)
    assert tree in reconcile.list_behind(now=timezone.now())
    run_task(tree)
    assert not QuotaTree.objects.get(pk=tree).is_behind
    assert product.exists("clusterqueue", f"{product.prefix}-t59")


def _start_worker(tree: int) -> subprocess.Popen[bytes]:
    """A process of its own that runs the task on this test's database."""
    code = f"""
        import django
        django.setup()
        from django.db import connection
        connection.settings_dict["NAME"] = {connection.settings_dict["NAME"]!r}
        from quotas import tasks
        tasks.reconcile_tree.apply(({tree},))
    """
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "aidashboard.settings.test"}
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, env=environment)
