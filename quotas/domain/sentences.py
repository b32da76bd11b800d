"""Changes in the words that people read, on pages, in the audit trail and in the API."""

from __future__ import annotations

from collections.abc import Mapping

from quotas.domain.changes import (
    AddNode,
    BindGroup,
    BindNamespace,
    Change,
    ChangeNode,
    DeleteNode,
    MoveNode,
    RenameNode,
    UnbindGroup,
    UnbindNamespace,
)
from quotas.domain.tree import Node, NodeKey, Tree


def describe_change(tree: Tree, change: Change) -> str:
    """One line that says what a change does to `tree`, with old and new values.

    Example: `root.vision: Max nvidia.com/gpu 16 -> 24`.
    """
    if isinstance(change, AddNode):
        quantities = _list_quantities({}, change.min, "Min") + _list_quantities({}, change.max, "Max")
        suffix = f" ({', '.join(quantities)})" if quantities else ""
        return f"new node {change.name} under {_path(tree, change.parent)}{suffix}"
    path = _path(tree, change.node)
    node = tree.get(change.node) if change.node in tree else None
    match change:
        case ChangeNode():
            return f"{path}: {', '.join(_list_edits(node, change)) or 'nothing changes'}"
        case RenameNode():
            return f"{path}: renamed to {change.name}"
        case MoveNode():
            return f"{path}: moved under {_path(tree, change.parent)}"
        case DeleteNode():
            return f"{path}: deleted"
        case BindNamespace():
            verb = "adopted and bound" if change.adopt else "created and bound"
            return f"{path}: namespace {change.namespace} {verb}"
        case UnbindNamespace():
            return f"{path}: namespace {change.namespace} unbound"
        case BindGroup():
            return f"{path}: given to user group {change.group}"
        case UnbindGroup():
            return f"{path}: taken from user group {node.group if node else ''}"


def _list_edits(node: Node | None, change: ChangeNode) -> list[str]:
    old_min, old_max = (node.min, node.max) if node else ({}, {})
    return _list_quantities(old_min, change.min, "Min") + _list_quantities(old_max, change.max, "Max")


def _list_quantities(old: Mapping[str, str], new: Mapping[str, str | None], word: str) -> list[str]:
    nothing = "0" if word == "Min" else "unlimited"
    return [
        f"{word} {resource} {old.get(resource, nothing)} -> {text if text else nothing}"
        if resource in old
        else f"{word} {resource} {text if text else nothing}"
        for resource, text in new.items()
        if old.get(resource) != text
    ]


def _path(tree: Tree, key: NodeKey) -> str:
    return tree.path(key) if key in tree else key
