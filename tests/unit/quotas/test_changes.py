"""Changes: what they do to a tree, and how they travel as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotas.domain.changes import (
    AddNode,
    BindGroup,
    BindNamespace,
    Change,
    ChangeImpossibleError,
    ChangeNode,
    DeleteNode,
    MoveNode,
    RenameNode,
    UnbindGroup,
    UnbindNamespace,
    apply_change,
    apply_possible,
    change_from_json,
    change_to_json,
    changes_from_json,
)
from quotas.domain.diff import DiffKind, diff_trees
from quotas.domain.sentences import describe_change
from quotas.domain.tree import Tree
from quotas.errors import ChangeMalformedError
from tests.unit.quotas.builders import GPU, build_example, key, node

EVERY_KIND: list[Change] = [
    AddNode(key=key("new-1"), parent=key("a"), name="speech", min={GPU: "8"}, max={GPU: "16"}),
    ChangeNode(node=key("a1"), version=3, min={"cpu": "12"}, max={"cpu": None}),
    RenameNode(node=key("a1"), name="vision"),
    MoveNode(node=key("a1"), version=1, parent=key("b")),
    DeleteNode(node=key("a1")),
    BindNamespace(node=key("a1"), namespace="extra", adopt=True),
    UnbindNamespace(node=key("a1"), namespace="namespace1"),
    BindGroup(node=key("a1"), group="vision"),
    UnbindGroup(node=key("a1")),
]


@pytest.mark.parametrize("change", EVERY_KIND, ids=lambda change: change.kind)
def test_a_change_survives_json(change: Change):
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change


@pytest.mark.parametrize("change", EVERY_KIND, ids=lambda change: change.kind)
def test_a_change_says_in_words_what_it_does(change: Change):
    assert len(describe_change(build_example(), change)) > 10


def test_a_later_change_refers_to_a_new_node_by_its_temporary_key():
    tree = apply_possible(
        build_example(),
        [
            AddNode(key=key("new-1"), parent=key("a"), name="speech"),
            AddNode(key=key("new-2"), parent=key("new-1"), name="asr"),
            ChangeNode(node=key("new-2"), max={"cpu": "5"}),
            BindNamespace(node=key("new-2"), namespace="asr"),
        ],
    )
    assert tree.path(key("new-2")) == "root.a.speech.asr"
    assert tree.get(key("new-2")).max == {"cpu": "5"}


def test_untouched_quantities_keep_their_spelling():
    odd = build_example(a1=node("a1", "a", min={"cpu": "10000m", "memory": "1.5Gi"}, max={"memory": "2147483647Gi"}))
    tree = apply_change(odd, ChangeNode(node=key("a1"), min={"cpu": "11"}))
    assert tree.get(key("a1")).min == {"cpu": "11", "memory": "1.5Gi"}
    assert tree.get(key("a1")).max == {"memory": "2147483647Gi"}


def test_null_takes_a_quantity_out():
    tree = apply_change(build_example(), ChangeNode(node=key("a1"), min={"cpu": None}, max={"cpu": None}))
    assert tree.min_amount(key("a1"), "cpu") == 0
    assert tree.max_amount(key("a1"), "cpu") is None


def test_a_move_takes_everything_below_along():
    tree = apply_change(build_example(), MoveNode(node=key("a"), parent=key("b")))
    assert tree.path(key("a1")) == "root.b.a.a1"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (MoveNode(node=key("a"), parent=key("a1")), "cyclic-move"),
        (MoveNode(node=key("a"), parent=key("a")), "cyclic-move"),
        (MoveNode(node=key("root"), parent=key("a")), "root-fixed"),
        (MoveNode(node=key("a"), parent=key("99")), "unknown-node"),
        (RenameNode(node=key("99"), name="x"), "unknown-node"),
        (DeleteNode(node=key("root")), "V10"),
        (DeleteNode(node=key("a")), "V10"),
        (BindNamespace(node=key("a1"), namespace="namespace1"), "V12"),
        (UnbindNamespace(node=key("a1"), namespace="namespace2"), "not-bound"),
        (AddNode(key=key("a1"), parent=key("a"), name="x"), "temporary-key"),
        (AddNode(key=key("7"), parent=key("a"), name="x"), "temporary-key"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.kind,
)
def test_a_change_without_meaning_says_which_rule_and_node(change: Change, rule: str):
    with pytest.raises(ChangeImpossibleError) as caught:
        apply_change(build_example(), change)
    assert caught.value.finding.rule == rule
    assert caught.value.finding.message


def test_a_leaf_with_a_group_takes_no_second_one():
    tree = build_example(a1=node("a1", "a", group="vision"))
    with pytest.raises(ChangeImpossibleError, match="'vision'"):
        apply_change(tree, BindGroup(node=key("a1"), group="nlp"))


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("text", "changes[0]"),
        ({}, "changes[0].kind"),
        ({"kind": "explode"}, "changes[0].kind"),
        ({"kind": ["add-node"]}, "changes[0].kind"),
        ({"kind": "delete-node"}, "changes[0].node"),
        ({"kind": "delete-node", "node": "1", "version": "3"}, "changes[0].version"),
        ({"kind": "delete-node", "node": "1", "version": 0}, "changes[0].version"),
        ({"kind": "delete-node", "node": "1", "version": True}, "changes[0].version"),
        ({"kind": "delete-node", "node": "1", "force": True}, "changes[0].force"),
        ({"kind": "rename-node", "node": "1", "name": " "}, "changes[0].name"),
        ({"kind": "change-node", "node": "1", "min": [1]}, "changes[0].min"),
        ({"kind": "change-node", "node": "1", "min": {"cpu": True}}, "changes[0].min"),
        ({"kind": "add-node", "key": "new-1", "parent": "1", "name": "x", "min": {"cpu": None}}, "changes[0].min"),
        ({"kind": "bind-namespace", "node": "1", "namespace": "x", "adopt": "yes"}, "changes[0].adopt"),
    ],
)
def test_a_malformed_change_names_its_position_and_field(data: object, field: str):
    with pytest.raises(ChangeMalformedError) as caught:
        changes_from_json([data])
    assert field in {finding.field for finding in caught.value.findings}


def test_every_fault_of_every_change_is_told_at_once():
    with pytest.raises(ChangeMalformedError) as caught:
        changes_from_json([{"kind": "move-node"}, {"kind": "nothing"}, {"kind": "rename-node", "node": 1, "x": 1}])
    fields = [finding.field for finding in caught.value.findings]
    assert sorted(fields) == [
        "changes[0].node",
        "changes[0].parent",
        "changes[1].kind",
        "changes[2].name",
        "changes[2].x",
    ]


def test_numbers_are_taken_as_quantities_and_keys():
    change = change_from_json({"kind": "change-node", "node": 7, "min": {"cpu": 40}, "max": {"memory": 1.5}})
    assert change == ChangeNode(node=key("7"), min={"cpu": "40"}, max={"memory": "1.5"})


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_no_json_breaks_the_reader(data: object):
    with pytest.raises(ChangeMalformedError):
        change_from_json(data)


def test_the_difference_of_two_trees_is_read_field_by_field():
    before = build_example()
    after = apply_possible(
        before,
        [
            ChangeNode(node=key("a1"), min={"cpu": "12"}),
            RenameNode(node=key("b"), name="beta"),
            DeleteNode(node=key("b2")),
            AddNode(key=key("new-1"), parent=key("a"), name="new", max={"cpu": "3"}),
        ],
    )
    rows = {(row.kind, row.path, row.field): (row.old, row.new) for row in diff_trees(before, after)}
    assert rows == {
        (DiffKind.CHANGED, "root.a.a1", "min.cpu"): ("10", "12"),
        (DiffKind.CHANGED, "root.beta", "name"): ("b", "beta"),
        (DiffKind.DELETED, "root.b.b2", "node"): ("root.b.b2", ""),
        (DiffKind.ADDED, "root.a.new", "node"): ("", "root.a.new"),
        (DiffKind.CHANGED, "root.a.new", "max.cpu"): ("", "3"),
    }


def test_equal_trees_have_no_difference():
    assert diff_trees(build_example(), build_example()) == ()
    assert isinstance(build_example(), Tree)
