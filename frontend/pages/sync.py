"""What the sync page shows: every object whose cluster side is not what was asked for, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from accounts.models import User
from accounts.selectors import list_audit_events
from clusters import selectors
from clusters.models import Cluster, ManagedObject, SyncState
from clusters.selectors import SyncSummary
from frontend.chips import Chip, build_sync_chip
from frontend.pages.links import build_url, join_words, link
from frontend.pages.menus import MenuForm, build_menu, build_menu_form
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of
from quotas.selectors import list_trees

CSV_HEADER: Final = (
    "cluster",
    "kind",
    "namespace",
    "name",
    "state",
    "message",
    "since",
    "checked_at",
    "attempts",
    "owner",
    "subject",
)
SORTABLE: Final = ("kind", "name", "namespace", "state", "since", "attempts")
STATE_LABELS: Final = {
    SyncState.FAILED.value: "Failed",
    SyncState.CONFLICT.value: "Conflict",
    SyncState.DRIFTED.value: "Drifted",
    SyncState.UNREACHABLE.value: "Unreachable",
    SyncState.WAITING.value: "Waiting",
    SyncState.SYNCING.value: "Syncing",
    SyncState.SYNCED.value: "Synced",
}
KINDS: Final = ("Cohort", "ClusterQueue", "LocalQueue", "Namespace", "ResourceFlavor")
HEALS: Final = frozenset({SyncState.FAILED, SyncState.CONFLICT, SyncState.DRIFTED, SyncState.UNREACHABLE})

# How long, and how much of it, the page tells of what was put back.
HEALED_WITHIN: Final = timedelta(hours=24)
MOST_HEALED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Healing:
    """Edits of somebody else that were undone at one time: a sentence per object."""

    at: datetime
    sentences: tuple[str, ...]
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One field that is not as asked."""

    path: str
    wanted: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRow:
    """One object. `subject_url` leads to what it stands for; `can_retry` when another attempt is worth asking for."""

    pk: int
    kind: str
    namespace: str
    name: str
    chip: Chip
    message: str
    since: datetime
    attempts: int
    gaps: tuple[Gap, ...]
    subject_url: str
    can_retry: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncList:
    sentence: SafeString
    cluster: Cluster
    summary: SyncSummary
    table: TableQuery
    columns: tuple[Column, ...]
    chips: tuple[FilterChip, ...]
    menus: MenuForm
    paging: Paging[ManagedObject]
    rows: tuple[SyncRow, ...]
    is_calm: bool
    healings: tuple[Healing, ...]


