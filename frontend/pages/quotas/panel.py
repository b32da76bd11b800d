"""One node in full: its bars, what is bound to it, what can be done, and its history. Shown beside the table and by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.safestring import SafeString

from accounts import selectors as account_selectors
from accounts.models import User
from frontend.chips import Chip
from frontend.drafting import Drafted
from frontend.pages.links import build_url
from frontend.pages.quotas.bars import draw_usage
from frontend.pages.quotas.drafts import describe_fields
from frontend.pages.quotas.rows import build_quota_chip
from frontend.resources import GPU, name_resource, show_amount, unit_of
from frontend.svg.quota_bar import BarPart, BarSize
from quotas import selectors
from quotas.domain.tree import Node, NodeKey
from quotas.domain.usage import ResourceUsage
from quotas.errors import NodeMissingError
from quotas.models import NodeRevision
from quotas.selectors import NodeView, TreeUsage

SHOWN_REVISIONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownResource:
    """One resource of the node: the bar and its numbers in words, in `unit`."""

    label: str
    unit: str
    bar: SafeString
    min: str
    max: str
    effective_max: str
    used: str
    borrowed: str
    lent: str
    pending: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownNamespace:
    name: str
    is_adopted: bool
    workloads_url: str
    unbind_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRevision:
    version: int
    by: str
    at: datetime
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePanel:
    """Links that the viewer may not follow, or that make no sense for this node, are empty."""

    key: str
    tree_id: int
    tree_name: str
    name: str
    path: str
    kind: str
    queue_name: str
    chip: Chip | None
    is_new: bool
    is_deleted: bool
    is_leaf: bool
    resources: tuple[ShownResource, ...]
    namespaces: tuple[ShownNamespace, ...]
    group: str
    group_url: str
    members: tuple[str, ...]
    running: int
    pending: int
    running_url: str
    pending_url: str
    revisions: tuple[ShownRevision, ...]
    audit_url: str
    close_url: str
    page_url: str
    edit_url: str
    add_url: str
    move_url: str
    rename_url: str
    bind_url: str
    group_edit_url: str
    delete_url: str


def build_panel(
    usage: TreeUsage,
    key: str,
    *,
    drafted: Drafted | None,
    viewer: User,
    close_url: str = "",
    size: BarSize = BarSize.PANEL,
) -> NodePanel:
    """The panel of a saved node, or of one that the viewer's draft adds.

    Raises: NodeMissingError.
    """
    view = usage.find(int(key)) if key.isdecimal() and len(key) < 19 else None
    node = _find_drafted(drafted, key)
    if (view is None and node is None) or (view is not None and view.is_path_only):
        raise NodeMissingError("There is no such quota node.")
    urls = _Links(usage=usage, key=key, view=view, node=node, drafted=drafted, viewer=viewer)
    group = node.group if node is not None else (view.group if view else None)
    return NodePanel(
        key=key,
        tree_id=usage.tree.pk,
        tree_name=usage.tree.name,
        name=node.name if node is not None else (view.name if view else ""),
        path=view.path if view else (drafted.after.path(NodeKey(key)) if drafted else ""),
        kind=_name_kind(view, urls),
        queue_name=view.queue_name if view else "",
        chip=build_quota_chip(view, viewer=viewer) if view else None,
        is_new=view is None,
        is_deleted=view is not None and drafted is not None and node is None,
        is_leaf=urls.is_leaf,
        resources=_list_resources(usage, view, size=size),
        namespaces=urls.list_namespaces(),
        group=group or "",
        group_url=build_url("people:group-detail", group) if group and viewer.is_admin else "",
        members=_list_members(group),
        running=view.usage.admitted_workloads if view and view.usage else 0,
        pending=view.usage.pending_workloads if view and view.usage else 0,
        running_url=urls.workloads(state="running"),
        pending_url=urls.workloads(state="waiting"),
        revisions=_list_revisions(view, viewer=viewer) if viewer.is_admin else (),
        audit_url=urls.audit(),
        close_url=close_url,
        page_url=reverse("quotas:node-detail", args=[usage.tree.pk, key]),
        edit_url=urls.change("node-edit"),
        add_url=urls.change("node-add"),
        move_url=urls.change("node-move", needs_parent=True),
        rename_url=urls.change("node-rename", needs_parent=True),
        bind_url=urls.change("namespace-bind") if urls.is_leaf else "",
        group_edit_url=urls.change("group-bind") if urls.is_leaf else "",
        delete_url=urls.change("node-delete", needs_parent=True) if not urls.has_children else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Links:
    """Where one can go from a node. Changes are for admins, and speak of the node as the draft leaves it."""

    usage: TreeUsage
    key: str
    view: NodeView | None
    node: Node | None
    drafted: Drafted | None
    viewer: User

    @property
    def is_leaf(self) -> bool:
        if self.drafted is not None and self.node is not None:
            return self.drafted.after.is_leaf(self.node.key)
        return self.view is not None and self.view.is_leaf

    @property
    def has_children(self) -> bool:
        return bool(self.drafted and self.node and self.drafted.after.children(self.node.key))

    def change(self, route: str, *, needs_parent: bool = False) -> str:
        is_possible = self.viewer.is_admin and self.node is not None and not self.usage.sync.is_deleting
        if not is_possible or (needs_parent and self.node is not None and self.node.parent is None):
            return ""
        return reverse(f"quotas:{route}", args=[self.usage.tree.pk, self.key])

    def workloads(self, **parameters: str) -> str:
        if self.view is None or not self.view.is_leaf:
            return ""
        place = {"cluster": self.view.cluster_name, "queue": self.view.queue_name}
        return build_url("workloads:workload-list", **place, **parameters)

    def audit(self) -> str:
        return build_url("audit:event-list", search=self.usage.tree.name) if self.viewer.is_admin else ""

    def list_namespaces(self) -> tuple[ShownNamespace, ...]:
        if self.node is not None:
            bound = [(binding.namespace, binding.is_adopted) for binding in self.node.namespaces]
        else:
            names = self.view.namespaces if self.view else ()
            bound = [(name, self.view is not None and name in self.view.adopted_namespaces) for name in names]
        cluster = self.usage.tree.cluster.name
        return tuple(
            ShownNamespace(
                name=name,
                is_adopted=is_adopted,
                workloads_url=build_url("workloads:workload-list", cluster=cluster, namespace=name),
                unbind_url=reverse("quotas:namespace-unbind", args=[self.usage.tree.pk, self.key, name])
                if self.change("namespace-bind")
                else "",
            )
            for name, is_adopted in sorted(bound)
        )


def _find_drafted(drafted: Drafted | None, key: str) -> Node | None:
    if drafted is None or NodeKey(key) not in drafted.after:
        return None
    return drafted.after.get(NodeKey(key))


def _name_kind(view: NodeView | None, urls: _Links) -> str:
    if view is not None and view.is_root:
        return "Root of the tree"
    return "Leaf" if urls.is_leaf else "Inner node"


def _list_resources(usage: TreeUsage, view: NodeView | None, *, size: BarSize) -> tuple[ShownResource, ...]:
    """GPUs first: that is what people come for."""
    if view is None or view.usage is None:
        return ()
    amounts = sorted(view.usage.resources.values(), key=lambda each: each.resource != GPU)
    return tuple(_show_resource(usage, view, each, size=size) for each in amounts)


def _show_resource(usage: TreeUsage, view: NodeView, amounts: ResourceUsage, *, size: BarSize) -> ShownResource:
    resource = amounts.resource
    parts = tuple(
        BarPart(name=child.name, used=child.usage.resources[resource].used)
        for child in usage.nodes
        if child.parent_id == view.id and child.usage and resource in child.usage.resources
    )

    def show(amount: int | None) -> str:
        return show_amount(resource, amount)

    return ShownResource(
        label=name_resource(resource),
        unit=unit_of(resource),
        bar=draw_usage(view.name, amounts, parts=parts, size=size),
        min=show(amounts.min),
        max=show(amounts.max),
        effective_max=show(amounts.effective_max) if amounts.effective_max != amounts.max else "",
        used=show(amounts.used),
        borrowed=show(amounts.borrowed),
        lent=show(amounts.lent),
        pending=show(amounts.pending),
    )


def _list_members(group: str | None) -> tuple[str, ...]:
    """Nobody, when the draft names a group that has been deleted since."""
    return tuple(user.shown_name for user in account_selectors.list_members(group_name=group)) if group else ()


def _list_revisions(view: NodeView | None, *, viewer: User) -> tuple[ShownRevision, ...]:
    """The newest versions, each with what it changed."""
    if view is None:
        return ()
    revisions = list(
        selectors.list_node_revisions(node=selectors.get_node(node_id=view.id, viewer=viewer))[: SHOWN_REVISIONS + 1]
    )
    befores: list[NodeRevision | None] = [*revisions[1:], None]
    # The oldest one read only tells what the one after it changed; without any, there is one None too many.
    shown = [_show_revision(revision, before) for revision, before in zip(revisions, befores, strict=False)]
    return tuple(shown[:SHOWN_REVISIONS])


def _show_revision(revision: NodeRevision, before: NodeRevision | None) -> ShownRevision:
    fields: Mapping[str, str] = before.fields if before is not None else {}
    is_first = before is None and revision.version == 1
    return ShownRevision(
        version=revision.version,
        by=revision.changed_by,
        at=revision.changed_at,
        changes=("created",) if is_first else tuple(describe_fields(dict(fields), revision.fields)),
    )
