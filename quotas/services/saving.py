"""Writes a judged tree into its rows: what differs from before, and a revision of every node that changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Max
from django.utils import timezone

from accounts.models import User, UserGroup
from clusters.models import ManagedObject, ObservedQueue
from quotas.domain.diff import describe_node
from quotas.domain.naming import allocate_queue_name
from quotas.domain.tree import Binding, Node, NodeKey, Tree
from quotas.models import NamespaceBinding, NodeRevision, QuotaNode, QuotaTree


def save_tree(row: QuotaTree, before: Tree | None, after: Tree, *, by: User | None) -> dict[NodeKey, QuotaNode]:
    """Write the difference between two trees (`before` is None for a new one); the caller holds the lock on the tree's row.

    Gives the new rows by their temporary keys.
    """
    old = [] if before is None else list(before.walk())
    old_by_key = {node.key: node for node in old}
    groups = {group.name: group for group in UserGroup.objects.filter(name__in=_list_groups(after))}
    positions = _choose_positions(row, old_by_key, after)
    new = [node for node in after.walk() if node.key not in old_by_key]
    added = _create_nodes(row, new, after, groups, positions)
    changed = [node for node in after.walk() if node.key in old_by_key and node != old_by_key[node.key]]
    _update_nodes(changed, added, groups, positions)
    _move_bindings(row, old, after.nodes, added)
    deleted = [node for node in old if node.key not in after]
    for node in reversed(deleted):
        QuotaNode.objects.filter(pk=int(node.key)).delete()
    name = by.username if by else "aidashboard"
    revisions = [
        _build_revision(row, node, _row_id(node.key, added), after.path(node.key), describe_node(after, node), name)
        for node in (*new, *changed)
    ]
    if before is not None:
        revisions += [_build_revision(row, node, int(node.key), before.path(node.key), {}, name) for node in deleted]
    NodeRevision.objects.bulk_create(revisions)
    return added


def _list_groups(tree: Tree) -> set[str]:
    return {node.group for node in tree.nodes if node.group is not None}


def _choose_positions(row: QuotaTree, before: Mapping[NodeKey, Node], after: Tree) -> dict[NodeKey, int]:
    """Where new and moved nodes stand: last among their siblings, in the order of the tree."""
    placed = [node.key for node in after.walk() if node.key not in before or node.parent != before[node.key].parent]
    last = QuotaNode.objects.filter(tree=row).aggregate(last=Max("position"))["last"] or 0
    return {key: position for position, key in enumerate(placed, start=last + 1)}


def _create_nodes(
    row: QuotaTree, new: list[Node], after: Tree, groups: dict[str, UserGroup], positions: Mapping[NodeKey, int]
) -> dict[NodeKey, QuotaNode]:
    """Parents come before their children."""
    if not new:
        return {}
    taken = _list_queue_names(row)
    added: dict[NodeKey, QuotaNode] = {}
    for node in new:
        queue_name = allocate_queue_name(after.path(node.key), taken=taken)
        taken.add(queue_name)
        added[node.key] = QuotaNode.objects.create(
            tree=row,
            cluster_id=row.cluster_id,
            parent_id=None if node.parent is None else _row_id(node.parent, added),
            name=node.name,
            queue_name=queue_name,
            min=dict(node.min),
            max=dict(node.max),
            group=groups[node.group] if node.group else None,
            position=positions[node.key],
        )
    return added


def _list_queue_names(row: QuotaTree) -> set[str]:
    """Names that a new queue in this cluster cannot have: of nodes, of queues that are still there or still on their way out."""
    nodes = QuotaNode.objects.filter(cluster_id=row.cluster_id).values_list("queue_name", flat=True)
    kinds = ("Cohort", "ClusterQueue")
    managed = ManagedObject.objects.filter(cluster_id=row.cluster_id, kind__in=kinds).values_list("name", flat=True)
    observed = ObservedQueue.objects.filter(cluster_id=row.cluster_id, kind__in=kinds).values_list("name", flat=True)
    return {*nodes, *managed, *observed}


def _update_nodes(
    changed: list[Node],
    added: dict[NodeKey, QuotaNode],
    groups: dict[str, UserGroup],
    positions: Mapping[NodeKey, int],
) -> None:
    now = timezone.now()
    for node in changed:
        QuotaNode.objects.filter(pk=int(node.key)).update(
            parent_id=None if node.parent is None else _row_id(node.parent, added),
            name=node.name,
            min=dict(node.min),
            max=dict(node.max),
            group=groups[node.group] if node.group else None,
            version=node.version + 1,
            changed_at=now,
            **({"position": positions[node.key]} if node.key in positions else {}),
        )


def _move_bindings(
    row: QuotaTree, before: Iterable[Node], after: Iterable[Node], added: dict[NodeKey, QuotaNode]
) -> None:
    """Bindings follow their namespace, so that one we made is still known as ours in its new leaf."""
    old, new = _bindings_by_namespace(before), _bindings_by_namespace(after)
    for namespace in old.keys() - new.keys():
        NamespaceBinding.objects.filter(cluster_id=row.cluster_id, namespace=namespace).delete()
    for namespace, (key, binding) in new.items():
        node_id = _row_id(key, added)
        if namespace not in old:
            NamespaceBinding.objects.create(
                node_id=node_id, cluster_id=row.cluster_id, namespace=namespace, is_created=not binding.is_adopted
            )
        elif old[namespace][0] != key:
            NamespaceBinding.objects.filter(cluster_id=row.cluster_id, namespace=namespace).update(node_id=node_id)


def _bindings_by_namespace(nodes: Iterable[Node]) -> dict[str, tuple[NodeKey, Binding]]:
    return {binding.namespace: (node.key, binding) for node in nodes for binding in node.namespaces}


def _build_revision(
    row: QuotaTree, node: Node, number: int, path: str, fields: dict[str, str], changed_by: str
) -> NodeRevision:
    # The node is the value from before the save, so its version is one behind; a new node starts at 1.
    return NodeRevision(
        tree=row, node_number=number, version=node.version + 1, path=path, fields=fields, changed_by=changed_by
    )


def _row_id(key: NodeKey, added: dict[NodeKey, QuotaNode]) -> int:
    return added[key].pk if key in added else int(key)
