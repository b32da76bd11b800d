"""The rows of the tree table: every node with its numbers, and what the viewer's draft would make of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.utils.safestring import SafeString

from accounts.models import User
from aidashboard.kit.quantity import QuantityError
from clusters.models import SyncState
from frontend.chips import Chip, build_sync_chip
from frontend.drafting import Drafted
from frontend.pages.links import build_url
from frontend.pages.quotas.bars import draw_usage
from frontend.resources import show_amount
from frontend.svg.quota_bar import BarPart
from frontend.tables import TableQuery
from quotas.domain.tree import Node, NodeKey
from quotas.domain.usage import ResourceUsage
from quotas.selectors import NodeView, TreeUsage

# From here on a tree is read from the top: a thousand rows say nothing at a glance and cost a second.
LARGE_TREE: Final = 200
NOTHING_CLOSED: Final = "none"
# Deeper rows stand below each other: a name needs room more than its level needs another step.
DEEPEST_INDENT: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One row. Amounts are words in the header's unit; empty ones are not for the viewer, or not known.

    `mark` says what the draft does to the node: added, deleted, changed, moved or nothing. `new_min` and `new_max` are the draft's
    values where they differ.
    """

    key: str
    name: str
    level: int
    url: str
    is_open: bool
    is_path_only: bool
    is_expandable: bool
    is_expanded: bool
    toggle_url: str
    bar: SafeString | str
    min: str
    max: str
    new_min: str
    new_max: str
    used: str
    used_url: str
    borrowed: str
    lent: str
    pending: str
    pending_url: str
    namespaces: tuple[str, ...]
    group: str
    group_url: str
    chip: Chip | None
    mark: str
    note: str

    @property
    def indent(self) -> int:
        return min(self.level, DEEPEST_INDENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """What the address says about the table: chosen resource, closed nodes, open panel, search."""

    table: TableQuery
    resource: str
    collapsed: frozenset[str]
    open_key: str
    viewer: User

    def url(self, **changes: str | None) -> str:
        return self.table.url(**changes)

    def toggle_url(self, key: str) -> str:
        return self.url(collapsed=",".join(sorted(self.collapsed ^ {key})) or NOTHING_CLOSED)


def read_collapsed(text: str, usages: Sequence[TreeUsage]) -> frozenset[str]:
    """Which nodes the address closes. A large tree starts with everything below its departments closed."""
    if text == NOTHING_CLOSED:
        return frozenset()
    if text:
        return frozenset(text.split(","))
    if sum(len(usage.nodes) for usage in usages) <= LARGE_TREE:
        return frozenset()
    return frozenset(str(view.id) for usage in usages for view in usage.nodes if view.depth == 1)


def build_rows(usage: TreeUsage, drafted: Drafted | None, state: TableState) -> tuple[NodeRow, ...]:
    """The visible rows of one tree, parents before children; nodes that the draft adds stand last below their parent."""
    children: dict[int | None, list[NodeView]] = {}
    for view in usage.nodes:
        children.setdefault(view.parent_id, []).append(view)
    builder = _RowBuilder(usage=usage, children=children, drafted=drafted, state=state)
    shown = builder.find_matches()
    return tuple(builder.walk(children.get(None, []), level=1, shown=shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class _RowBuilder:
    usage: TreeUsage
    children: Mapping[int | None, Sequence[NodeView]]
    drafted: Drafted | None
    state: TableState

    def find_matches(self) -> frozenset[int] | None:
        """Nodes that the search finds, with the path to each; None when nothing is searched for."""
        words = self.state.table.search.lower()
        if not words:
            return None
        by_id = {view.id: view for view in self.usage.nodes}
        found: set[int] = set()
        for view in self.usage.nodes:
            texts = (view.path, view.group or "", *view.namespaces)
            if any(words in text.lower() for text in texts):
                at: int | None = view.id
                while at is not None and at not in found:
                    found.add(at)
                    at = by_id[at].parent_id if at in by_id else None
        return frozenset(found)

    def walk(self, views: Sequence[NodeView], *, level: int, shown: frozenset[int] | None) -> Iterator[NodeRow]:
        for view in views:
            if shown is not None and view.id not in shown:
                continue
            below, added = self.children.get(view.id, ()), self._list_added(str(view.id))
            is_expanded = str(view.id) not in self.state.collapsed or shown is not None
            yield self._build_row(view, level=level, is_expandable=bool(below or added), is_expanded=is_expanded)
            if is_expanded:
                yield from self.walk(below, level=level + 1, shown=shown)
                yield from self._walk_added(added, level=level + 1)

    def _list_added(self, parent: str) -> list[Node]:
        if self.drafted is None or NodeKey(parent) not in self.drafted.after:
            return []
        before, after = self.drafted.before, self.drafted.after
        return [node for node in after.children(NodeKey(parent)) if node.key not in before]

    def _walk_added(self, nodes: Sequence[Node], *, level: int) -> Iterator[NodeRow]:
        for node in nodes:
            below = self._list_added(node.key)
            yield self._build_added_row(node, level=level, has_children=bool(below))
            yield from self._walk_added(below, level=level + 1)

    def _build_row(self, view: NodeView, *, level: int, is_expandable: bool, is_expanded: bool) -> NodeRow:
        key = str(view.id)
        amounts = view.usage.resources.get(self.state.resource) if view.usage else None
        new = self._find_drafted(view)
        mark, note = self._describe_draft(view)
        return NodeRow(
            key=key,
            name=view.name,
            level=level,
            url="" if view.is_path_only else self.state.url(node=f"{view.tree_id}:{key}"),
            is_open=self.state.open_key == f"{view.tree_id}:{key}",
            is_path_only=view.is_path_only,
            is_expandable=is_expandable,
            is_expanded=is_expanded,
            toggle_url=self.state.toggle_url(key) if is_expandable else "",
            bar=draw_usage(view.name, amounts, parts=self._list_parts(view)) if amounts else "",
            min=self._show(amounts, "min"),
            max=self._show(amounts, "max"),
            new_min=_show_difference(self.state.resource, amounts.min if amounts else 0, new[0] if new else None),
            new_max=_show_new_max(self.state.resource, amounts, new),
            used=self._show(amounts, "used"),
            used_url=self._workloads_url(view, "running"),
            borrowed=self._show(amounts, "borrowed"),
            lent=self._show(amounts, "lent"),
            pending=self._show(amounts, "pending"),
            pending_url=self._workloads_url(view, "waiting"),
            namespaces=view.namespaces,
            group=view.group or "",
            group_url=self._group_url(view.group),
            chip=build_quota_chip(view, viewer=self.state.viewer),
            mark=mark,
            note=note,
        )

    def _build_added_row(self, node: Node, *, level: int, has_children: bool) -> NodeRow:
        resource, tree_id = self.state.resource, self.usage.tree.pk
        return NodeRow(
            key=node.key,
            name=node.name,
            level=level,
            url=self.state.url(node=f"{tree_id}:{node.key}"),
            is_open=self.state.open_key == f"{tree_id}:{node.key}",
            is_path_only=False,
            is_expandable=has_children,
            is_expanded=True,
            toggle_url="",
            bar="",
            min=node.min.get(resource, "0"),
            max=node.max.get(resource) or show_amount(resource, None),
            new_min="",
            new_max="",
            used="",
            used_url="",
            borrowed="",
            lent="",
            pending="",
            pending_url="",
            namespaces=tuple(binding.namespace for binding in node.namespaces),
            group=node.group or "",
            group_url=self._group_url(node.group),
            chip=None,
            mark="added",
            note="draft: new",
        )

    def _list_parts(self, view: NodeView) -> tuple[BarPart, ...]:
        below = self.children.get(view.id, ())
        return tuple(
            BarPart(name=child.name, used=child.usage.resources[self.state.resource].used)
            for child in below
            if child.usage and self.state.resource in child.usage.resources
        )

    def _show(self, amounts: ResourceUsage | None, field: str) -> str:
        return "" if amounts is None else show_amount(amounts.resource, getattr(amounts, field))

    def _workloads_url(self, view: NodeView, state: str) -> str:
        """The workloads behind a number: only a leaf has a queue of its own."""
        if not view.is_leaf or view.is_path_only:
            return ""
        return build_url("workloads:workload-list", cluster=view.cluster_name, queue=view.queue_name, state=state)

    def _group_url(self, group: str | None) -> str:
        return build_url("people:group-detail", group) if group and self.state.viewer.is_admin else ""

    def _find_drafted(self, view: NodeView) -> tuple[int, int | None] | None:
        """Min and Max of the node's chosen resource after the draft; None when there is no draft or no such number."""
        key = NodeKey(str(view.id))
        if self.drafted is None or self.drafted.is_empty or key not in self.drafted.after:
            return None
        try:
            return (
                self.drafted.after.min_amount(key, self.state.resource),
                self.drafted.after.max_amount(key, self.state.resource),
            )
        except QuantityError:
            return None

    def _describe_draft(self, view: NodeView) -> tuple[str, str]:
        if self.drafted is None or self.drafted.is_empty:
            return "", ""
        key = NodeKey(str(view.id))
        if key not in self.drafted.after:
            return "deleted", "draft: deleted"
        old, new = self.drafted.before.get(key), self.drafted.after.get(key)
        if old.parent != new.parent and new.parent is not None:
            return "moved", f"draft: moves under {self.drafted.after.path(new.parent)}"
        if old.name != new.name:
            return "changed", f"draft: becomes {new.name}"
        return ("changed", "draft: changed") if old != new else ("", "")


def build_quota_chip(view: NodeView, *, viewer: User) -> Chip | None:
    """How far the cluster is with a node. Only admins see the page behind it."""
    if view.sync is None:
        return None
    leads_on = viewer.is_admin and view.sync.state != SyncState.SYNCED
    return build_sync_chip(
        view.sync.state,
        reason=view.sync.message,
        since=view.sync.since if view.sync.message else None,
        url=build_url("sync:sync-list", cluster=view.cluster_name) if leads_on else "",
    )


def _show_difference(resource: str, old: int, new: int | None) -> str:
    return "" if new is None or new == old else show_amount(resource, new)


def _show_new_max(resource: str, amounts: ResourceUsage | None, new: tuple[int, int | None] | None) -> str:
    if amounts is None or new is None or new[1] == amounts.max:
        return ""
    return show_amount(resource, new[1])
