"""Two people at once: locks serialise them, versions tell the second, and nothing is half done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from django.db import connection

from accounts.models import User
from aidashboard.kit.errors import AppError
from clusters.models import Cluster
from quotas import services
from quotas.domain.changes import AddNode, BindNamespace, Change, ChangeNode
from quotas.domain.tree import NodeKey
from quotas.errors import QuotaConflictError, QuotaRefusedError, TreeNameTakenError
from quotas.models import NamespaceBinding, QuotaTree
from quotas.selectors import load_tree
from tests.integration.quotas.conftest import Example

pytestmark = pytest.mark.django_db(transaction=True)


def run_together(*actions: Callable[[], object]) -> list[object]:
    """What each action gave or raised, all of them started at once in threads of their own."""
    barrier = Barrier(len(actions))

    def run(action: Callable[[], object]) -> object:
        try:
            barrier.wait(timeout=10)
            return action()
        except AppError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def apply(example: Example, tree: QuotaTree, *changes: Change) -> Callable[[], object]:
    return lambda: services.apply_changes(tree=tree, changes=changes, by=example.admin)


def test_of_two_editors_of_one_node_one_wins_and_one_is_told(example: Example):
    first = apply(example, example.tree, ChangeNode(node=example.key("a1"), version=1, max={"cpu": "18"}))
    second = apply(example, example.tree, ChangeNode(node=example.key("a1"), version=1, max={"cpu": "15"}))
    outcomes = run_together(first, second)
    (conflict,) = [item for item in outcomes if isinstance(item, QuotaConflictError)]
    node = example.read("a1")
    assert node.version == 2
    assert conflict.conflicts[0].current == node.max["cpu"]


def test_two_editors_cannot_break_a_sum_that_each_of_them_keeps(example: Example):
    """a has 20; a1 to 12 or a2 to 12 with the other at 8 fits, both at 12 do not."""
    services.apply_changes(
        tree=example.tree,
        changes=[ChangeNode(node=example.key(name), min={"cpu": "8"}) for name in ("a1", "a2")],
        by=example.admin,
    )
    outcomes = run_together(
        *(apply(example, example.tree, ChangeNode(node=example.key(name), min={"cpu": "12"})) for name in ("a1", "a2"))
    )
    assert len([item for item in outcomes if isinstance(item, QuotaRefusedError)]) == 1
    tree = load_tree(example.tree)
    assert tree.children_min(example.key("a"), "cpu") == 20_000


def test_two_trees_cannot_bind_one_namespace_at_once(example: Example):
    other = services.create_tree(cluster=example.tree.cluster, name="second", by=example.admin)
    root = NodeKey(str(other.nodes.get().pk))
    outcomes = run_together(
        apply(example, example.tree, BindNamespace(node=example.key("a1"), namespace="shared")),
        apply(
            example,
            other,
            AddNode(key=NodeKey("new-1"), parent=root, name="x"),
            BindNamespace(node=NodeKey("new-1"), namespace="shared"),
        ),
    )
    assert len([item for item in outcomes if isinstance(item, QuotaRefusedError)]) == 1
    assert NamespaceBinding.objects.filter(namespace="shared").count() == 1


@pytest.mark.parametrize(("other", "refusal"), [("lab-a", TreeNameTakenError), ("lab_a", QuotaRefusedError)])
def test_the_first_two_trees_of_a_cluster_made_at_once_do_not_clash(
    cluster: Cluster, admin: User, nudges: list[int], other: str, refusal: type[AppError]
):
    """No tree is there yet whose row could be locked; the second name would give the queue of the first."""
    outcomes = run_together(
        *(partial(services.create_tree, cluster=cluster, name=name, by=admin) for name in ("lab-a", other))
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == sorted(["QuotaTree", refusal.__name__])


def test_many_editors_of_many_nodes_all_get_through(example: Example):
    outcomes = run_together(
        *(
            apply(example, example.tree, ChangeNode(node=example.key(name), version=1, min={"cpu": "9"}))
            for name in ("a1", "a2", "b1", "b2")
        )
    )
    assert not [item for item in outcomes if isinstance(item, Exception)]
    assert QuotaTree.objects.get(pk=example.tree.pk).generation == 6
