"""Quota trees."""

from __future__ import annotations

from typing import Any  # Any: fields of a model, by name

from accounts.models import UserGroup
from clusters.models import Cluster
from quotas.models import NamespaceBinding, QuotaNode, QuotaTree

GPU = "nvidia.com/gpu"


def make_tree(cluster: Cluster, name: str = "root", *, gpus: int | None = None, **fields: Any) -> QuotaTree:
    """A tree with its root node, guaranteed and limited to `gpus` cards."""
    tree = QuotaTree.objects.create(cluster=cluster, name=name, **fields)
    limits = {} if gpus is None else {GPU: str(gpus)}
    QuotaNode.objects.create(tree=tree, cluster=cluster, name=name, queue_name=name, min=limits, max=limits)
    return tree


def make_quota(
    parent: QuotaNode,
    name: str,
    *,
    min_gpus: int = 0,
    max_gpus: int | None = None,
    group: UserGroup | None = None,
    namespaces: tuple[str, ...] = (),
) -> QuotaNode:
    """A node under `parent`, with its namespaces bound."""
    prefix = "" if parent.parent_id is None else f"{parent.queue_name}-"
    node = QuotaNode.objects.create(
        tree=parent.tree,
        cluster=parent.cluster,
        parent=parent,
        name=name,
        queue_name=f"{prefix}{name}",
        min={GPU: str(min_gpus)},
        max={} if max_gpus is None else {GPU: str(max_gpus)},
        group=group,
    )
    for namespace in namespaces:
        NamespaceBinding.objects.create(node=node, cluster=parent.cluster, namespace=namespace)
    return node


def get_root(tree: QuotaTree) -> QuotaNode:
    return tree.nodes.get(parent=None)
