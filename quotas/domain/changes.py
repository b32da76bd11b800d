"""Changes to a quota tree: what they are, how they travel as JSON, and what they do to a tree. Pure.

A draft is a list of changes. A node that one of them adds can be referred to by the later ones through its temporary key.
`version` is that of the node the author looked at; None skips the check (a key of the same draft has no version yet).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Final, TypeAlias, get_args

from aidashboard.kit.errors import Finding
from quotas.domain.tree import Binding, Node, NodeKey, Tree
from quotas.errors import ChangeMalformedError

TEMPORARY_PREFIX: Final = "new-"
LONGEST_TEXT: Final = 300
MOST_QUANTITIES: Final = 100
QuantityEdits: TypeAlias = Mapping[str, str | None]
"""Quantities to set, by resource; None takes the resource out (a Min of 0, an unlimited Max)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddNode:
    """Add a node under `parent`. `key` is the temporary key (`new-...`) for later changes of the same draft."""

    kind: ClassVar[str] = "add-node"
    key: NodeKey
    parent: NodeKey
    name: str
    min: Mapping[str, str] = field(default_factory=dict)
    max: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNode:
    """Set Min and Max of the resources named; the others keep their spelling."""

    kind: ClassVar[str] = "change-node"
    node: NodeKey
    version: int | None = None
    min: QuantityEdits = field(default_factory=dict)
    max: QuantityEdits = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameNode:
    """Give a node another name. Its queue keeps the old one, so nothing that runs is disturbed."""

    kind: ClassVar[str] = "rename-node"
    node: NodeKey
    version: int | None = None
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveNode:
    """Put a node, with all below it, under another parent."""

    kind: ClassVar[str] = "move-node"
    node: NodeKey
    version: int | None = None
    parent: NodeKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteNode:
    kind: ClassVar[str] = "delete-node"
    node: NodeKey
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BindNamespace:
    """Bind a namespace to a leaf: it is created, or, with `adopt`, taken as it stands."""

    kind: ClassVar[str] = "bind-namespace"
    node: NodeKey
    version: int | None = None
    namespace: str
    adopt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindNamespace:
    kind: ClassVar[str] = "unbind-namespace"
    node: NodeKey
    version: int | None = None
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BindGroup:
    """Give a leaf to a user group, by the group's name."""

    kind: ClassVar[str] = "bind-group"
    node: NodeKey
    version: int | None = None
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnbindGroup:
    kind: ClassVar[str] = "unbind-group"
    node: NodeKey
    version: int | None = None


NodeChange: TypeAlias = (
    ChangeNode | RenameNode | MoveNode | DeleteNode | BindNamespace | UnbindNamespace | BindGroup | UnbindGroup
)
Change: TypeAlias = AddNode | NodeChange
CHANGE_TYPES: Final[tuple[type[Change], ...]] = (AddNode, *get_args(NodeChange))
_TYPE_BY_KIND: Final = {change_type.kind: change_type for change_type in CHANGE_TYPES}


