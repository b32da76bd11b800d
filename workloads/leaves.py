"""Which quota leaf a workload counts against, and the numbers of leaves as explanations and the researcher's home need them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from accounts.models import User
from clusters.models import Cluster, ObservedWorkload
from quotas.models import NamespaceBinding, QuotaNode
from quotas.selectors import NodeView, TreeUsage, build_usage, list_trees, list_visible_leaf_ids
from workloads.domain.explain import Borrower, LeafNumbers
from workloads.domain.starting import LeafRoom, find_available
from workloads.domain.views import LeafRef

Place = tuple[int, str]
"""A cluster's primary key and a namespace in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaves:
    """The leaves of a set of namespaces."""

    by_place: Mapping[Place, LeafRef]
    namespaces_by_leaf: Mapping[int, tuple[Place, ...]]

    def find(self, row: ObservedWorkload) -> LeafRef | None:
        return self.by_place.get((row.cluster_id, row.namespace))

    def siblings_of(self, row: ObservedWorkload) -> tuple[Place, ...]:
        """All the places whose work queues together with this one's."""
        leaf = self.find(row)
        return self.namespaces_by_leaf[leaf.node_id] if leaf else ((row.cluster_id, row.namespace),)

    @staticmethod
    def namespaces_below(queue_name: str, *, viewer: User) -> dict[int, list[str]]:
        """`{cluster id: namespaces}` bound to the quota node of this queue name, or to any leaf below it."""
        starts = QuotaNode.objects.filter(queue_name=queue_name)
        nodes = list(
            QuotaNode.objects.filter(tree__in=starts.values("tree")).values_list("pk", "parent_id", "queue_name")
        )
        wanted = {pk for pk, _, name in nodes if name == queue_name}
        # Parents may come after their children here, so look until nothing is added: at most the depth of the tree.
        while more := {pk for pk, parent, _ in nodes if parent in wanted} - wanted:
            wanted |= more
        visible = list_visible_leaf_ids(viewer=viewer)
        bindings = NamespaceBinding.objects.filter(node__in=wanted if visible is None else wanted & visible)
        found: dict[int, list[str]] = defaultdict(list)
        for cluster_id, namespace in bindings.values_list("cluster_id", "namespace"):
            found[cluster_id].append(namespace)
        return dict(found)


def load_leaves(rows: Iterable[ObservedWorkload]) -> Leaves:
    """The leaves of these workloads, in two queries."""
    workloads = list(rows)
    places = {(row.cluster_id, row.namespace) for row in workloads}
    if not places:
        return Leaves(by_place={}, namespaces_by_leaf={})
    direct = NamespaceBinding.objects.filter(
        cluster__in={cluster for cluster, _ in places}, namespace__in={namespace for _, namespace in places}
    )
    # A leaf may have more namespaces than the page shows, and all of them queue together.
    bindings = list(NamespaceBinding.objects.filter(node__in=direct.values("node")).select_related("node"))
    nodes = {
        pk: (parent, name)
        for pk, parent, name in QuotaNode.objects.filter(
            tree__in={binding.node.tree_id for binding in bindings}
        ).values_list("pk", "parent_id", "name")
    }
    by_place: dict[Place, LeafRef] = {}
    by_leaf: dict[int, list[Place]] = defaultdict(list)
    for binding in bindings:
        node = binding.node
        place = (binding.cluster_id, binding.namespace)
        by_leaf[node.pk].append(place)
        by_place[place] = LeafRef(
            node_id=node.pk,
            tree_id=node.tree_id,
            name=node.name,
            path=_path_of(node.pk, nodes),
            queue_name=node.queue_name,
        )
    return Leaves(by_place=by_place, namespaces_by_leaf={leaf: tuple(found) for leaf, found in by_leaf.items()})


def _path_of(pk: int, nodes: Mapping[int, tuple[int | None, str]]) -> str:
    names: list[str] = []
    place: int | None = pk
    while place is not None:
        parent, name = nodes[place]
        names.append(name)
        place = parent
    return ".".join(reversed(names))


def build_numbers(leaf: NodeView, tree: TreeUsage, *, names_others: bool) -> LeafNumbers:
    """What explanations need of a leaf; without `names_others` the borrowers are one nameless sum."""
    usage = leaf.usage.resources if leaf.usage else {}
    available = {resource: find_available(_path_rooms(leaf, tree, resource)) for resource in usage}
    borrowers: dict[str, list[Borrower]] = {}
    for resource in usage:
        others = [
            Borrower(name=node.name, amount=node.usage.resources[resource].borrowed)
            for node in tree.nodes
            if node.is_leaf and node.id != leaf.id and node.usage and node.usage.resources[resource].borrowed > 0
        ]
        if others and not names_others:
            others = [Borrower(name="", amount=sum(other.amount for other in others))]
        borrowers[resource] = others
    return LeafNumbers(
        name=leaf.name,
        used={resource: item.used for resource, item in usage.items()},
        min={resource: item.min for resource, item in usage.items()},
        max={resource: item.max for resource, item in usage.items() if item.max is not None},
        reachable={resource: item.reachable for resource, item in usage.items() if item.reachable is not None},
        available={resource: amount for resource, amount in available.items() if amount is not None},
        borrowers=borrowers,
    )


def load_rooms(*, viewer: User, cluster: Cluster, resource: str) -> tuple[LeafRoom, ...]:
    """The room in each leaf that the viewer may see, by path."""
    rooms: list[LeafRoom] = []
    for row in list_trees(viewer=viewer, cluster=cluster):
        # The sums of the whole tree are needed, the viewer's leaves alone are shown.
        tree = build_usage(row)
        visible = list_visible_leaf_ids(viewer=viewer, tree=row)
        rooms += [
            _build_room(node, tree, resource)
            for node in tree.nodes
            if node.is_leaf and (visible is None or node.id in visible)
        ]
    return tuple(sorted(rooms, key=lambda room: room.path))


def _build_room(leaf: NodeView, tree: TreeUsage, resource: str) -> LeafRoom:
    item = leaf.usage.resources.get(resource) if leaf.usage else None
    minimum, used = (item.min, item.used) if item else (0, 0)
    available = find_available(_path_rooms(leaf, tree, resource)) if item else 0
    within_min = max(0, minimum - used)
    return LeafRoom(
        node_id=leaf.id,
        name=leaf.name,
        path=leaf.path,
        namespaces=leaf.namespaces,
        min_gpus=minimum,
        max_gpus=item.effective_max if item else None,
        used_gpus=used,
        free_within_min=within_min,
        can_borrow=max(0, (available or 0) - within_min),
        pending_gpus=item.pending if item else 0,
        above=tuple(
            (node, max(0, ceiling - used))
            for node, ceiling, used in _walk_up(leaf, tree, resource)
            if node != leaf.id and ceiling is not None
        ),
    )


def _path_rooms(leaf: NodeView, tree: TreeUsage, resource: str) -> list[tuple[int | None, int]]:
    """`(ceiling, used)` of the nodes from the leaf up; the root's ceiling includes what the cluster can schedule."""
    return [(ceiling, used) for _, ceiling, used in _walk_up(leaf, tree, resource)]


def _walk_up(leaf: NodeView, tree: TreeUsage, resource: str) -> Iterator[tuple[int, int | None, int]]:
    """`(node, ceiling, used)` likewise."""
    node: NodeView | None = leaf
    while node is not None:
        item = node.usage.resources.get(resource) if node.usage else None
        if item is not None:
            yield node.id, item.reachable if node.is_root else item.max, item.used
        node = None if node.parent_id is None else tree.find(node.parent_id)
