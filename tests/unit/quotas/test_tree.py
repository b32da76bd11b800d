"""The tree as a value: amounts, paths, sums, and the shapes it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aidashboard.kit.quantity import QuantityError
from quotas.domain.naming import allocate_queue_name, build_queue_name, is_resource_name
from quotas.domain.tree import Node, NodeKey, Tree, TreeShapeError
from tests.unit.quotas.builders import build_example, key, node


def test_a_path_is_the_names_from_the_root():
    assert build_example().path(key("b2")) == "root.b.b2"


def test_children_stand_below_their_parent_in_order():
    tree = build_example()
    assert [item.name for item in tree.walk()] == ["root", "a", "a1", "a2", "b", "b1", "b2"]
    assert [item.name for item in tree.leaves()] == ["a1", "a2", "b1", "b2"]


def test_a_lone_root_is_no_leaf():
    assert list(Tree((node("root", None),)).leaves()) == []


def test_missing_min_is_zero_and_missing_max_unlimited():
    tree = Tree((node("root", None), node("x", "root")))
    assert tree.min_amount(key("x"), "cpu") == 0
    assert tree.max_amount(key("x"), "cpu") is None


def test_effective_max_is_the_smallest_on_the_path():
    tree = build_example(a=node("a", "root", cpu=(20, None)), a1=node("a1", "a", cpu=(10, 60)))
    assert [tree.effective_max(key(name), "cpu") for name in ("root", "a", "a1", "a2")] == [40000, 40000, 40000, 20000]


def test_an_unlimited_guarantee_is_for_the_root_alone():
    sentinel = {"cpu": "2147483647"}
    tree = Tree((node("root", None, min=sentinel, max=sentinel), node("x", "root", cpu=(7, None))))
    assert tree.min_amount(key("root"), "cpu") == 7000
    with pytest.raises(QuantityError, match="unlimited"):
        Tree((node("root", None), node("x", "root", min=sentinel))).min_amount(key("x"), "cpu")


@pytest.mark.parametrize(
    "nodes",
    [
        (),
        (node("a", None), node("b", None)),
        (node("a", None), node("b", "nowhere")),
        (node("a", None), node("b", "c"), node("c", "b")),
        (node("a", None), node("a", "a")),
    ],
    ids=["empty", "two roots", "unknown parent", "cycle", "one key twice"],
)
def test_nodes_that_form_no_tree_are_refused(nodes: tuple[Node, ...]):
    with pytest.raises(TreeShapeError):
        Tree(nodes)


def test_a_deep_tree_needs_no_recursion():
    nodes = [node("n0", None)] + [node(f"n{level}", f"n{level - 1}") for level in range(1, 3000)]
    assert sum(1 for _ in Tree(tuple(nodes)).walk()) == 3000


def test_a_queue_name_is_the_path_in_lower_case_with_dashes():
    assert build_queue_name("root.Research.vision_dev") == "root-research-vision-dev"


def test_a_long_path_gives_a_short_queue_name_of_its_own():
    first, second = (build_queue_name("root." + ".".join([letter * 60] * 4)) for letter in "ab")
    assert len(first) <= 63
    assert first != second
    assert build_queue_name("x." * 100 + "left") != build_queue_name("x." * 100 + "right")


def test_a_queue_name_that_is_still_there_gets_a_number():
    assert allocate_queue_name("root.a", taken={"root-a", "root-a-2"}) == "root-a-3"


@pytest.mark.parametrize("name", ["cpu", "memory", "nvidia.com/gpu", "aliyun.com/gpu-core.percentage", "hugepages-2Mi"])
def test_resource_names_of_kubernetes_are_known(name: str):
    assert is_resource_name(name)


@pytest.mark.parametrize("name", ["", "/gpu", "nvidia.com/", "a/b/c", "UPPER.com/gpu", "gpu!", "-gpu", "x" * 64])
def test_other_texts_are_no_resource_names(name: str):
    assert not is_resource_name(name)


def test_replacing_a_node_leaves_the_old_tree_alone():
    tree = build_example()
    other = tree.with_node(replace(tree.get(NodeKey("a1")), name="vision"))
    assert other.path(key("a1")) == "root.a.vision"
    assert tree.path(key("a1")) == "root.a.a1"
