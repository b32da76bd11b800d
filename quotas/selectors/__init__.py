"""Reads of quota trees: as values, with usage and sync state, and only what the viewer may see."""

from quotas.selectors.facts import gather_facts
from quotas.selectors.loading import load_tree, lock_tree
from quotas.selectors.sync import NodeSync, TreeSync, summarise_tree_sync, summarise_trees_sync
from quotas.selectors.trees import (
    find_draft,
    get_binding,
    get_node,
    get_tree,
    get_visible_cluster,
    list_bindings,
    list_node_revisions,
    list_trees,
    list_visible_clusters,
    list_visible_leaf_ids,
    visible_namespaces,
)
from quotas.selectors.usage import NodeView, TreeUsage, build_usage, list_visible_nodes

__all__ = [
    "NodeSync",
    "NodeView",
    "TreeSync",
    "TreeUsage",
    "build_usage",
    "find_draft",
    "gather_facts",
    "get_binding",
    "get_node",
    "get_tree",
    "get_visible_cluster",
    "list_bindings",
    "list_node_revisions",
    "list_trees",
    "list_visible_clusters",
    "list_visible_leaf_ids",
    "list_visible_nodes",
    "load_tree",
    "lock_tree",
    "summarise_tree_sync",
    "summarise_trees_sync",
    "visible_namespaces",
]
