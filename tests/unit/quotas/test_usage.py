"""Used, borrowed, lent and pending at every level."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quotas.domain.tree import NodeKey, Tree
from quotas.domain.usage import LeafUsage, compute_usage
from tests.unit.quotas.builders import GPU, build_example, key, node


def use(**cpu: int) -> dict[NodeKey, LeafUsage]:
    return {NodeKey(name): LeafUsage(used={"cpu": amount * 1000}) for name, amount in cpu.items()}


def show(
    tree: Tree, leaves: dict[NodeKey, LeafUsage], capacity: dict[str, int] | None
) -> dict[str, tuple[int, int, int]]:
    """Whole cores: (used, borrowed, lent) by name."""
    usage = compute_usage(tree, leaves=leaves, capacity=capacity)
    rows = {item.name: usage[item.key].resources["cpu"] for item in tree.nodes}
    return {name: (row.used // 1000, row.borrowed // 1000, row.lent // 1000) for name, row in rows.items()}


def test_the_example_of_the_module():
    tree = Tree((node("root", None, cpu=(40, 40)), node("a", "root", cpu=(20, 40)), node("b", "root", cpu=(20, 40))))
    assert show(tree, use(a=30, b=4), {"cpu": 40_000}) == {"root": (34, 0, 0), "a": (30, 10, 0), "b": (4, 0, 10)}


def test_the_walk_through_seen_from_every_level():
    capacity = {"cpu": 40_000}
    first = show(build_example(), use(a1=20), capacity)
    assert first == {
        "root": (20, 0, 0),
        "a": (20, 0, 0),
        "b": (0, 0, 0),
        "a1": (20, 10, 0),
        "a2": (0, 0, 10),
        "b1": (0, 0, 0),
        "b2": (0, 0, 0),
    }
    second = show(build_example(), use(a1=20, a2=20), capacity)
    assert second["a"] == (40, 20, 0)
    assert second["b"] == (0, 0, 20)
    assert second["b1"] == second["b2"] == (0, 0, 10)
    last = show(build_example(), use(a1=10, a2=10, b1=10, b2=10), capacity)
    assert {row[1:] for row in last.values()} == {(0, 0)}


def test_what_a_node_holds_itself_is_borrowed_before_a_siblings_idle_min():
    tree = Tree(
        (
            node("root", None, cpu=(40, 40)),
            node("a", "root", cpu=(20, 40)),
            node("a1", "a", cpu=(5, 20)),
            node("a2", "a", cpu=(5, 20)),
        )
    )
    assert show(tree, use(a1=15), {"cpu": 40_000})["a2"] == (0, 0, 0)
    assert show(tree, use(a1=17), {"cpu": 40_000})["a2"] == (0, 0, 2)


def test_pending_and_counts_roll_up():
    leaves = {
        key("a1"): LeafUsage(pending={"cpu": 5000, GPU: 2}, running_pods=2, pending_workloads=1, admitted_workloads=2),
        key("a2"): LeafUsage(pending={"cpu": 1000}, running_pods=1, pending_workloads=3),
    }
    usage = compute_usage(build_example(), leaves=leaves, capacity=None, resources=(GPU,))
    assert usage[key("a")].resources["cpu"].pending == 6000
    assert usage[key("root")].resources[GPU].pending == 2
    assert (usage[key("root")].running_pods, usage[key("a")].pending_workloads) == (3, 4)


def test_reachable_respects_capacity_and_effective_max_does_not():
    usage = compute_usage(build_example(), leaves={}, capacity={"cpu": 16_000})[key("a1")].resources["cpu"]
    assert (usage.max, usage.effective_max, usage.reachable) == (20_000, 20_000, 16_000)


def test_nothing_is_known_of_an_unlimited_root_without_capacity():
    tree = Tree((node("root", None), node("x", "root", cpu=(1, None))))
    usage = compute_usage(tree, leaves=use(x=5), capacity=None)[key("x")].resources["cpu"]
    assert (usage.effective_max, usage.reachable, usage.borrowed) == (None, None, 4000)


@st.composite
def legal_states(draw: st.DrawFn) -> tuple[Tree, dict[NodeKey, LeafUsage], dict[str, int]]:
    """A tree whose Mins add up, with use that stays within the supply of the root."""
    shape = [None] + [draw(st.integers(min_value=0, max_value=index)) for index in range(draw(st.integers(0, 7)))]
    own = [draw(st.integers(min_value=0, max_value=9)) for _ in shape]
    total = list(own)
    for index in range(len(shape) - 1, 0, -1):
        total[shape[index] or 0] += total[index]
    tree = Tree(
        tuple(
            node(f"n{index}", None if parent is None else f"n{parent}", cpu=(f"{total[index]}m", None))
            for index, parent in enumerate(shape)
        )
    )
    supply = total[0] + draw(st.integers(min_value=0, max_value=9))
    leaves: dict[NodeKey, LeafUsage] = {}
    left = supply
    for leaf in tree.leaves():
        amount = draw(st.integers(min_value=0, max_value=left))
        left -= amount
        leaves[leaf.key] = LeafUsage(used={"cpu": amount})
    return tree, leaves, {"cpu": supply}


@given(legal_states())
def test_everything_borrowed_is_lent_by_somebody(state: tuple[Tree, dict[NodeKey, LeafUsage], dict[str, int]]):
    tree, leaves, capacity = state
    usage = {item: row.resources["cpu"] for item, row in compute_usage(tree, leaves=leaves, capacity=capacity).items()}
    for item in tree.walk():
        row = usage[item.key]
        assert 0 <= row.lent <= max(0, row.min - row.used) or item.parent is None
        assert row.borrowed == 0 or row.lent == 0
        children = [usage[child.key] for child in tree.children(item.key)]
        if not children:
            continue
        # What flows to borrowers inside and outside comes from the node's own part first, then from idle children, then from above.
        held = (capacity["cpu"] if item.parent is None else row.min) - sum(child.min for child in children)
        wanted = sum(child.borrowed for child in children) + row.lent - row.borrowed
        from_own = wanted - sum(child.lent for child in children)
        assert 0 <= from_own <= held
        assert from_own == held or not any(child.lent for child in children)
