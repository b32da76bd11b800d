"""A cluster that has been observed, an admin, and the example tree of the guide made through the services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from unittest import mock

import pytest

from accounts.models import User
from clusters.models import Cluster
from quotas import services, tasks
from quotas.domain.changes import AddNode, BindNamespace, Change
from quotas.domain.tree import NodeKey
from quotas.models import QuotaNode, QuotaTree
from tests.factories.clusters import make_cluster, make_namespace
from tests.factories.people import make_admin

CAPACITY = {"cpu": 40_000, "memory": 64 * 1024**3, "nvidia.com/gpu": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """root 40/40, a and b 20/40, four leaves 10/20 with namespace1 to namespace4."""

    tree: QuotaTree
    nodes: dict[str, QuotaNode]
    admin: User

    def key(self, name: str) -> NodeKey:
        return NodeKey(str(self.nodes[name].pk))

    def read(self, name: str) -> QuotaNode:
        return QuotaNode.objects.get(pk=self.nodes[name].pk)


@pytest.fixture
def admin(db: None) -> User:
    return make_admin()


@pytest.fixture
def cluster(db: None) -> Cluster:
    cluster = make_cluster(schedulable_capacity=CAPACITY, total_capacity=CAPACITY)
    make_namespace(cluster, "kube-system")
    return cluster


@pytest.fixture
def nudges() -> Iterator[list[int]]:
    """Ids of the trees for which reconciling was asked; nothing is enqueued."""
    asked: list[int] = []

    def ask(arguments: tuple[int], expires: int) -> None:
        asked.extend(arguments)

    with (
        mock.patch.object(tasks.reconcile_tree, "delay", asked.append),
        mock.patch.object(tasks.reconcile_tree, "apply_async", ask),
    ):
        yield asked


def make_example(cluster: Cluster, admin: User) -> Example:
    tree = services.create_tree(cluster=cluster, name="root", by=admin, min={"cpu": "40"}, max={"cpu": "40"})
    root = NodeKey(str(tree.nodes.get().pk))
    changes: list[Change] = [
        AddNode(key=NodeKey("new-a"), parent=root, name="a", min={"cpu": "20"}, max={"cpu": "40"}),
        AddNode(key=NodeKey("new-b"), parent=root, name="b", min={"cpu": "20"}, max={"cpu": "40"}),
    ]
    leaves = (("a", "a1", 1), ("a", "a2", 2), ("b", "b1", 3), ("b", "b2", 4))
    for parent, name, number in leaves:
        leaf = NodeKey(f"new-{name}")
        changes.append(
            AddNode(key=leaf, parent=NodeKey(f"new-{parent}"), name=name, min={"cpu": "10"}, max={"cpu": "20"})
        )
        changes.append(BindNamespace(node=leaf, namespace=f"namespace{number}"))
    applied = services.apply_changes(tree=tree, changes=changes, by=admin)
    nodes = {node.name: node for node in applied.tree.nodes.all()}
    return Example(tree=applied.tree, nodes=nodes, admin=admin)


@pytest.fixture
def example(cluster: Cluster, admin: User, nudges: list[int]) -> Example:
    return make_example(cluster, admin)
