"""Drafts: several changes, looked at as a whole, applied as one."""

from __future__ import annotations

import pytest

from clusters.models import WorkloadState
from quotas import services
from quotas.domain.changes import AddNode, BindNamespace, Change, ChangeNode, DeleteNode, MoveNode, UnbindNamespace
from quotas.domain.tree import NodeKey
from quotas.errors import QuotaConflictError, QuotaRefusedError
from quotas.models import QuotaDraft, QuotaNode
from tests.factories.clusters import make_pod, make_workload
from tests.factories.people import make_admin
from tests.integration.quotas.conftest import Example

pytestmark = pytest.mark.django_db


def add(example: Example, *changes: Change) -> QuotaDraft:
    return services.add_to_draft(tree=example.tree, author=example.admin, changes=changes)


def speech_under(example: Example, name: str) -> AddNode:
    return AddNode(key=NodeKey("new-1"), parent=example.key(name), name="speech", max={"cpu": "5"})


def test_a_draft_says_what_it_would_do(example: Example):
    make_workload(example.tree.cluster, "train", namespace="namespace1", cluster_queue="root-a-a1")
    make_workload(example.tree.cluster, "wait", namespace="namespace1", cluster_queue="", state=WorkloadState.PENDING)
    add(example, ChangeNode(node=example.key("a1"), max={"cpu": "24"}), speech_under(example, "b"))
    preview = services.preview_draft(tree=example.tree, author=example.admin)
    assert [change.summary for change in preview.changes] == [
        "root.a.a1: Max cpu 20 -> 24",
        "new node speech under root.b (Max cpu 5)",
    ]
    assert [(row.path, row.field, row.old, row.new) for row in preview.rows] == [
        ("root.a.a1", "max.cpu", "20", "24"),
        ("root.b.speech", "node", "", "root.b.speech"),
        ("root.b.speech", "max.cpu", "", "5"),
    ]
    assert (preview.namespaces, preview.running, preview.waiting) == (("namespace1",), 1, 1)
    assert preview.is_allowed
    assert QuotaNode.objects.count() == 7


def test_applying_makes_all_changes_and_drops_the_draft(example: Example):
    add(example, ChangeNode(node=example.key("a1"), max={"cpu": "24"}), speech_under(example, "b"))
    applied = services.apply_draft(tree=example.tree, author=example.admin)
    assert applied.added[NodeKey("new-1")].name == "speech"
    assert example.read("a1").max == {"cpu": "24"}
    assert not QuotaDraft.objects.exists()


def test_a_refused_draft_is_kept(example: Example):
    add(
        example,
        ChangeNode(node=example.key("a1"), max={"cpu": "24"}),
        ChangeNode(node=example.key("a2"), min={"cpu": "30"}),
    )
    with pytest.raises(QuotaRefusedError):
        services.apply_draft(tree=example.tree, author=example.admin)
    assert len(QuotaDraft.objects.get().changes) == 2
    assert example.read("a1").max == {"cpu": "20"}


def test_a_change_that_breaks_a_rule_may_wait_for_the_one_that_mends_it(example: Example):
    add(example, ChangeNode(node=example.key("a1"), min={"cpu": "12"}))
    assert not services.preview_draft(tree=example.tree, author=example.admin).is_allowed
    add(example, ChangeNode(node=example.key("a2"), min={"cpu": "8"}))
    assert services.preview_draft(tree=example.tree, author=example.admin).is_allowed


def test_a_change_without_meaning_is_refused_at_once(example: Example):
    with pytest.raises(QuotaRefusedError, match="cannot be moved under"):
        add(example, MoveNode(node=example.key("a"), parent=example.key("a1")))


def test_changes_are_stamped_with_the_version_that_the_author_saw(example: Example):
    add(example, ChangeNode(node=example.key("a1"), max={"cpu": "24"}))
    services.apply_changes(
        tree=example.tree, changes=[ChangeNode(node=example.key("a1"), max={"cpu": "18"})], by=make_admin("bob")
    )
    preview = services.preview_draft(tree=example.tree, author=example.admin)
    assert [(item.field, item.read, item.current, item.wanted) for item in preview.conflicts] == [
        ("max.cpu", "20", "18", "24")
    ]
    assert not preview.is_allowed
    with pytest.raises(QuotaConflictError):
        services.apply_draft(tree=example.tree, author=example.admin)


def test_taking_out_a_new_node_takes_along_what_was_done_to_it(example: Example):
    add(
        example,
        speech_under(example, "b"),
        ChangeNode(node=example.key("a1"), max={"cpu": "24"}),
        BindNamespace(node=NodeKey("new-1"), namespace="speech"),
    )
    draft = services.remove_from_draft(tree=example.tree, author=example.admin, position=0)
    assert [change["kind"] for change in draft.changes] == ["change-node"]


def test_a_change_whose_node_somebody_deleted_says_so(example: Example):
    add(example, ChangeNode(node=example.key("a1"), max={"cpu": "24"}))
    services.apply_changes(tree=example.tree, changes=[DeleteNode(node=example.key("a1"))], by=make_admin("bob"))
    preview = services.preview_draft(tree=example.tree, author=example.admin)
    assert "no node" in preview.changes[0].problem
    assert not preview.is_allowed


def test_running_pods_can_be_confirmed_and_nothing_else(example: Example):
    make_pod(example.tree.cluster, "train-0", namespace="namespace1")
    add(example, UnbindNamespace(node=example.key("a1"), namespace="namespace1"))
    assert services.preview_draft(tree=example.tree, author=example.admin).can_be_confirmed
    add(example, ChangeNode(node=example.key("a2"), min={"cpu": "30"}))
    assert not services.preview_draft(tree=example.tree, author=example.admin).can_be_confirmed


def test_everybody_has_a_draft_of_their_own(example: Example):
    add(example, ChangeNode(node=example.key("a1"), max={"cpu": "24"}))
    assert services.get_draft(tree=example.tree, author=make_admin("bob")).changes == []
    services.discard_draft(tree=example.tree, author=example.admin)
    assert services.get_draft(tree=example.tree, author=example.admin).changes == []
