"""The accounts of a forest summed anew from who holds what: slow, plain, and written without looking at the engine's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quotas.domain.engine import CohortSpec, ForestSpec, QueueSpec, Quota

Pair = tuple[str, str]
Node = QueueSpec | CohortSpec


class Accounts:
    """What every node has and uses, by (flavor, resource)."""

    def __init__(self, spec: ForestSpec, holders: Iterable[tuple[str, Mapping[Pair, int]]]) -> None:
        given: list[Node] = [*spec.cohorts, *spec.queues]
        named = {node.parent for node in given if node.parent is not None}
        missing = sorted(named - {node.name for node in spec.cohorts})
        given += [CohortSpec(name=name) for name in missing]
        self.nodes = {node.name: node for node in given}
        self.queues = {node.name for node in spec.queues}
        self.children: dict[str, list[str]] = {name: [] for name in self.nodes}
        for node in self.nodes.values():
            if node.parent is not None:
                self.children[node.parent].append(node.name)
        self.held: dict[tuple[str, Pair], int] = {}
        self.pairs = {pair for node in self.nodes.values() for pair in quotas(node)}
        for queue, usage in holders:
            self.book(queue, usage)

    def book(self, queue: str, usage: Mapping[Pair, int], sign: int = 1) -> None:
        for pair, amount in usage.items():
            self.held[queue, pair] = self.held.get((queue, pair), 0) + sign * amount
            self.pairs.add(pair)

    def quota(self, name: str, pair: Pair) -> Quota:
        return quotas(self.nodes[name]).get(pair) or Quota(nominal=0)

    def subtree(self, name: str, pair: Pair) -> int:
        own = self.quota(name, pair).nominal
        return own + sum(self.subtree(one, pair) - self.private(one, pair) for one in self.children[name])

    def private(self, name: str, pair: Pair) -> int:
        lending = self.quota(name, pair).lending_limit
        return 0 if lending is None else max(0, self.subtree(name, pair) - lending)

    def usage(self, name: str, pair: Pair) -> int:
        """What the node sees: of its children only what lies above their private parts."""
        if name in self.queues:
            return self.held.get((name, pair), 0)
        return sum(max(0, self.usage(one, pair) - self.private(one, pair)) for one in self.children[name])

    def total_used(self, name: str, pair: Pair) -> int:
        below = sum(self.total_used(one, pair) for one in self.children[name])
        return below + (self.held.get((name, pair), 0) if name in self.queues else 0)

    def total_nominal(self, name: str, pair: Pair) -> int:
        return self.quota(name, pair).nominal + sum(self.total_nominal(one, pair) for one in self.children[name])

    def surplus(self, name: str, pair: Pair) -> int:
        """KEP-79's T: what is left over of the own quota and of what the children lend; below 0 is borrowed."""
        own = self.quota(name, pair).nominal - self.held.get((name, pair), 0)
        for child in self.children[name]:
            rest, lending = self.surplus(child, pair), self.quota(child, pair).lending_limit
            own += rest if lending is None else min(lending, rest)
        return own

    def path(self, queue: str) -> list[str]:
        names = [queue]
        while (parent := self.nodes[names[-1]].parent) is not None:
            names.append(parent)
        return names

    def above_max(self, name: str, pair: Pair) -> bool:
        """Whether a node and all below it use more than the Max: all their quota and the borrowing limit, of a root all its quota."""
        most = self.total_nominal(name, pair)
        if self.nodes[name].parent is not None:
            limit = self.quota(name, pair).borrowing_limit
            if limit is None:
                return False
            most += limit
        return self.total_used(name, pair) > most


def quotas(node: Node) -> dict[Pair, Quota]:
    return {
        (flavor.flavor, resource): quota
        for group in node.groups
        for flavor in group.flavors
        for resource, quota in flavor.quotas.items()
    }
