"""The translation to Kueue keeps its promises: subtree quota = Min, no use above a Max, every pair listed."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from aidashboard.kit.quantity import parse_amount
from quotas.backends.kueue import build_objects, find_covered_resources
from quotas.domain.facts import TreeFacts
from quotas.domain.tree import NodeKey, Tree
from quotas.domain.validation import judge_tree
from tests.unit.quotas.builders import GPU, build_example, node

CAPACITY = {"cpu": 30_000, "memory": 2**30, GPU: 4, "pods": 110}


@st.composite
def valid_trees(draw: st.DrawFn) -> Tree:
    numbers = st.none() | st.integers(min_value=0, max_value=9)
    nodes = [node("n0", None, cpu=(draw(st.integers(0, 40)), draw(st.none() | st.integers(10, 50))))]
    for index in range(1, draw(st.integers(min_value=2, max_value=9))):
        parent = draw(st.integers(min_value=0, max_value=index - 1))
        nodes.append(node(f"n{index}", f"n{parent}", cpu=(draw(numbers), draw(st.none() | st.integers(5, 50)))))
    tree = Tree(tuple(nodes))
    # The Mins of inner nodes are raised to what their children need, which most random trees lack.
    for item in reversed(list(tree.walk())):
        needed = max(tree.min_amount(item.key, "cpu"), tree.children_min(item.key, "cpu"))
        tree = tree.with_node(node(item.name, item.parent, cpu=(f"{needed}m", item.max.get("cpu"))))
    assume(not [finding for finding in judge_tree(tree, TreeFacts()) if not finding.is_warning])
    return tree


def read_quotas(tree: Tree, capacity: dict[str, int] | None = None) -> dict[str, dict[str, tuple[int, int | None]]]:
    """{node: {resource: (nominal, borrowing limit)}} out of the manifests."""
    quotas: dict[str, dict[str, tuple[int, int | None]]] = {}
    for item in build_objects(tree, capacity=capacity or CAPACITY, owner="quota-tree-1"):
        if item.manifest["kind"] in {"Cohort", "ClusterQueue"}:
            quotas[item.manifest["metadata"]["name"]] = _read(item.manifest)
    return quotas


def _read(manifest: dict[str, Any]) -> dict[str, tuple[int, int | None]]:  # Any: JSON
    rows = [row for group in manifest["spec"].get("resourceGroups", []) for row in group["flavors"][0]["resources"]]
    return {
        row["name"]: (
            parse_amount(row["name"], row["nominalQuota"]),
            parse_amount(row["name"], row["borrowingLimit"]) if "borrowingLimit" in row else None,
        )
        for row in rows
    }


@given(valid_trees())
def test_the_subtree_quota_of_every_node_is_its_min(tree: Tree):
    quotas = read_quotas(tree)
    subtree: dict[NodeKey, int] = {}
    for item in reversed(list(tree.walk())):
        own = quotas[item.name].get("cpu", (0, None))[0]
        subtree[item.key] = own + sum(subtree[child.key] for child in tree.children(item.key))
        if item.parent is not None:
            assert subtree[item.key] == tree.min_amount(item.key, "cpu")
    supply = min(amount for amount in (tree.max_amount(tree.root.key, "cpu"), CAPACITY["cpu"]) if amount is not None)
    assert subtree[tree.root.key] == max(supply, tree.children_min(tree.root.key, "cpu"))


@given(valid_trees())
def test_min_and_borrowing_limit_make_the_max(tree: Tree):
    quotas = read_quotas(tree)
    for item in tree.walk():
        limit = quotas[item.name].get("cpu", (0, None))[1]
        ceiling = tree.max_amount(item.key, "cpu")
        if item.parent is None or ceiling is None:
            assert limit is None
        else:
            assert limit == ceiling - tree.min_amount(item.key, "cpu")


@given(valid_trees())
def test_every_leaf_lists_every_resource_in_one_order(tree: Tree):
    covered = find_covered_resources(tree, CAPACITY)
    for item in build_objects(tree, capacity=CAPACITY, owner="quota-tree-1"):
        if item.manifest["kind"] == "ClusterQueue":
            group = item.manifest["spec"]["resourceGroups"][0]
            assert tuple(group["coveredResources"]) == covered
            assert tuple(row["name"] for row in group["flavors"][0]["resources"]) == covered


def test_covered_are_the_trees_resources_cpu_memory_and_what_the_nodes_offer():
    capacity = {"cpu": 1, "pods": 110, "hugepages-2Mi": 0, "attachable-volumes-csi": 39, GPU: 8, "example.com/fpga": 1}
    tree = Tree((node("root", None, min={"memory": "1Gi", "example.com/seats": "3"}),))
    assert find_covered_resources(tree, capacity) == ("cpu", "memory", "example.com/fpga", "example.com/seats", GPU)
    assert find_covered_resources(tree, None) == ("cpu", "memory", "example.com/seats")


def test_the_roots_pool_is_never_negative():
    assert read_quotas(build_example(), {"cpu": 16_000})["root"]["cpu"] == (0, None)
    assert read_quotas(build_example(), {"cpu": 100_000})["root"]["cpu"] == (0, None)
    assert read_quotas(build_example(root=node("root", None, cpu=(50, 50))), {"cpu": 45_000})["root"]["cpu"] == (
        5_000,
        None,
    )


def test_objects_come_in_the_order_of_application():
    kinds = [item.manifest["kind"] for item in build_objects(build_example(), capacity=CAPACITY, owner="x")]
    assert kinds == ["Cohort"] * 3 + ["ClusterQueue"] * 4 + ["Namespace"] * 4 + ["LocalQueue"] * 4