def build_sync_list(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> SyncList:
    summary = selectors.summarise_sync(cluster)
    paging: Paging[ManagedObject] = table.paginate(_list(table, cluster, is_matching=summary.is_matching))
    # Of what the other filters leave: following a number must lead to as many rows.
    counts = selectors.count_states(_find(table, cluster))
    return SyncList(
        sentence=_describe(summary, cluster),
        cluster=cluster,
        summary=summary,
        table=table,
        columns=table.columns(
            (
                Column(label="Object", key="name"),
                Column(label="Namespace", key="namespace"),
                Column(label="State", key="state"),
                Column(label="Since", key="since"),
                Column(label="Attempts", key="attempts", is_number=True),
                Column(label="Reason"),
                Column(label=""),
            )
        ),
        chips=table.chips(
            "state",
            {
                state: label
                for state, label in STATE_LABELS.items()
                if summary.counts.get(SyncState(state)) or state == table.get("state")
            },
            counts,
        ),
        menus=build_menu_form(table, [build_menu(table, "kind", "All kinds", KINDS)]),
        paging=paging,
        rows=tuple(_build_row(row, cluster) for row in paging.rows),
        is_calm=summary.is_matching and not _is_narrowed(table),
        healings=_list_healings(cluster, viewer=viewer, now=now),
    )


def list_csv_rows(table: TableQuery, *, cluster: Cluster) -> Iterator[tuple[object, ...]]:
    is_matching = selectors.summarise_sync(cluster).is_matching
    for row in _list(table, cluster, is_matching=is_matching).iterator(chunk_size=500):
        yield (
            cluster.name, row.kind, row.namespace, row.name, row.state, row.message, row.since, row.checked_at, row.attempts,
            row.owner, row.subject,
        )  # fmt: skip


def _list(table: TableQuery, cluster: Cluster, *, is_matching: bool) -> QuerySet[ManagedObject]:
    """Without a state: all that is not as asked; when everything is, and something else is filtered by, all there is."""
    objects, state = _find(table, cluster), table.get("state")
    if state in STATE_LABELS:
        objects = objects.filter(state=state)
    elif not is_matching:
        objects = objects.exclude(state=SyncState.SYNCED)
    return objects.order_by(*table.ordering) if table.sort else objects


def _find(table: TableQuery, cluster: Cluster) -> QuerySet[ManagedObject]:
    """What the filters leave, whatever its state."""
    return selectors.list_managed_objects(cluster, kind=table.get("kind"), search=table.search)


def _list_healings(cluster: Cluster, *, viewer: User, now: datetime) -> tuple[Healing, ...]:
    """From the audit trail: the object itself is as asked again and tells nothing."""
    trees = [str(tree.pk) for tree in list_trees(viewer=viewer, cluster=cluster)]
    events = list_audit_events(kind="quota-tree.drift-healed", subject_type="QuotaTree", since=now - HEALED_WITHIN)
    return tuple(
        Healing(
            at=event.at,
            sentences=tuple(event.details.get("objects", [event.summary])),
            url=build_url("audit:event-detail", event.pk),
        )
        for event in events.filter(subject_id__in=trees)[:MOST_HEALED]
    )


def _is_narrowed(table: TableQuery) -> bool:
    return bool(table.search or table.get("state") or table.get("kind"))


def _build_row(row: ManagedObject, cluster: Cluster) -> SyncRow:
    facts = (("attempts", str(row.attempts)),) if row.attempts else ()
    return SyncRow(
        pk=row.pk,
        kind=row.kind,
        namespace=row.namespace,
        name=row.name,
        chip=build_sync_chip(row.state, reason=row.message, since=row.since, facts=facts),
        message=row.message,
        since=row.since,
        attempts=row.attempts,
        gaps=tuple(
            Gap(path=str(one.get("path", "")), wanted=str(one.get("wanted", "")), found=str(one.get("found", "")))
            for one in row.differences
        ),
        subject_url=_subject_url(row, cluster),
        can_retry=row.state in HEALS,
    )


def _subject_url(row: ManagedObject, cluster: Cluster) -> str:
    """The quota node that an object stands for, else the trees of the cluster."""
    tree, node = row.owner.removeprefix("quota-tree-"), row.subject.removeprefix("quota-node-")
    if tree.isdigit() and node.isdigit():
        return build_url("quotas:node-detail", tree, node)
    return build_url("quotas:quota-list", cluster=cluster.name)


def _describe(summary: SyncSummary, cluster: Cluster) -> SafeString:
    if not summary.total:
        return join_words([f"AI Dashboard keeps no object in {cluster.name} yet."])
    everything = link(
        count_of(summary.total, "object"),
        build_url("sync:sync-list", cluster=cluster.name, state=SyncState.SYNCED.value),
    )
    if summary.is_matching:
        return join_words(["All ", everything, f" in {cluster.name} match what was asked for."], "")
    off = summary.total - summary.counts.get(SyncState.SYNCED, 0)
    head = link(off, build_url("sync:sync-list", cluster=cluster.name))
    moving = off - summary.in_trouble
    tail = f"; {moving} of them on their way." if moving else "."
    words = f" of {count_of(summary.total, 'object')} in {cluster.name} {'is' if off == 1 else 'are'} not what was asked for{tail}"
    return join_words([head, words], "")
