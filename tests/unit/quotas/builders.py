"""Trees in few words, for tests."""

from __future__ import annotations

from collections.abc import Mapping

from quotas.domain.tree import Binding, Node, NodeKey, Tree

GPU = "nvidia.com/gpu"


def key(text: str) -> NodeKey:
    return NodeKey(text)


def node(
    name: str,
    parent: str | None,
    *,
    cpu: tuple[int | str | None, int | str | None] | None = None,
    namespaces: tuple[str, ...] = (),
    group: str | None = None,
    **quantities: Mapping[str, str],
) -> Node:
    """A node whose key and queue name are its name. `cpu` is (Min, Max), None leaving one out."""
    minimum, maximum = dict(quantities.get("min", {})), dict(quantities.get("max", {}))
    if cpu is not None:
        minimum |= {} if cpu[0] is None else {"cpu": str(cpu[0])}
        maximum |= {} if cpu[1] is None else {"cpu": str(cpu[1])}
    return Node(
        key=NodeKey(name),
        name=name,
        parent=None if parent is None else NodeKey(parent),
        min=minimum,
        max=maximum,
        namespaces=tuple(Binding(namespace=text) for text in namespaces),
        group=group,
        queue_name=name,
        version=1,
    )


def build_example(**changed: Node) -> Tree:
    """The tree of the ACK guide: root 40/40, a and b 20/40, four leaves 10/20 with namespace1 to namespace4."""
    nodes = {
        "root": node("root", None, cpu=(40, 40)),
        "a": node("a", "root", cpu=(20, 40)),
        "b": node("b", "root", cpu=(20, 40)),
        "a1": node("a1", "a", cpu=(10, 20), namespaces=("namespace1",)),
        "a2": node("a2", "a", cpu=(10, 20), namespaces=("namespace2",)),
        "b1": node("b1", "b", cpu=(10, 20), namespaces=("namespace3",)),
        "b2": node("b2", "b", cpu=(10, 20), namespaces=("namespace4",)),
    }
    return Tree(tuple((nodes | changed).values()))
