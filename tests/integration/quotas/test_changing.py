"""Changes are judged, saved, audited and announced as one."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from clusters.models import Cluster
from quotas import services
from quotas.domain.changes import (
    AddNode,
    BindGroup,
    BindNamespace,
    Change,
    ChangeNode,
    DeleteNode,
    MoveNode,
    RenameNode,
    UnbindNamespace,
)
from quotas.domain.tree import NodeKey
from quotas.errors import QuotaConflictError, QuotaRefusedError, TreeDeletingError, TreeNameTakenError
from quotas.models import NamespaceBinding, NodeRevision, QuotaNode, QuotaTree
from quotas.selectors import load_tree
from tests.factories.clusters import make_managed_object, make_pod, make_queue
from tests.factories.people import make_group, make_user
from tests.integration.quotas.conftest import Example

pytestmark = pytest.mark.django_db


def apply(example: Example, *changes: Change, confirmation: str = "") -> services.AppliedChanges:
    return services.apply_changes(tree=example.tree, changes=changes, by=example.admin, confirmation=confirmation)


def rules(error: QuotaRefusedError) -> set[str]:
    return {finding.rule for finding in error.findings if not finding.is_warning}


def test_a_tree_is_made_with_its_queues_named_after_its_paths(example: Example):
    assert {node.name: node.queue_name for node in example.nodes.values()} == {
        "root": "root",
        "a": "root-a",
        "b": "root-b",
        "a1": "root-a-a1",
        "a2": "root-a-a2",
        "b1": "root-b-b1",
        "b2": "root-b-b2",
    }
    assert example.tree.generation == 2


def test_every_change_has_an_audit_event_with_before_and_after(example: Example):
    apply(
        example,
        ChangeNode(node=example.key("a1"), min={"cpu": "9"}),
        RenameNode(node=example.key("b1"), name="speech"),
    )
    events = AuditEvent.objects.filter(subject_type="QuotaTree").order_by("-pk")[:2]
    assert [event.kind for event in events] == ["quota-node.renamed", "quota-node.changed"]
    assert events[1].summary == "root: root.a.a1: Min cpu 10 -> 9"
    assert (events[1].details["before"]["min.cpu"], events[1].details["after"]["min.cpu"]) == ("10", "9")


def test_a_refused_draft_changes_nothing_at_all(example: Example):
    events, before = AuditEvent.objects.count(), load_tree(example.tree)
    with pytest.raises(QuotaRefusedError) as caught:
        apply(
            example,
            ChangeNode(node=example.key("a1"), min={"cpu": "9"}),
            AddNode(key=NodeKey("new-1"), parent=example.key("a"), name="x", min={"cpu": "99"}),
            ChangeNode(node=example.key("b1"), max={"cpu": "10Gb"}),
            BindNamespace(node=example.key("b"), namespace="namespace1"),
        )
    assert rules(caught.value) == {"V2", "V4", "V11", "V12", "min-over-parent-max"}
    assert caught.value.status == 422
    assert load_tree(example.tree) == before
    assert AuditEvent.objects.count() == events
    assert QuotaTree.objects.get().generation == 2


@pytest.mark.parametrize("text", ["-1", "10Gb", "1.5Gi", "2147483647", "", "1e999", "ten"])
def test_a_bad_guarantee_is_refused_naming_the_value(example: Example, text: str):
    with pytest.raises(QuotaRefusedError) as caught:
        apply(example, ChangeNode(node=example.key("a1"), min={"nvidia.com/gpu": text}))
    assert [finding.value for finding in caught.value.findings if finding.rule == "V4"] == [text]


def test_quantities_are_kept_as_they_were_written(example: Example):
    written = {"memory": "1.5Gi", "example.com/fpga": "1e3", "nvidia.com/gpu": "2147483647"}
    apply(example, ChangeNode(node=example.key("a1"), max=written))
    assert example.read("a1").max == {"cpu": "20", **written}


def test_new_nodes_are_given_back_by_their_temporary_keys(example: Example):
    applied = apply(
        example,
        AddNode(key=NodeKey("new-x"), parent=example.key("a"), name="speech"),
        AddNode(key=NodeKey("new-y"), parent=NodeKey("new-x"), name="asr"),
        BindNamespace(node=NodeKey("new-y"), namespace="asr"),
    )
    asr = applied.added[NodeKey("new-y")]
    assert asr.parent == applied.added[NodeKey("new-x")]
    assert NamespaceBinding.objects.get(namespace="asr").node == asr


def test_a_renamed_or_moved_node_keeps_its_queue(example: Example):
    apply(
        example,
        ChangeNode(node=example.key("a"), min={"cpu": "10"}),
        ChangeNode(node=example.key("b"), min={"cpu": "30"}),
        RenameNode(node=example.key("a1"), name="vision"),
        MoveNode(node=example.key("a1"), parent=example.key("b")),
    )
    node = example.read("a1")
    assert (node.name, node.parent_id, node.queue_name) == ("vision", example.nodes["b"].pk, "root-a-a1")


def test_a_moved_node_stands_last_among_its_new_siblings(example: Example):
    """As the draft showed it, also beside a node that the same draft adds."""
    apply(
        example,
        ChangeNode(node=example.key("a"), min={"cpu": "10"}),
        ChangeNode(node=example.key("b"), min={"cpu": "30"}),
        MoveNode(node=example.key("a1"), parent=example.key("b")),
        AddNode(key=NodeKey("new-x"), parent=example.key("b"), name="x"),
    )
    tree = load_tree(example.tree)
    assert [node.name for node in tree.children(example.key("b"))] == ["b1", "b2", "a1", "x"]


def test_a_path_may_be_as_long_as_its_names_make_it(example: Example):
    names = [f"{number:02}{'x' * 63}" for number in range(17)]
    parents = [example.key("a"), *(NodeKey(f"new-{number}") for number in range(17))]
    apply(
        example,
        *(
            AddNode(key=key, parent=parent, name=name)
            for key, parent, name in zip(parents[1:], parents, names, strict=False)
        ),
        UnbindNamespace(node=example.key("a1"), namespace="namespace1"),
    )
    assert max(len(path) for path in NodeRevision.objects.values_list("path", flat=True)) > 1000


def test_nothing_to_change_is_no_new_generation(example: Example, nudges: list[int]):
    before = example.tree.generation
    assert apply(example).tree.generation == before
    example.tree.refresh_from_db()
    assert example.tree.generation == before


def test_names_may_be_swapped_in_one_draft(example: Example):
    apply(example, RenameNode(node=example.key("a1"), name="a2"), RenameNode(node=example.key("a2"), name="a1"))
    assert (example.read("a1").name, example.read("a2").name) == ("a2", "a1")


def test_a_queue_that_is_still_being_deleted_does_not_give_its_name(example: Example):
    apply(example, DeleteNode(node=example.key("b2")))
    make_managed_object(example.tree.cluster, "root-b-b2", owner=f"quota-tree-{example.tree.pk}")
    applied = apply(example, AddNode(key=NodeKey("new-1"), parent=example.key("b"), name="b2"))
    assert applied.added[NodeKey("new-1")].queue_name == "root-b-b2-2"


def test_a_queue_of_somebody_else_is_not_taken_over(example: Example):
    make_queue(example.tree.cluster, "root-c", owner="")
    with pytest.raises(QuotaRefusedError, match="not ours"):
        apply(example, AddNode(key=NodeKey("new-1"), parent=example.key("root"), name="c"))


def test_a_namespace_keeps_its_origin_when_it_moves(example: Example):
    apply(
        example,
        UnbindNamespace(node=example.key("a1"), namespace="namespace1"),
        BindNamespace(node=example.key("b1"), namespace="namespace1", adopt=True),
    )
    binding = NamespaceBinding.objects.get(namespace="namespace1")
    assert (binding.node_id, binding.is_created) == (example.nodes["b1"].pk, True)


def test_a_namespace_is_bound_once_in_the_whole_cluster(example: Example, cluster: Cluster):
    other = services.create_tree(cluster=cluster, name="second", by=example.admin)
    root = NodeKey(str(other.nodes.get().pk))
    with pytest.raises(QuotaRefusedError, match="a1 of tree root"):
        services.apply_changes(
            tree=other,
            changes=[
                AddNode(key=NodeKey("new-1"), parent=root, name="x"),
                BindNamespace(node=NodeKey("new-1"), namespace="namespace1"),
            ],
            by=example.admin,
        )


def test_a_cyclic_move_is_refused(example: Example):
    with pytest.raises(QuotaRefusedError) as caught:
        apply(example, MoveNode(node=example.key("a"), parent=example.key("a1")))
    assert "cyclic-move" in rules(caught.value)


def test_running_pods_keep_a_namespace_until_the_name_is_typed(example: Example):
    make_pod(example.tree.cluster, "train-0", namespace="namespace1")
    change = UnbindNamespace(node=example.key("a1"), namespace="namespace1")
    for confirmation in ("", "Root", "yes"):
        with pytest.raises(QuotaRefusedError, match="train-0"):
            apply(example, change, confirmation=confirmation)
    apply(example, change, confirmation="root")
    assert AuditEvent.objects.filter(kind="quota-tree.running-pods-accepted").count() == 1


def test_a_group_is_bound_by_name(example: Example):
    group = make_group("vision")
    apply(example, BindGroup(node=example.key("a1"), group="vision"))
    assert example.read("a1").group == group
    with pytest.raises(QuotaRefusedError) as caught:
        apply(example, DeleteNode(node=example.key("a1")))
    assert "V6" in rules(caught.value)


# --- versions ---------------------------------------------------------------------------------------------------------------
def test_the_second_of_two_editors_is_told_both_versions_field_by_field(example: Example):
    bob = make_user("bob")
    services.apply_changes(
        tree=example.tree, changes=[ChangeNode(node=example.key("a1"), version=1, max={"cpu": "18"})], by=bob
    )
    with pytest.raises(QuotaConflictError) as caught:
        apply(example, ChangeNode(node=example.key("a1"), version=1, max={"cpu": "15"}))
    (conflict,) = caught.value.conflicts
    assert (conflict.field, conflict.read, conflict.current, conflict.wanted) == ("max.cpu", "20", "18", "15")
    assert (conflict.read_version, conflict.current_version, conflict.changed_by) == (1, 2, "bob")
    assert caught.value.status == 409
    assert "bob changed max.cpu" in caught.value.message
    assert example.read("a1").max == {"cpu": "18"}


def test_editors_of_different_nodes_do_not_get_in_each_others_way(example: Example):
    apply(example, ChangeNode(node=example.key("a1"), version=1, min={"cpu": "9"}))
    apply(example, ChangeNode(node=example.key("a2"), version=1, min={"cpu": "9"}))
    assert (example.read("a1").version, example.read("a2").version, example.read("a").version) == (2, 2, 1)


def test_changing_a_node_that_somebody_deleted_is_a_conflict(example: Example):
    apply(example, DeleteNode(node=example.key("a1"), version=1))
    with pytest.raises(QuotaConflictError, match="ada deleted the node"):
        apply(example, ChangeNode(node=example.key("a1"), version=1, min={"cpu": "9"}))


def test_a_node_that_never_was_is_refused(example: Example):
    with pytest.raises(QuotaRefusedError, match="no node '999999'"):
        apply(example, ChangeNode(node=NodeKey("999999"), version=1, min={"cpu": "9"}))


def test_every_version_of_a_node_is_kept(example: Example):
    apply(example, ChangeNode(node=example.key("a1"), min={"cpu": "9"}))
    apply(example, DeleteNode(node=example.key("a1")))
    rows = NodeRevision.objects.filter(node_number=example.nodes["a1"].pk).order_by("version")
    assert [(row.version, row.fields.get("min.cpu")) for row in rows] == [(1, "10"), (2, "9"), (3, None)]


# --- trees ------------------------------------------------------------------------------------------------------------------
def test_a_tree_name_is_unique_in_its_cluster(example: Example, cluster: Cluster):
    with pytest.raises(TreeNameTakenError):
        services.create_tree(cluster=cluster, name="root", by=example.admin)


def test_a_tree_is_called_like_its_root(example: Example, cluster: Cluster):
    apply(example, RenameNode(node=example.key("root"), name="company"))
    assert QuotaTree.objects.get(pk=example.tree.pk).name == "company"
    services.create_tree(cluster=cluster, name="second", by=example.admin)
    with pytest.raises(QuotaRefusedError, match="another tree of this cluster"):
        apply(example, RenameNode(node=example.key("root"), name="second"))


def test_a_tree_with_broken_quantities_is_not_made(cluster: Cluster, nudges: list[int]):
    with pytest.raises(QuotaRefusedError) as caught:
        services.create_tree(cluster=cluster, name="a.b", by=None, min={"cpu": "5"}, max={"cpu": "4"})
    assert rules(caught.value) == {"V1", "V14"}
    assert not QuotaTree.objects.exists()


def test_a_tree_whose_namespaces_run_pods_is_not_deleted(example: Example):
    make_pod(example.tree.cluster, "train-0", namespace="namespace2")
    with pytest.raises(QuotaRefusedError) as caught:
        services.delete_tree(tree=example.tree, by=example.admin)
    assert rules(caught.value) == {"V7"}


def test_a_tree_that_is_being_deleted_keeps_its_rows_and_takes_no_changes(example: Example):
    row = services.delete_tree(tree=example.tree, by=example.admin)
    assert row.deleting_at is not None
    assert QuotaNode.objects.count() == 7
    with pytest.raises(TreeDeletingError):
        apply(example, ChangeNode(node=example.key("a1"), min={"cpu": "9"}))


@pytest.mark.django_db(transaction=True)
def test_the_reconciler_is_nudged_after_the_commit(example: Example, nudges: list[int]):
    nudges.clear()
    apply(example, ChangeNode(node=example.key("a1"), min={"cpu": "9"}))
    assert nudges == [example.tree.pk]


@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_does_not_undo_a_saved_change(example: Example, monkeypatch: pytest.MonkeyPatch):
    def fail(tree_id: int) -> None:
        raise ConnectionError("broker away")

    monkeypatch.setattr("quotas.tasks.reconcile_tree.delay", fail)
    apply(example, ChangeNode(node=example.key("a1"), min={"cpu": "9"}))
    assert example.read("a1").min == {"cpu": "9"}
    assert QuotaTree.objects.get().is_behind
