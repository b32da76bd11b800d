"""Whatever people do, the rows hold exactly the tree that was judged, or what they held before."""

from __future__ import annotations

from random import Random

import pytest

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
    UnbindGroup,
    UnbindNamespace,
    apply_possible,
)
from quotas.domain.facts import TreeFacts
from quotas.domain.tree import Node, NodeKey, Tree
from quotas.domain.validation import judge_tree
from quotas.errors import QuotaRefusedError
from quotas.models import NodeRevision, QuotaNode
from quotas.selectors import load_tree
from tests.factories.people import make_group
from tests.integration.quotas.conftest import Example

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.mark.parametrize("seed", range(3))
def test_rows_and_rules_agree_after_any_edits(example: Example, seed: int):
    random, applied = Random(seed), 0
    make_group("vision")
    for _ in range(25):
        before = load_tree(example.tree)
        changes = [build_change(random, before, number) for number in range(random.randint(1, 3))]
        try:
            outcome = services.apply_changes(tree=example.tree, changes=changes, by=example.admin)
        except QuotaRefusedError:
            assert load_tree(example.tree) == before
            continue
        applied += 1
        after = load_tree(example.tree)
        wanted = apply_possible(before, changes)
        names = {key: NodeKey(str(row.pk)) for key, row in outcome.added.items()}
        assert describe(after) == describe(wanted, names)
        assert not [finding for finding in judge_tree(after, TreeFacts()) if not finding.is_warning]
    assert applied >= 5
    versions = dict(QuotaNode.objects.values_list("pk", "version"))
    for number, version in versions.items():
        assert NodeRevision.objects.filter(node_number=number).count() == version


def build_change(random: Random, tree: Tree, number: int) -> Change:
    node = random.choice(tree.nodes)
    leaf = random.choice(list(tree.leaves()))
    quantity = str(random.choice([0, 1, 5, 9, 10, 12, 20, 40]))
    namespace = f"namespace{random.randint(1, 6)}"
    options: list[Change] = [
        AddNode(key=NodeKey(f"new-{number}"), parent=node.key, name=f"n{random.randint(1, 99)}", max={"cpu": "10"}),
        ChangeNode(node=node.key, min={"cpu": quantity}),
        ChangeNode(node=leaf.key, max={"cpu": quantity, "nvidia.com/gpu": None}),
        RenameNode(node=node.key, name=random.choice(["a", "b", "a1", "vision", "x"])),
        MoveNode(node=node.key, parent=random.choice(tree.nodes).key),
        DeleteNode(node=leaf.key),
        BindNamespace(node=leaf.key, namespace=namespace),
        UnbindNamespace(node=leaf.key, namespace=namespace),
        BindGroup(node=leaf.key, group="vision"),
        UnbindGroup(node=leaf.key),
    ]
    return random.choice(options)


def describe(tree: Tree, names: dict[NodeKey, NodeKey] | None = None) -> dict[NodeKey, tuple[object, ...]]:
    """What must agree: everything but versions and queue names, which the rows give."""
    known = names or {}

    def name_of(key: NodeKey | None) -> NodeKey | None:
        return known.get(key, key) if key is not None else None

    def describe_node(node: Node) -> tuple[object, ...]:
        namespaces = sorted(binding.namespace for binding in node.namespaces)
        return (name_of(node.parent), node.name, dict(node.min), dict(node.max), namespaces, node.group)

    return {known.get(node.key, node.key): describe_node(node) for node in tree.nodes}
