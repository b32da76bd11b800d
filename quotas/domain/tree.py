"""The quota tree as a value.

Vocabulary: a *node* has, per resource, a *Min* (guaranteed) and a *Max* (ceiling); a missing Min is 0, a missing Max unlimited.
A *leaf* has no children and is not the root: namespaces are bound to leaves only. The *path* of a node is its names joined by
dots. S(n) is the sum of the Mins of n's children. The *effective Max* of a node is the smallest Max on its path.

Quantities keep the spelling that people gave them; amounts (see kit.quantity) are exact integers, None meaning unlimited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NewType

from aidashboard.kit.quantity import QuantityError, is_unlimited, parse_amount, parse_ceiling

NodeKey = NewType("NodeKey", str)
"""A node's primary key as text, or a temporary key (`new-1`) for one that a draft adds."""

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
UNLIMITED_GUARANTEE: Final = "means unlimited, and a guarantee cannot be unlimited: give a number"


class TreeShapeError(ValueError):
    """The nodes do not form one tree: no root or several, an unknown parent, or a cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A namespace of a leaf. Adopted when it existed before us, otherwise we make it."""

    namespace: str
    is_adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node. `queue_name` is empty until the node has been saved; `version` is that of the row."""

    key: NodeKey
    name: str
    parent: NodeKey | None
    min: Mapping[str, str] = field(default_factory=dict)
    max: Mapping[str, str] = field(default_factory=dict)
    namespaces: tuple[Binding, ...] = ()
    group: str | None = None
    queue_name: str = ""
    version: int = 0

    @property
    def resources(self) -> frozenset[str]:
        return frozenset(self.min) | frozenset(self.max)

    def find_binding(self, namespace: str) -> Binding | None:
        return next((binding for binding in self.namespaces if binding.namespace == namespace), None)


@dataclass(frozen=True, slots=True)
class Tree:
    """All nodes of one tree; siblings stand in the order given.

    Raises: TreeShapeError when the nodes do not form one tree.
    """

    nodes: tuple[Node, ...]
    _by_key: Mapping[NodeKey, Node] = field(init=False, repr=False, compare=False)
    _children: Mapping[NodeKey, tuple[Node, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key = {node.key: node for node in self.nodes}
        children: dict[NodeKey, list[Node]] = {node.key: [] for node in self.nodes}
        roots = [node for node in self.nodes if node.parent is None]
        for node in self.nodes:
            if node.parent is not None:
                if node.parent not in children:
                    raise TreeShapeError(f"node {node.name!r} has an unknown parent {node.parent!r}")
                children[node.parent].append(node)
        if len(roots) != 1 or len(by_key) != len(self.nodes):
            raise TreeShapeError(f"a tree has one root and unique keys, here are {len(roots)} roots")
        object.__setattr__(self, "_by_key", by_key)
        object.__setattr__(self, "_children", {key: tuple(nodes) for key, nodes in children.items()})
        if sum(1 for _ in self.walk()) != len(self.nodes):
            raise TreeShapeError("some nodes are their own ancestors")

    @property
    def root(self) -> Node:
        return next(node for node in self.nodes if node.parent is None)

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def get(self, key: NodeKey) -> Node:
        """Raises: KeyError."""
        return self._by_key[key]

    def children(self, key: NodeKey) -> tuple[Node, ...]:
        return self._children[key]

    def is_leaf(self, key: NodeKey) -> bool:
        """Whether namespaces may be bound here: a node without children that is not the root."""
        return not self._children[key] and self._by_key[key].parent is not None

    def walk(self, start: NodeKey | None = None) -> Iterator[Node]:
        """The nodes below and at `start` (the root by default), each before its children."""
        stack = [self._by_key[start] if start is not None else self.root]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(self._children[node.key]))

    def leaves(self) -> Iterator[Node]:
        return (node for node in self.walk() if self.is_leaf(node.key))

    def lineage(self, key: NodeKey) -> tuple[Node, ...]:
        """The nodes from the root down to this one."""
        nodes = [self._by_key[key]]
        while nodes[-1].parent is not None:
            nodes.append(self._by_key[nodes[-1].parent])
        return tuple(reversed(nodes))

    def path(self, key: NodeKey) -> str:
        return ".".join(node.name for node in self.lineage(key))

    def resources(self) -> tuple[str, ...]:
        """Every resource that a node names, cpu and memory first."""
        return sort_resources({resource for node in self.nodes for resource in node.resources})

    def min_amount(self, key: NodeKey, resource: str) -> int:
        """The guarantee of a node.

        A root may say unlimited, as the default tree of ACK does; its guarantee then is its Max, or what its children need.
        Raises: QuantityError when the quantity cannot be read.
        """
        node = self._by_key[key]
        if node.parent is None and is_unlimited(node.min.get(resource, "0")):
            ceiling = self.max_amount(key, resource)
            return self.children_min(key, resource) if ceiling is None else ceiling
        return parse_min(node, resource)

    def max_amount(self, key: NodeKey, resource: str) -> int | None:
        """The node's own ceiling. Raises: QuantityError when the quantity cannot be read."""
        return parse_max(self._by_key[key], resource)

    def children_min(self, key: NodeKey, resource: str) -> int:
        """S(n): what the node's children are guaranteed together."""
        return sum(parse_min(child, resource) for child in self._children[key])

    def effective_max(self, key: NodeKey, resource: str) -> int | None:
        """The smallest Max on the path of a node.

        Example: root 40, root.a unlimited, root.a.1 60 -> 40 for all three.
        """
        ceilings = [parse_max(node, resource) for node in self.lineage(key)]
        return min((ceiling for ceiling in ceilings if ceiling is not None), default=None)

    def with_node(self, node: Node) -> Tree:
        """A copy in which `node` replaces the one with its key, or comes last when there is none."""
        if node.key in self._by_key:
            return Tree(tuple(node if old.key == node.key else old for old in self.nodes))
        return Tree((*self.nodes, node))

    def without_node(self, key: NodeKey) -> Tree:
        """A copy without a childless node."""
        return Tree(tuple(node for node in self.nodes if node.key != key))


def parse_min(node: Node, resource: str) -> int:
    """Raises: QuantityError naming the value."""
    text = node.min.get(resource)
    if text is None:
        return 0
    if is_unlimited(text):
        raise QuantityError(f"{text!r} {UNLIMITED_GUARANTEE}")
    return parse_amount(resource, text)


def parse_max(node: Node, resource: str) -> int | None:
    """Raises: QuantityError naming the value."""
    text = node.max.get(resource)
    return None if text is None else parse_ceiling(resource, text)


def sort_resources(resources: set[str] | frozenset[str] | Sequence[str]) -> tuple[str, ...]:
    """cpu and memory first, the rest by name."""
    return tuple(sorted(set(resources), key=lambda name: ({"cpu": 0, "memory": 1}.get(name, 2), name)))
