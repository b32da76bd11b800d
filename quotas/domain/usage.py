"""Who uses what of a tree: used, borrowed, lent and pending, per node and resource, at every level. Pure.

*Used* is what the workloads of a subtree hold, *borrowed* what of it is above the node's Min, *lent* what of the node's idle Min
others outside it use, *pending* what waits in its queues. Who lends to whom is a convention, the sums are facts: borrowers below
a node first take what the node holds itself (Min less the children's Mins; at the root everything beyond them), then the idle
Min of their siblings in proportion to it, then what lies above. So, per resource, what all leaves borrow is what leaves lend
plus what inner nodes lend of their own (as long as nobody is above a ceiling that was lowered).

Example: root 40, leaves a and b with Min 20 each; a uses 30, b uses 4 -> a borrows 10, b lends 10, 6 are free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quotas.domain.tree import NodeKey, Tree

Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafUsage:
    """What the cluster reports of one leaf; amounts in kit.quantity units."""

    used: Amounts = field(default_factory=dict)
    pending: Amounts = field(default_factory=dict)
    running_pods: int = 0
    admitted_workloads: int = 0
    pending_workloads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceUsage:
    """One node and resource. None is unlimited.

    `effective_max` is the smallest Max on the path; `reachable` also respects what the cluster can schedule: no request of
    the node's work above it can ever be admitted.
    """

    resource: str
    min: int
    max: int | None
    effective_max: int | None
    reachable: int | None
    used: int
    borrowed: int
    lent: int
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """All resources of one node, in reading order, and the counts of its subtree."""

    resources: Mapping[str, ResourceUsage]
    running_pods: int
    admitted_workloads: int
    pending_workloads: int


def compute_usage(
    tree: Tree, *, leaves: Mapping[NodeKey, LeafUsage], capacity: Amounts | None, resources: Sequence[str] = ()
) -> dict[NodeKey, NodeUsage]:
    """Usage of every node. `resources` are shown as well as those that the tree names; `capacity` None is not known."""
    shown = [*tree.resources(), *(resource for resource in resources if resource not in tree.resources())]
    by_resource = {resource: _compute_resource(tree, resource, leaves, capacity) for resource in shown}
    usage: dict[NodeKey, NodeUsage] = {}
    for node in tree.walk():
        below = [leaves[other.key] for other in tree.walk(node.key) if other.key in leaves]
        usage[node.key] = NodeUsage(
            resources={resource: by_resource[resource][node.key] for resource in shown},
            running_pods=sum(leaf.running_pods for leaf in below),
            admitted_workloads=sum(leaf.admitted_workloads for leaf in below),
            pending_workloads=sum(leaf.pending_workloads for leaf in below),
        )
    return usage


def find_root_supply(tree: Tree, resource: str, capacity: Amounts | None) -> int | None:
    """What the tree may use at all: the root's Max or the cluster's capacity, whichever is smaller. None: neither is known."""
    known = [tree.max_amount(tree.root.key, resource), None if capacity is None else capacity.get(resource, 0)]
    return min((amount for amount in known if amount is not None), default=None)


def _compute_resource(
    tree: Tree, resource: str, leaves: Mapping[NodeKey, LeafUsage], capacity: Amounts | None
) -> dict[NodeKey, ResourceUsage]:
    nodes = list(tree.walk())
    used, pending = _roll_up(tree, resource, leaves)
    minimum = {node.key: tree.min_amount(node.key, resource) for node in nodes}
    supply = find_root_supply(tree, resource, capacity)
    lent = _attribute_lending(tree, minimum=minimum, used=used, supply=supply)
    ceilings: dict[NodeKey, int | None] = {}
    result = {}
    for node in nodes:
        own = tree.max_amount(node.key, resource)
        ceilings[node.key] = _smaller(own, None if node.parent is None else ceilings[node.parent])
        result[node.key] = ResourceUsage(
            resource=resource,
            min=minimum[node.key],
            max=own,
            effective_max=ceilings[node.key],
            reachable=_smaller(ceilings[node.key], supply),
            used=used[node.key],
            borrowed=0 if node.parent is None else max(0, used[node.key] - minimum[node.key]),
            lent=lent[node.key],
            pending=pending[node.key],
        )
    return result


def _roll_up(
    tree: Tree, resource: str, leaves: Mapping[NodeKey, LeafUsage]
) -> tuple[dict[NodeKey, int], dict[NodeKey, int]]:
    used, pending = dict[NodeKey, int](), dict[NodeKey, int]()
    for node in reversed(list(tree.walk())):
        own = leaves.get(node.key, LeafUsage())
        children = tree.children(node.key)
        used[node.key] = own.used.get(resource, 0) + sum(used[child.key] for child in children)
        pending[node.key] = own.pending.get(resource, 0) + sum(pending[child.key] for child in children)
    return used, pending


def _attribute_lending(
    tree: Tree, *, minimum: Mapping[NodeKey, int], used: Mapping[NodeKey, int], supply: int | None
) -> dict[NodeKey, int]:
    """How much of each node's Min is used outside it, from the root down."""
    lent = {tree.root.key: 0}
    for node in tree.walk():
        children = tree.children(node.key)
        if not children:
            continue
        guaranteed = sum(minimum[child.key] for child in children)
        wanted = sum(max(0, used[child.key] - minimum[child.key]) for child in children)
        idle = [max(0, minimum[child.key] - used[child.key]) for child in children]
        # What the node holds itself; a root whose supply is not known is taken to have what is asked of it.
        total = minimum[node.key] if node.parent is not None else supply
        own = wanted if total is None else max(0, total - guaranteed)
        from_own = min(wanted, own)
        from_siblings = min(wanted - from_own, sum(idle))
        to_outside = max(0, lent[node.key] - (own - from_own))
        shares = _share_out(min(from_siblings + to_outside, sum(idle)), idle)
        lent.update({child.key: share for child, share in zip(children, shares, strict=True)})
    return lent


def _share_out(amount: int, weights: Sequence[int]) -> list[int]:
    """`amount` in whole parts proportional to `weights`, none above its weight; the largest remainders get the odd units."""
    total = sum(weights)
    if total == 0:
        return [0 for _ in weights]
    shares = [amount * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(amount * weights[index] % total), index))
    for index in by_remainder[: amount - sum(shares)]:
        shares[index] += 1
    return shares


def _smaller(first: int | None, second: int | None) -> int | None:
    return min((amount for amount in (first, second) if amount is not None), default=None)
