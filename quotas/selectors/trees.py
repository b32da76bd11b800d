"""Which trees, nodes and namespaces there are for a viewer: an admin sees all, a researcher the leaves of their groups with the
path to the root. What a person may not see does not exist for them (404)."""

from __future__ import annotations

from django.db.models import QuerySet

from accounts.models import User
from clusters.errors import ClusterMissingError
from clusters.models import Cluster
from clusters.selectors import list_clusters
from quotas.errors import BindingMissingError, NodeMissingError, TreeMissingError
from quotas.models import NamespaceBinding, NodeRevision, QuotaDraft, QuotaNode, QuotaTree


def list_trees(*, viewer: User, cluster: Cluster | None = None) -> QuerySet[QuotaTree]:
    """The trees that have something for the viewer."""
    trees = QuotaTree.objects.select_related("cluster")
    if cluster is not None:
        trees = trees.filter(cluster=cluster)
    if not viewer.is_admin:
        trees = trees.filter(pk__in=_visible_leaves(viewer).values("tree"))
    return trees


def list_visible_clusters(*, viewer: User) -> QuerySet[Cluster]:
    """The clusters in which the viewer has something: all of them for an admin, for others those where they have a quota."""
    clusters = list_clusters()
    return clusters if viewer.is_admin else clusters.filter(pk__in=list_trees(viewer=viewer).values("cluster"))


def get_visible_cluster(*, viewer: User, name: str) -> Cluster:
    """Raises: ClusterMissingError (404), also for one in which the viewer has nothing."""
    cluster = list_visible_clusters(viewer=viewer).filter(name=name).first()
    if cluster is None:
        raise ClusterMissingError(f"There is no cluster {name!r}.")
    return cluster


def get_tree(*, tree_id: int, viewer: User) -> QuotaTree:
    """Raises: TreeMissingError."""
    tree = list_trees(viewer=viewer).filter(pk=tree_id).first()
    if tree is None:
        raise TreeMissingError("There is no such quota tree.")
    return tree


def get_node(*, node_id: int, viewer: User) -> QuotaNode:
    """A node with its tree. A researcher gets the leaves of their groups; a node on the path above is only a name to them.

    Raises: NodeMissingError.
    """
    nodes = QuotaNode.objects.select_related("tree__cluster", "group", "parent")
    if not viewer.is_admin:
        nodes = nodes.filter(pk__in=_visible_leaves(viewer).values("pk"))
    node = nodes.filter(pk=node_id).first()
    if node is None:
        raise NodeMissingError("There is no such quota node.")
    return node


def list_visible_leaf_ids(*, viewer: User, tree: QuotaTree | None = None) -> frozenset[int] | None:
    """Primary keys of the nodes whose numbers the viewer may see; None means all of them."""
    if viewer.is_admin:
        return None
    leaves = _visible_leaves(viewer)
    return frozenset((leaves.filter(tree=tree) if tree is not None else leaves).values_list("pk", flat=True))


def list_bindings(*, viewer: User, cluster: Cluster | None = None) -> QuerySet[NamespaceBinding]:
    """Namespaces with their leaf, those that the viewer may work in."""
    bindings = NamespaceBinding.objects.select_related("node__tree__cluster", "node__group")
    if cluster is not None:
        bindings = bindings.filter(cluster=cluster)
    if not viewer.is_admin:
        bindings = bindings.filter(node__in=_visible_leaves(viewer).values("pk"))
    return bindings


def get_binding(*, binding_id: int, viewer: User) -> NamespaceBinding:
    """Raises: BindingMissingError."""
    binding = list_bindings(viewer=viewer).filter(pk=binding_id).first()
    if binding is None:
        raise BindingMissingError("There is no such namespace binding.")
    return binding


def visible_namespaces(viewer: User, cluster: Cluster) -> frozenset[str] | None:
    """The namespaces in which the viewer may see work; None means all, for admins."""
    if viewer.is_admin:
        return None
    return frozenset(list_bindings(viewer=viewer, cluster=cluster).values_list("namespace", flat=True))


def find_draft(*, tree: QuotaTree, author: User) -> QuotaDraft | None:
    return QuotaDraft.objects.filter(tree=tree, author=author).first()


def list_node_revisions(*, node: QuotaNode) -> QuerySet[NodeRevision]:
    """How a node stood at each of its versions, newest first."""
    return NodeRevision.objects.filter(node_number=node.pk)


def _visible_leaves(viewer: User) -> QuerySet[QuotaNode]:
    return QuotaNode.objects.filter(group__memberships__user=viewer)
