"""Usage, sync state, and who sees what."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import ManagedObject, SyncState, WorkloadState
from quotas import selectors, services
from quotas.domain.changes import AddNode, BindGroup, ChangeNode
from quotas.domain.tree import NodeKey
from quotas.errors import NodeMissingError, TreeMissingError
from quotas.models import QuotaTree
from tests.factories.clusters import make_managed_object, make_pod, make_queue, make_workload
from tests.factories.people import make_group, make_user
from tests.integration.quotas.conftest import Example

pytestmark = pytest.mark.django_db


def test_usage_comes_from_queues_workloads_and_pods(example: Example):
    cluster = example.tree.cluster
    make_queue(cluster, "root-a-a1", usage={"cpu": 15_000}, reserved={"cpu": 20_000}, admitted_workloads=4)
    make_workload(
        cluster,
        "w1",
        namespace="namespace1",
        cluster_queue="",
        state=WorkloadState.PENDING,
        requests={"cpu": 5_000},
    )
    make_workload(
        cluster, "w2", namespace="namespace1", cluster_queue="", state=WorkloadState.EVICTED, requests={"cpu": 5_000}
    )
    make_workload(cluster, "w3", namespace="namespace1", cluster_queue="root-a-a1", requests={"cpu": 5_000})
    make_pod(cluster, "p1", namespace="namespace1")
    make_pod(cluster, "p2", namespace="namespace1", phase="Pending")
    make_pod(cluster, "p3", namespace="namespace1", is_terminating=True)
    view = selectors.build_usage(example.tree)
    by_name = {node.name: node for node in view.nodes}
    leaf, parent = by_name["a1"].usage, by_name["a"].usage
    assert leaf is not None
    assert parent is not None
    cpu = leaf.resources["cpu"]
    assert (cpu.used, cpu.borrowed, cpu.pending, cpu.effective_max) == (20_000, 10_000, 10_000, 20_000)
    assert (leaf.running_pods, leaf.pending_workloads, leaf.admitted_workloads) == (1, 2, 4)
    assert (parent.resources["cpu"].used, parent.resources["cpu"].pending) == (20_000, 10_000)
    sibling = by_name["a2"].usage
    assert sibling is not None
    assert sibling.resources["cpu"].lent == 10_000
    assert [node.path for node in view.nodes][:3] == ["root", "root.a", "root.a.a1"]


def test_the_number_of_queries_does_not_grow_with_the_tree(example: Example):
    def count() -> int:
        tree = QuotaTree.objects.select_related("cluster").get(pk=example.tree.pk)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            selectors.build_usage(tree, viewer=example.admin)
        return len(captured)

    before = count()
    services.apply_changes(
        tree=example.tree,
        changes=[
            AddNode(key=NodeKey(f"new-{number}"), parent=example.key("b"), name=f"team-{number}")
            for number in range(30)
        ],
        by=example.admin,
    )
    assert count() == before
    assert before <= 7


# --- sync -------------------------------------------------------------------------------------------------------------------
def sync_of(example: Example, name: str) -> tuple[str, str]:
    view = selectors.build_usage(QuotaTree.objects.get(pk=example.tree.pk)).find(example.nodes[name].pk)
    assert view is not None
    assert view.sync is not None
    return view.sync.state, view.sync.message


def managed(example: Example, name: str, state: SyncState, message: str = "", **fields: str) -> None:
    make_managed_object(
        example.tree.cluster,
        f"root-a-{name}",
        owner=f"quota-tree-{example.tree.pk}",
        subject=f"quota-node-{example.nodes[name].pk}",
        state=state,
        message=message,
        **fields,
    )


def test_a_node_is_as_its_worst_object(example: Example):
    assert sync_of(example, "a1")[0] == SyncState.SYNCING
    managed(example, "a1", SyncState.SYNCED)
    managed(example, "a1", SyncState.FAILED, "webhook down", kind="LocalQueue", namespace="namespace1")
    assert sync_of(example, "a1") == (SyncState.FAILED, "LocalQueue namespace1/root-a-a1: webhook down")


def test_only_the_nodes_that_changed_are_syncing(example: Example):
    managed(example, "a1", SyncState.SYNCED)
    managed(example, "a2", SyncState.SYNCED)
    tree = QuotaTree.objects.get(pk=example.tree.pk)
    QuotaTree.objects.filter(pk=tree.pk).update(observed_generation=tree.generation, synced_at=timezone.now())
    assert sync_of(example, "a1")[0] == SyncState.SYNCED
    services.apply_changes(tree=tree, changes=[ChangeNode(node=example.key("a1"), min={"cpu": "9"})], by=example.admin)
    assert sync_of(example, "a1")[0] == SyncState.SYNCING
    assert sync_of(example, "a2")[0] == SyncState.SYNCED


def test_a_node_is_synced_although_another_still_waits(example: Example):
    """The tree catches up when its last object does; a queue on its way out may need hours for that."""
    managed(example, "a1", SyncState.SYNCED)
    managed(example, "a2", SyncState.WAITING, "It goes when no workload holds quota of it any more.")
    change = ChangeNode(node=example.key("a1"), min={"cpu": "9"})
    services.apply_changes(tree=example.tree, changes=[change], by=example.admin)
    assert sync_of(example, "a1")[0] == SyncState.SYNCING
    ManagedObject.objects.update(checked_at=timezone.now())
    assert sync_of(example, "a1")[0] == SyncState.SYNCED
    assert sync_of(example, "a2")[0] == SyncState.WAITING


def test_a_tree_that_is_being_deleted_lists_what_blocks_it(example: Example):
    services.delete_tree(tree=example.tree, by=example.admin)
    managed(example, "a1", SyncState.WAITING, "It goes when no workload holds quota of it any more.")
    sync = selectors.summarise_tree_sync(QuotaTree.objects.get(pk=example.tree.pk))
    assert sync.is_deleting
    assert sync.blocking == ("ClusterQueue root-a-a1: It goes when no workload holds quota of it any more.",)


# --- three people -------------------------------------------------------------------------------------------------------------
def test_a_member_sees_their_leaf_with_the_path_and_no_siblings(example: Example):
    member, outsider = make_user("grace"), make_user("mallory")
    make_group("vision", members=(member,))
    make_group("others", members=(outsider,))
    services.apply_changes(
        tree=example.tree, changes=[BindGroup(node=example.key("a1"), group="vision")], by=example.admin
    )
    view = selectors.build_usage(example.tree, viewer=member)
    assert [(node.name, node.is_path_only) for node in view.nodes] == [("root", True), ("a", True), ("a1", False)]
    assert all(node.usage is None and not node.min and not node.queue_name for node in view.nodes if node.is_path_only)
    assert selectors.list_trees(viewer=member).count() == 1
    assert selectors.visible_namespaces(member, example.tree.cluster) == frozenset({"namespace1"})
    assert [node.name for node in selectors.list_visible_nodes(member)] == ["a1"]
    assert selectors.get_node(node_id=example.nodes["a1"].pk, viewer=member).name == "a1"
    for name in ("a", "a2", "root"):
        with pytest.raises(NodeMissingError):
            selectors.get_node(node_id=example.nodes[name].pk, viewer=member)


def test_an_outsider_sees_nothing(example: Example):
    outsider = make_user("mallory")
    assert not selectors.list_trees(viewer=outsider).exists()
    assert selectors.visible_namespaces(outsider, example.tree.cluster) == frozenset()
    assert not selectors.list_bindings(viewer=outsider).exists()
    with pytest.raises(TreeMissingError):
        selectors.get_tree(tree_id=example.tree.pk, viewer=outsider)


def test_an_admin_sees_everything(example: Example):
    assert selectors.visible_namespaces(example.admin, example.tree.cluster) is None
    assert len(selectors.list_visible_nodes(example.admin)) == 7
