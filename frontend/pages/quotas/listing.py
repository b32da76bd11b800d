"""The tree table as a page: sentence, trees with their rows, the draft, and the panel of the open node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import User
from clusters.models import Cluster, SyncState
from frontend.chips import Chip, build_sync_chip
from frontend.drafting import Drafted, read_drafted
from frontend.pages.links import build_url
from frontend.pages.quotas.drafts import DraftBar, build_draft_bar
from frontend.pages.quotas.panel import NodePanel, build_panel
from frontend.pages.quotas.rows import NodeRow, TableState, build_rows, read_collapsed
from frontend.resources import GPU, choose_resource, count_amount, name_resource, show_amount, unit_of
from frontend.tables import Column, FilterChip, TableQuery
from frontend.words import count_of
from quotas import selectors
from quotas.domain.usage import ResourceUsage
from quotas.errors import NodeMissingError
from quotas.selectors import NodeView, TreeSync, TreeUsage

CSV_HEADER = (
    "tree", "path", "resource", "unit", "min", "max", "effective_max", "used", "borrowed", "lent", "pending",
    "namespaces", "group", "sync",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStep:
    """One of Saved, Syncing, Synced: `state` is done, current, failed or todo."""

    label: str
    state: str
    icon: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSection:
    """One tree of the table."""

    id: int
    name: str
    chip: Chip
    steps: tuple[SyncStep, ...]
    blocking: tuple[str, ...]
    is_deleting: bool
    rows: tuple[NodeRow, ...]
    draft: DraftBar | None
    delete_url: str
    retry_url: str
    add_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaListPage:
    """The trees of a cluster as the viewer may see them."""

    cluster: Cluster
    title: str
    sentence: SafeString | str
    can_change: bool
    table: TableQuery
    resource: str
    columns: tuple[Column, ...]
    resources: tuple[FilterChip, ...]
    trees: tuple[TreeSection, ...]
    panel: NodePanel | None
    is_panel_gone: bool
    create_url: str

    @property
    def is_unsettled(self) -> bool:
        """Whether somebody is likely to be waiting for a change to arrive in the cluster."""
        return any(step.state == "current" for tree in self.trees for step in tree.steps)

    @property
    def has_rows(self) -> bool:
        return any(tree.rows for tree in self.trees)


def build_quota_list(cluster: Cluster, *, viewer: User, table: TableQuery) -> QuotaListPage:
    """The page with the panel of the node in the address.

    Where that node is not there for the viewer the list still is: somebody may have deleted it while the page was open.
    """
    trees = list(selectors.list_trees(viewer=viewer, cluster=cluster))
    usages = [selectors.build_usage(tree, viewer=viewer) for tree in trees]
    resources = tuple(dict.fromkeys(resource for usage in usages for resource in usage.resources))
    resource = choose_resource(table.get("resource"), resources)
    state = TableState(
        table=table,
        resource=resource,
        collapsed=read_collapsed(table.get("collapsed"), usages),
        open_key=table.get("node"),
        viewer=viewer,
    )
    drafts = {tree.pk: read_drafted(tree, author=viewer) for tree in trees} if viewer.is_admin else {}
    panel = _build_open_panel(usages, drafts, state)
    return QuotaListPage(
        cluster=cluster,
        title="Quotas" if viewer.is_admin else "Your quota",
        sentence=describe_usage(usages, resource, viewer=viewer),
        can_change=viewer.is_admin,
        table=table,
        resource=resource,
        columns=_list_columns(resource),
        resources=_list_choices(resources, resource, table),
        trees=tuple(_build_section(usage, drafts.get(usage.tree.pk), state) for usage in usages),
        panel=panel,
        is_panel_gone=bool(state.open_key) and panel is None,
        create_url=build_url("quotas:tree-create", cluster=cluster.name) if viewer.is_admin else "",
    )


def list_csv_rows(cluster: Cluster, *, viewer: User) -> Iterator[Sequence[object]]:
    """Every node and resource that the viewer may see, amounts in the unit of the row (cpu in thousandths of a core)."""
    for tree in selectors.list_trees(viewer=viewer, cluster=cluster):
        for view in selectors.build_usage(tree, viewer=viewer).nodes:
            if view.usage is None:
                continue
            for amounts in view.usage.resources.values():
                unit = {"cores": "millicores", "GiB": "bytes"}.get(unit_of(amounts.resource), "")
                yield (
                    tree.name, view.path, amounts.resource, unit, amounts.min, amounts.max, amounts.effective_max,
                    amounts.used, amounts.borrowed, amounts.lent, amounts.pending, " ".join(view.namespaces), view.group,
                    view.sync.state if view.sync else "",
                )  # fmt: skip


def describe_usage(usages: Sequence[TreeUsage], resource: str, *, viewer: User) -> SafeString | str:
    """The answer of the page: what is used, borrowed and waiting, over the nodes that the viewer may see."""
    nodes = [
        (view, view.usage.resources[resource])
        for usage in usages
        for view in usage.nodes
        if view.usage and resource in view.usage.resources
    ]
    leaves = [(view, amounts) for view, amounts in nodes if view.is_leaf]
    tops = [(view, amounts) for view, amounts in nodes if view.is_root] if viewer.is_admin else leaves
    if not tops:
        return ""
    words = [
        _describe_used([amounts for _, amounts in tops]),
        *_describe_sharing(leaves, resource, viewer=viewer),
        _describe_waiting(leaves, resource),
    ]
    return format_html("{}.", format_html_join("; ", "{}", ((word,) for word in words)))


def _describe_used(amounts: Sequence[ResourceUsage]) -> SafeString:
    resource, used = amounts[0].resource, sum(each.used for each in amounts)
    limits = [each.reachable for each in amounts if each.reachable is not None]
    if len(limits) < len(amounts):
        return format_html("<strong>{}</strong> in use", count_amount(resource, used))
    return format_html(
        "<strong>{} of {}</strong> in use", show_amount(resource, used), count_amount(resource, sum(limits))
    )


def _describe_sharing(
    leaves: Sequence[tuple[NodeView, ResourceUsage]], resource: str, *, viewer: User
) -> Iterator[SafeString]:
    borrowed, lent = sum(each.borrowed for _, each in leaves), sum(each.lent for _, each in leaves)
    if borrowed:
        most, _ = max(leaves, key=lambda leaf: leaf[1].borrowed)
        by = format_html(", most by {}", most.name) if len(leaves) > 1 else ""
        yield format_html("<strong>{}</strong> of them borrowed{}", show_amount(resource, borrowed), by)
    if lent and not viewer.is_admin:
        yield format_html("{} of your Min lent to others", show_amount(resource, lent))


def _describe_waiting(leaves: Sequence[tuple[NodeView, ResourceUsage]], resource: str) -> SafeString:
    jobs = sum(view.usage.pending_workloads for view, _ in leaves if view.usage)
    if not jobs:
        return format_html("{}", "nothing waits")
    pending = sum(each.pending for _, each in leaves)
    return format_html("{} for {}", count_of(jobs, "job waits", "jobs wait"), count_amount(resource, pending))


def build_steps(sync: TreeSync) -> tuple[SyncStep, ...]:
    """How far the newest change has come: saved in the database, on its way to the cluster, there."""
    is_synced = sync.state == SyncState.SYNCED
    is_moving = sync.state in {SyncState.SYNCING, SyncState.WAITING}
    middle = "done" if is_synced else ("current" if is_moving else "failed")
    return (
        SyncStep(label="Saved", state="done", icon="check"),
        SyncStep(label="Syncing", state=middle, icon={"done": "check", "current": "loader-2"}.get(middle, "x")),
        SyncStep(label="Synced", state="done" if is_synced else "todo", icon="check" if is_synced else "circle"),
    )


def _build_section(usage: TreeUsage, drafted: Drafted | None, state: TableState) -> TreeSection:
    tree, sync = usage.tree, usage.sync
    root = next((view for view in usage.nodes if view.is_root), None)
    facts = (
        ("saved", f"generation {sync.generation}"),
        ("in the cluster", f"generation {sync.observed_generation}"),
        ("attempts", str(sync.attempts)),
    )
    return TreeSection(
        id=tree.pk,
        name=tree.name,
        chip=build_sync_chip(
            sync.state, reason=sync.message, since=sync.synced_at, facts=facts if sync.message else ()
        ),
        steps=build_steps(sync),
        blocking=sync.blocking,
        is_deleting=sync.is_deleting,
        rows=build_rows(usage, drafted, state),
        draft=build_draft_bar(tree, drafted) if drafted else None,
        delete_url=reverse("quotas:tree-delete", args=[tree.pk]),
        retry_url=reverse("quotas:tree-retry", args=[tree.pk]) if sync.state != SyncState.SYNCED else "",
        add_url=reverse("quotas:node-add", args=[tree.pk, str(root.id)]) if root else "",
    )


def _build_open_panel(
    usages: Sequence[TreeUsage], drafts: Mapping[int, Drafted], state: TableState
) -> NodePanel | None:
    tree_text, _, key = state.open_key.partition(":")
    for usage in usages:
        if tree_text != str(usage.tree.pk) or not key:
            continue
        with suppress(NodeMissingError):
            return build_panel(
                usage, key, drafted=drafts.get(usage.tree.pk), viewer=state.viewer, close_url=state.url(node=None)
            )
    return None


def _list_columns(resource: str) -> tuple[Column, ...]:
    unit = unit_of(resource)
    return (
        Column(label="Quota"),
        Column(label=f"{name_resource(resource)} now", help="From 0 to the effective Max, the smallest on the path"),
        Column(label="Min", unit=unit, is_number=True, help="Guaranteed"),
        Column(label="Max", unit=unit, is_number=True, help="Ceiling"),
        Column(label="Used", unit=unit, is_number=True, help="Held by admitted work"),
        Column(label="Borrowed", unit=unit, is_number=True, help="Used above Min; can be reclaimed"),
        Column(label="Lent", unit=unit, is_number=True, help="Part of Min that others use now"),
        Column(label="Pending", unit=unit, is_number=True, help="Asked for by work that waits"),
        Column(label="In the cluster"),
        Column(label="Namespaces"),
        Column(label="Group"),
    )


def _list_choices(resources: Sequence[str], chosen: str, table: TableQuery) -> tuple[FilterChip, ...]:
    if len(resources) < 2:
        return ()
    return tuple(
        FilterChip(label=name_resource(resource), url=table.url(resource=resource), is_on=resource == chosen)
        for resource in sorted(resources, key=lambda name: (name != GPU, resources.index(name)))
    )
