"""What differs between two trees, as rows that a person reads: old value, new value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from quotas.domain.tree import Node, NodeKey, Tree, sort_resources


class DiffKind(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRow:
    """One field of one node; `old` and `new` are as people wrote them, empty for nothing.

    `field` is `node` (the node itself, for added and deleted ones), `name`, `parent`, `group`, `namespaces`, or `min.<resource>`
    and `max.<resource>`. `path` is the new path, or the old one of a deleted node.
    """

    kind: DiffKind
    key: NodeKey
    path: str
    field: str
    old: str
    new: str


def diff_trees(before: Tree, after: Tree) -> tuple[DiffRow, ...]:
    """All differences: added and changed nodes in the order of the new tree, then the deleted ones."""
    rows: list[DiffRow] = []
    for node in after.walk():
        path = after.path(node.key)
        if node.key not in before:
            rows.append(DiffRow(kind=DiffKind.ADDED, key=node.key, path=path, field="node", old="", new=path))
            old: Mapping[str, str] = {}
            new = {
                name: value
                for name, value in describe_node(after, node).items()
                if name not in {"name", "parent"} and value
            }
        else:
            old, new = describe_node(before, before.get(node.key)), describe_node(after, node)
            if before.get(node.key).parent == node.parent:
                # A parent that was renamed is a change of the parent, not of every node below it.
                new["parent"] = old["parent"]
        rows += _diff_fields(node.key, path, old, new)
    for node in before.walk():
        if node.key not in after:
            path = before.path(node.key)
            rows.append(DiffRow(kind=DiffKind.DELETED, key=node.key, path=path, field="node", old=path, new=""))
    return tuple(rows)


def describe_node(tree: Tree, node: Node) -> dict[str, str]:
    """Every field of a node as text, in reading order."""
    parent = tree.path(node.parent) if node.parent is not None else ""
    fields = {"name": node.name, "parent": parent}
    for resource in sort_resources(node.resources):
        fields[f"min.{resource}"] = node.min.get(resource, "")
        fields[f"max.{resource}"] = node.max.get(resource, "")
    fields["namespaces"] = ", ".join(sorted(binding.namespace for binding in node.namespaces))
    fields["group"] = node.group or ""
    return fields


def _diff_fields(key: NodeKey, path: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[DiffRow]:
    for field in [*new, *(name for name in old if name not in new)]:
        if old.get(field, "") != new.get(field, ""):
            yield DiffRow(
                kind=DiffKind.CHANGED,
                key=key,
                path=path,
                field=field,
                old=old.get(field, ""),
                new=new.get(field, ""),
            )