class ChangeImpossibleError(ValueError):
    """A change has no meaning on this tree: an unknown node, a cycle, the root deleted. `finding` says it in full."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


# --- what a change does ---------------------------------------------------------------------------------------------------
def apply_possible(tree: Tree, changes: Iterable[Change]) -> Tree:
    """The tree after those changes that have a meaning; the others are passed over."""
    for change in changes:
        with suppress(ChangeImpossibleError):
            tree = apply_change(tree, change)
    return tree


def apply_change(tree: Tree, change: Change) -> Tree:
    """The tree after one change; whether it keeps the rules is for `validation` to say.

    Raises: ChangeImpossibleError when the change has no meaning on this tree.
    """
    match change:
        case AddNode():
            return _add(tree, change)
        case ChangeNode():
            node = _find(tree, change.node)
            edited = replace(node, min=_edit(node.min, change.min), max=_edit(node.max, change.max))
            return tree.with_node(edited)
        case RenameNode():
            return tree.with_node(replace(_find(tree, change.node), name=change.name))
        case MoveNode():
            return _move(tree, change)
        case DeleteNode():
            return _delete(tree, change)
        case BindNamespace():
            return _bind(tree, change)
        case UnbindNamespace():
            return _unbind(tree, change)
        case BindGroup():
            return _bind_group(tree, change)
        case UnbindGroup():
            return tree.with_node(replace(_find(tree, change.node), group=None))


def _add(tree: Tree, change: AddNode) -> Tree:
    if change.key in tree or not change.key.startswith(TEMPORARY_PREFIX):
        raise _impossible(
            "temporary-key",
            change.name,
            "key",
            change.key,
            f"the temporary key {change.key!r} of {change.name!r} must be new and begin with {TEMPORARY_PREFIX!r}",
        )
    parent = _find(tree, change.parent, field="parent")
    return tree.with_node(
        Node(key=change.key, name=change.name, parent=parent.key, min=dict(change.min), max=dict(change.max))
    )


def _move(tree: Tree, change: MoveNode) -> Tree:
    node, parent = _find(tree, change.node), _find(tree, change.parent, field="parent")
    path = tree.path(node.key)
    if node.parent is None:
        raise _impossible("root-fixed", path, "parent", parent.name, f"{path}: the root cannot be moved")
    if node in tree.lineage(parent.key):
        raise _impossible(
            "cyclic-move",
            path,
            "parent",
            tree.path(parent.key),
            f"{path} cannot be moved under {tree.path(parent.key)}: that is the node itself or below it",
        )
    # Taken out and put back last, so that it stands last among its new siblings.
    rest = [old for old in tree.nodes if old.key != node.key]
    return Tree((*rest, replace(node, parent=parent.key)))


def _delete(tree: Tree, change: DeleteNode) -> Tree:
    node = _find(tree, change.node)
    path, children = tree.path(node.key), tree.children(node.key)
    if node.parent is None:
        raise _impossible("V10", path, "", "", f"{path}: the root cannot be deleted; delete the whole tree instead")
    if children:
        names = ", ".join(child.name for child in children)
        raise _impossible(
            "V10", path, "children", names, f"{path} cannot be deleted: it has {len(children)} children ({names})"
        )
    return tree.without_node(node.key)


def _bind(tree: Tree, change: BindNamespace) -> Tree:
    node = _find(tree, change.node)
    if node.find_binding(change.namespace):
        path = tree.path(node.key)
        raise _impossible(
            "V12", path, "namespaces", change.namespace, f"{path}: namespace {change.namespace!r} is bound here already"
        )
    binding = Binding(namespace=change.namespace, is_adopted=change.adopt)
    return tree.with_node(replace(node, namespaces=(*node.namespaces, binding)))


def _unbind(tree: Tree, change: UnbindNamespace) -> Tree:
    node = _find(tree, change.node)
    if not node.find_binding(change.namespace):
        path = tree.path(node.key)
        message = f"{path}: namespace {change.namespace!r} is not bound here"
        raise _impossible("not-bound", path, "namespaces", change.namespace, message)
    rest = tuple(binding for binding in node.namespaces if binding.namespace != change.namespace)
    return tree.with_node(replace(node, namespaces=rest))


def _bind_group(tree: Tree, change: BindGroup) -> Tree:
    node = _find(tree, change.node)
    if node.group is not None and node.group != change.group:
        path = tree.path(node.key)
        raise _impossible(
            "V15",
            path,
            "group",
            change.group,
            f"{path}: a leaf has one user group, here {node.group!r}; unbind it before binding {change.group!r}",
        )
    return tree.with_node(replace(node, group=change.group))


def _edit(quantities: Mapping[str, str], edits: QuantityEdits) -> dict[str, str]:
    merged = {**quantities, **edits}
    return {resource: text for resource, text in merged.items() if text is not None}


def _find(tree: Tree, key: NodeKey, *, field: str = "node") -> Node:
    if key not in tree:
        raise _impossible("unknown-node", "", field, key, f"there is no node {key!r} in this tree (any more)")
    return tree.get(key)


def _impossible(rule: str, subject: str, field: str, value: str, message: str) -> ChangeImpossibleError:
    return ChangeImpossibleError(Finding(rule=rule, subject=subject, field=field, value=value, message=message))


# --- JSON -----------------------------------------------------------------------------------------------------------------
JsonObject: TypeAlias = dict[str, Any]  # Any: JSON


def change_to_json(change: Change) -> JsonObject:
    """The change as a dict with its `kind`; `change_from_json` gives it back."""
    data: JsonObject = {"kind": change.kind}
    for item in fields(change):
        value = getattr(change, item.name)
        data[item.name] = dict(value) if isinstance(value, Mapping) else value
    return data


def changes_from_json(items: Sequence[object]) -> list[Change]:
    """Read a list of changes.

    Raises: ChangeMalformedError with every fault of every change.
    """
    changes: list[Change] = []
    findings: list[Finding] = []
    for position, item in enumerate(items):
        try:
            changes.append(change_from_json(item, where=f"changes[{position}]"))
        except ChangeMalformedError as error:
            findings += error.findings
    if findings:
        raise ChangeMalformedError(findings[0].message, findings=findings)
    return changes


def change_from_json(data: object, *, where: str = "change") -> Change:
    """Read one change. Numbers are taken as quantities and as keys; unknown fields are refused.

    Raises: ChangeMalformedError naming every missing, unknown or mistyped field.
    """
    if not isinstance(data, Mapping):
        raise _malformed([_fault(where, data, "must be an object with a `kind`")])
    kind = data.get("kind")
    change_type = _TYPE_BY_KIND.get(kind) if isinstance(kind, str) else None
    if change_type is None:
        raise _malformed([_fault(f"{where}.kind", kind, f"must be one of {', '.join(_TYPE_BY_KIND)}")])
    known = {item.name: item for item in fields(change_type)}
    findings = [
        _fault(f"{where}.{name}", data[name], f"is not a field of {kind}")
        for name in data
        if name not in known and name != "kind"
    ]
    values: dict[str, Any] = {}  # Any: each field has its own type, checked by its reader
    for name in known:
        if name not in data:
            if name in _REQUIRED_FIELDS:
                findings.append(_fault(f"{where}.{name}", "", f"is required for {kind}"))
            continue
        try:
            allow_none = change_type is ChangeNode
            values[name] = _read_field(name, data[name], allow_none=allow_none)
        except ValueError as error:
            findings.append(_fault(f"{where}.{name}", data[name], str(error)))
    if findings:
        raise _malformed(findings)
    return change_type(**values)


def read_quantities(data: object, *, where: str) -> dict[str, str]:
    """Read `{resource: quantity}`. Raises: ChangeMalformedError."""
    try:
        quantities = _read_quantities(data, allow_none=False)
    except ValueError as error:
        raise _malformed([_fault(where, data, str(error))]) from error
    return {resource: text for resource, text in quantities.items() if text is not None}


_REQUIRED_FIELDS: Final = frozenset({"node", "key", "parent", "name", "namespace", "group"})


def _read_field(name: str, value: object, *, allow_none: bool) -> object:
    match name:
        case "min" | "max":
            return _read_quantities(value, allow_none=allow_none)
        case "version":
            if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63):
                return value
            raise ValueError("must be a whole number above 0, or null")
        case "adopt":
            if isinstance(value, bool):
                return value
            raise ValueError("must be true or false")
        case "node" | "key" | "parent" if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        case _:
            if isinstance(value, str) and value.strip():
                return _check_text(value.strip())
            raise ValueError("must be text that is not empty")


def _read_quantities(value: object, *, allow_none: bool) -> dict[str, str | None]:
    if not isinstance(value, Mapping):
        raise ValueError("must be an object of resource and quantity")
    if len(value) > MOST_QUANTITIES:
        raise ValueError(f"names {len(value)} resources, at most {MOST_QUANTITIES} can be set at once")
    return {_check_text(str(name)): _read_quantity(name, text, allow_none=allow_none) for name, text in value.items()}


def _read_quantity(name: object, value: object, *, allow_none: bool) -> str | None:
    if value is None and allow_none:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        wanted = "a quantity or null" if allow_none else "a quantity"
        raise ValueError(f"{name}: must be {wanted}")
    return _check_text(str(value).strip())


def _check_text(text: str) -> str:
    """Raises: ValueError for what neither a name nor a quantity has, and the database could not keep (NUL, half a character)."""
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise ValueError(f"must be at most {LONGEST_TEXT} printable characters")
    return text


def _fault(field: str, value: object, rule: str) -> Finding:
    shown = "" if value is None else str(value)[:200].encode(errors="replace").decode().replace("\x00", "?")
    quoted = f" ({shown!r})" if shown else ""
    return Finding(rule="form", field=field, value=shown, message=f"{field}{quoted} {rule}")


def _malformed(findings: list[Finding]) -> ChangeMalformedError:
    return ChangeMalformedError(findings[0].message, findings=findings)
