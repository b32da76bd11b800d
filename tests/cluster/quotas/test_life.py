"""What a tree goes through: moves, lowered limits, adopted namespaces, deletion with work in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clusters.models import ObservedNamespace
from quotas import services
from quotas.models import QuotaNode, QuotaTree
from tests.cluster.quotas.conftest import Product, observing, run_task, wait_for


@pytest.fixture
def tree(product: Product) -> int:
    """root 20/20 over departments d and e, 10/20 each; leaf d.x 5/20 with the first namespace, leaf e.y 5/20 with the second."""
    made = product.create_tree(20)
    root = made["nodes"][0]["id"]
    changes: list[dict[str, Any]] = []
    for number, (parent, name) in enumerate((("d", "x"), ("e", "y")), start=1):
        wide = {"min": {"cpu": "10"}, "max": {"cpu": "20"}}
        leaf = {"min": {"cpu": "5"}, "max": {"cpu": "20"}}
        changes.append({"kind": "add-node", "key": f"new-{parent}", "parent": root, "name": parent, **wide})
        changes.append({"kind": "add-node", "key": f"new-{name}", "parent": f"new-{parent}", "name": name, **leaf})
        changes.append({"kind": "bind-namespace", "node": f"new-{name}", "namespace": product.namespace(number)})
    product.change(made["id"], *changes)
    return int(made["id"])


def test_a_leaf_moves_with_its_namespaces_and_its_work_runs_on(product: Product, tree: int) -> None:
    product.start_jobs(product.namespace(1), 1)
    product.wait_running(1)
    leaf, new_parent = product.node(tree, "x")["id"], product.node(tree, "e")["id"]
    product.change(tree, {"kind": "move-node", "node": leaf, "parent": new_parent})
    queue = product.get("clusterqueue", f"{product.prefix}-d-x")
    assert queue["spec"]["cohortName"] == f"{product.prefix}-e"
    assert queue["metadata"]["annotations"]["aidashboard.io/path"] == f"{product.prefix}.e.x"
    product.wait_running(1)
    assert product.read(tree)["sync"]["state"] == "synced"


def test_a_namespace_moves_to_another_leaf(product: Product, tree: int) -> None:
    """The queue of a LocalQueue is immutable: it is deleted and made anew."""
    first, second = product.node(tree, "x")["id"], product.node(tree, "y")["id"]
    before = product.get("localqueue", "default", product.namespace(1))["metadata"]["uid"]
    product.change(
        tree,
        {"kind": "unbind-namespace", "node": first, "namespace": product.namespace(1)},
        {"kind": "bind-namespace", "node": second, "namespace": product.namespace(1)},
    )
    queue = product.get("localqueue", "default", product.namespace(1))
    assert queue["spec"]["clusterQueue"] == f"{product.prefix}-e-y"
    assert queue["metadata"]["uid"] != before
    selector = product.get("clusterqueue", f"{product.prefix}-e-y")["spec"]["namespaceSelector"]
    assert selector["matchExpressions"][0]["values"] == [product.namespace(1), product.namespace(2)]
    assert product.get("clusterqueue", f"{product.prefix}-d-x")["spec"].get("namespaceSelector") is None
    product.start_jobs(product.namespace(1), 1)
    product.wait_running(1)


def test_lowering_max_evicts_nothing_and_starts_nothing_new(product: Product, tree: int) -> None:
    product.start_jobs(product.namespace(1), 4)
    product.wait_running(4)
    with observing():
        wait_for(lambda: product.node(tree, "x")["usage"][0]["used"], "20")
        leaf = product.node(tree, "x")["id"]
        answer = product.change(tree, {"kind": "change-node", "node": leaf, "max": {"cpu": "10"}})
        warning = next(item for item in answer["warnings"] if item["rule"] == "V22")
        assert "goes down to 10, 20 are in use" in warning["message"]
    product.wait_running(4)
    product.sandbox.kubectl("-n", product.namespace(1), "delete", "jobs", "job-1", "job-2")
    product.start_jobs(product.namespace(1), 1, first=5)
    product.wait_running(2)


def test_a_deleted_node_is_gone_once_its_work_is(product: Product, tree: int) -> None:
    product.start_jobs(product.namespace(1), 1)
    product.wait_running(1)
    leaf, queue = product.node(tree, "x")["id"], f"{product.prefix}-d-x"
    with observing():
        wait_for(lambda: product.node(tree, "x")["usage"][0]["used"], "5")
        wait_for(lambda: product.node(tree, "x")["running_pods"], 1)
        refused = product.change(tree, {"kind": "delete-node", "node": leaf}, status=422)
        assert {error["rule"] for error in refused["errors"]} == {"V5"}
        product.change(tree, {"kind": "delete-node", "node": leaf}, confirmation=product.prefix)
    assert not QuotaNode.objects.filter(pk=leaf).exists()
    sync = product.read(tree)["sync"]
    assert sync["state"] == "waiting"
    assert "goes when no workload holds quota" in sync["message"]
    product.sandbox.kubectl("-n", product.namespace(1), "delete", "jobs", "--all")
    wait_for(lambda: product.exists("clusterqueue", queue), expected=False, seconds=60)
    run_task(tree)
    assert product.read(tree)["sync"]["state"] == "synced"
    namespace = product.get("namespace", product.namespace(1))
    assert "aidashboard.io/owner" not in namespace["metadata"]["labels"]
    assert not product.exists("localqueue", "default", product.namespace(1))


def test_a_namespace_is_adopted_and_let_go_as_it_was(product: Product, tree: int) -> None:
    name = product.namespace(7)
    labels = {"app.kubernetes.io/managed-by": "Helm", "team": "vision"}
    product.sandbox.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}])
    leaf = product.node(tree, "x")["id"]
    with observing():
        wait_for(lambda: ObservedNamespace.objects.filter(cluster=product.cluster, name=name).exists(), expected=True)
        product.change(tree, {"kind": "bind-namespace", "node": leaf, "namespace": name, "adopt": True})
    metadata = product.get("namespace", name)["metadata"]
    assert metadata["labels"].items() >= labels.items()
    assert metadata["labels"]["aidashboard.io/owner"] == f"quota-tree-{tree}"
    assert product.exists("localqueue", "default", name)
    assert product.node(tree, "x")["sync"]["state"] == "synced"
    product.change(tree, {"kind": "unbind-namespace", "node": leaf, "namespace": name})
    metadata = product.get("namespace", name)["metadata"]
    assert {key: metadata["labels"][key] for key in labels} == labels
    assert "aidashboard.io/owner" not in metadata["labels"]
    assert not product.exists("localqueue", "default", name)


def test_a_namespace_that_appeared_meanwhile_is_a_conflict_and_stays_untouched(product: Product, tree: int) -> None:
    name = product.namespace(8)
    product.sandbox.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])
    product.change(tree, {"kind": "bind-namespace", "node": product.node(tree, "x")["id"], "namespace": name})
    sync = product.node(tree, "x")["sync"]
    assert sync["state"] == "conflict"
    assert name in sync["message"]
    assert "aidashboard.io/owner" not in product.get("namespace", name)["metadata"].get("labels", {})


def test_a_deleted_tree_leaves_namespaces_and_nothing_else(product: Product, tree: int) -> None:
    answer = product.api.delete(f"/api/v1/quota-trees/{tree}/")
    assert answer.status_code == 202
    for _ in range(3):
        if not QuotaTree.objects.filter(pk=tree).exists():
            break
        wait_for(lambda: _list_owned(product, tree), [])
        run_task(tree)
    assert not QuotaTree.objects.filter(pk=tree).exists()
    assert _list_owned(product, tree) == []
    assert product.exists("namespace", product.namespace(1))
    assert not product.exists("resourceflavor", "aidashboard")


def test_two_trees_share_the_flavor(product: Product, tree: int) -> None:
    other = services.create_tree(cluster=product.cluster, name=f"{product.prefix}-second", by=product.admin)
    product.api.delete(f"/api/v1/quota-trees/{other.pk}/")
    run_task(other.pk)
    assert not QuotaTree.objects.filter(pk=other.pk).exists()
    assert product.exists("resourceflavor", "aidashboard")
    assert product.read(tree)["sync"]["state"] == "synced"


def test_the_roots_pool_follows_what_the_cluster_can_schedule(product: Product, tree: int) -> None:
    """4 nodes with 96 cpu; the root says 1000, so the pool is what the nodes have."""
    root = product.node(tree, product.prefix)["id"]
    with observing():
        product.change(tree, {"kind": "change-node", "node": root, "min": {"cpu": "1000"}, "max": {"cpu": "1000"}})
        wait_for(lambda: product.node(tree, product.prefix)["usage"][0]["reachable"], "384")
    run_task(tree)
    (group,) = product.get("cohort", product.prefix)["spec"]["resourceGroups"]
    rows = {row["name"]: row["nominalQuota"] for row in group["flavors"][0]["resources"]}
    assert rows["cpu"] == "364"
    assert rows["nvidia.com/gpu"] == "32"


def _list_owned(product: Product, tree: int) -> list[str]:
    kinds = "clusterqueues.kueue.x-k8s.io,cohorts.kueue.x-k8s.io,localqueues.kueue.x-k8s.io"
    text = product.sandbox.kubectl("get", kinds, "-A", "-l", f"aidashboard.io/owner=quota-tree-{tree}", "-o", "json")
    return [item["metadata"]["name"] for item in json.loads(text)["items"]]
