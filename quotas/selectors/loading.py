"""Rows of a tree as the value that the domain works on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from django.db import connection

from clusters.models import Cluster
from quotas.domain.tree import Binding, Node, NodeKey, Tree
from quotas.errors import TreeMissingError
from quotas.models import NamespaceBinding, QuotaNode, QuotaTree

# The first half of the advisory lock's name; the second is the cluster. Nothing else of ours takes such locks.
TREES_OF_A_CLUSTER: Final = 1


def load_tree(row: QuotaTree) -> Tree:
    """The tree with all its nodes, in two queries; siblings by position, then by age."""
    return build_tree(list_node_rows(row), NamespaceBinding.objects.filter(node__tree=row))


def list_node_rows(row: QuotaTree) -> list[QuotaNode]:
    return list(QuotaNode.objects.filter(tree=row).select_related("group").order_by("position", "pk"))


def build_tree(nodes: Iterable[QuotaNode], bindings: Iterable[NamespaceBinding]) -> Tree:
    by_node: dict[int, list[Binding]] = defaultdict(list)
    for binding in bindings:
        by_node[binding.node_id].append(Binding(namespace=binding.namespace, is_adopted=not binding.is_created))
    return Tree(
        tuple(
            Node(
                key=node_key(node.pk),
                name=node.name,
                parent=None if node.parent_id is None else node_key(node.parent_id),
                min=node.min,
                max=node.max,
                namespaces=tuple(by_node[node.pk]),
                group=node.group.name if node.group else None,
                queue_name=node.queue_name,
                version=node.version,
            )
            for node in nodes
        )
    )


def node_key(number: int) -> NodeKey:
    return NodeKey(str(number))


def lock_tree(tree_id: int) -> QuotaTree:
    """The tree's row, read afresh and locked together with every other tree of its cluster.

    Namespaces and queue names are unique in a cluster, so edits of two trees there must not judge side by side. The cluster's row is
    not locked: the observer writes it all the time.
    Raises: TreeMissingError.
    """
    found = QuotaTree.objects.filter(pk=tree_id).values_list("cluster_id", flat=True).first()
    if found is not None:
        for row in lock_trees_of(found):
            if row.pk == tree_id:
                return row
    raise TreeMissingError("There is no such quota tree.")


def lock_trees_of(cluster_id: int) -> list[QuotaTree]:
    """All trees of a cluster, locked in one order so that two callers cannot wait for each other.

    Rows alone would not stop two people who make a cluster's first trees at once, hence the lock on its number.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [TREES_OF_A_CLUSTER, cluster_id])
    rows = QuotaTree.objects.filter(cluster_id=cluster_id).select_related("cluster").order_by("pk")
    return list(rows.select_for_update(of=("self",)))


def find_capacity(cluster: Cluster) -> dict[str, int] | None:
    """What the cluster can schedule now; None when it was never observed."""
    return cluster.schedulable_capacity or None
