"""What the overview shows: four answers - what is broken, what is free, who wastes, who waits - and what they were over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.safestring import SafeString

from accounts.models import User
from accounts.selectors import list_audit_events
from clusters.models import Cluster, WorkloadState
from clusters.selectors import list_clusters
from frontend.pages.inventory import Inventory
from frontend.pages.links import build_url, join_words, link
from frontend.pages.nodes import read_heat
from frontend.pages.quotas.bars import draw_usage
from frontend.pages.readings import (
    LineLook,
    RangeChoice,
    SeriesTable,
    SourceState,
    build_range_choices,
    build_series,
    build_series_table,
    read_range,
)
from frontend.svg.histogram import HistogramBar, draw_histogram
from frontend.tables import TableQuery
from frontend.words import count_of, describe_duration
from monitoring import selectors as monitoring
from monitoring.domain.gpus import GpuState, PodRef
from quotas.selectors import build_usage, list_trees
from workloads import selectors as workloads
from workloads.domain.explain import GPU
from workloads.holders import Holder, find_holders
from workloads.placement import Unplaced, count_unplaced
from workloads.queues import WaitingQueue, list_waiting_queues

SHOWN: Final = 3
SHOWN_EVENTS: Final = 10
LOOKS: Final = {
    "total_gpus": LineLook(label="GPUs in all", unit="count", style="step"),
    "allocated_gpus": LineLook(label="Allocated", unit="count", style="area"),
    "used_ratio": LineLook(label="Utilisation", unit="ratio"),
}
_STATE_WORDS: Final = {
    WorkloadState.PENDING.value: "waits",
    WorkloadState.RESERVED.value: "has its quota reserved",
    WorkloadState.ADMITTED.value: "was admitted",
    WorkloadState.EVICTED.value: "was evicted",
    WorkloadState.FINISHED.value: "finished",
    WorkloadState.FAILED.value: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of an answer: what it is, why, how much, and where it leads."""

    name: str
    note: str
    amount: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One of the four. `figure` None is "not known", then `reason` says why; `rest` counts the lines that are not shown."""

    key: str
    title: str
    icon: str
    tone: str
    figure: int | None
    unit: str
    reason: str
    url: str
    items: tuple[Item, ...]
    rest: int
    calm: str
    drawing: SafeString | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLine:
    name: str
    is_inner: bool
    drawing: SafeString
    words: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that changed: by a person (audit) or in the cluster (workload)."""

    at: datetime
    words: str
    url: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherCluster:
    name: str
    url: str
    broken: int
    gpus: int
    free: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The sentence and the four answers: a part of the page that is fetched again by itself, like the next two."""

    sentence: SafeString
    cluster: Cluster
    source: SourceState
    answers: tuple[Answer, ...]
    refresh_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    cluster: Cluster
    quotas: tuple[QuotaLine, ...]
    quotas_url: str
    refresh_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    cluster: Cluster
    events: tuple[Event, ...]
    audit_url: str
    refresh_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The whole page: its parts, and what stands between them."""

    cluster: Cluster
    answers_part: Answers
    quotas_part: Quotas
    events_part: Events
    ranges: tuple[RangeChoice, ...]
    series_url: str
    table_url: str
    others: tuple[OtherCluster, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTable:
    """The chart's data for those who read tables."""

    cluster: Cluster
    series: SeriesTable
    ranges: tuple[RangeChoice, ...]
    back_url: str


def build_overview(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> Overview:
    span = read_range(table)
    return Overview(
        cluster=cluster,
        answers_part=build_answers(table, cluster=cluster, viewer=viewer, now=now),
        quotas_part=build_quotas(table, cluster=cluster, viewer=viewer, now=now),
        events_part=build_events(table, cluster=cluster, viewer=viewer, now=now),
        ranges=build_range_choices(table, current=span),
        series_url=build_url("overview:history", cluster=cluster.name, range=span.value),
        table_url=build_url("overview:history-table", cluster=cluster.name, range=span.value),
        others=tuple(_build_others(viewer, cluster)),
    )


def build_answers(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> Answers:
    heat = read_heat(cluster)
    queues = list_waiting_queues(viewer=viewer, cluster=cluster)
    idle = heat.inventory.count_states()[GpuState.IDLE] if heat.idle.is_available else None
    return Answers(
        sentence=_describe(heat.inventory, idle, queues, cluster),
        cluster=cluster,
        source=heat.source,
        answers=(
            _answer_broken(heat.inventory, cluster),
            _answer_free(heat.inventory, count_unplaced(cluster), cluster),
            _answer_wasted(heat.inventory, heat.idle, cluster),
            _answer_waiting(queues, cluster, now=now),
        ),
        refresh_url=table.url(),
    )


def build_quotas(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> Quotas:
    return Quotas(
        cluster=cluster,
        quotas=tuple(_list_quotas(viewer, cluster)),
        quotas_url=build_url("quotas:quota-list", cluster=cluster.name),
        refresh_url=table.url(),
    )


def build_events(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> Events:
    return Events(
        cluster=cluster,
        events=_list_events(viewer, cluster),
        audit_url=build_url("audit:event-list"),
        refresh_url=table.url(),
    )


# What a fragment's own data is: a change in the cluster asks for the part that it concerns, and no more is read than that.
PARTS: Final = {"overview-answers": build_answers, "overview-quotas": build_quotas, "overview-events": build_events}


def build_history_table(table: TableQuery, *, cluster: Cluster) -> HistoryTable:
    span = read_range(table)
    return HistoryTable(
        cluster=cluster,
        series=build_series_table(monitoring.get_cluster_history(cluster, span=span), LOOKS),
        ranges=build_range_choices(table, current=span),
        back_url=build_url("overview:overview", cluster=cluster.name, range=span.value),
    )


def build_history(table: TableQuery, *, cluster: Cluster) -> dict[str, Any]:  # Any: JSON
    """The data of the chart."""
    return build_series(monitoring.get_cluster_history(cluster, span=read_range(table)), LOOKS)


# --- the four answers --------------------------------------------------------------------------------------------------------


def _answer_broken(inventory: Inventory, cluster: Cluster) -> Answer:
    broken = sorted(inventory.broken, key=lambda node: (-node.lost, node.name))
    lost = sum(node.lost for node in broken)
    return Answer(
        key="broken",
        title="Broken",
        icon="alert-triangle",
        tone="bad" if broken else "good",
        figure=len(broken),
        unit=f"{'node' if len(broken) == 1 else 'nodes'}, {count_of(lost, 'GPU')} lost to new work"
        if broken
        else "nodes",
        reason="",
        url=build_url("nodes:node-list", cluster=cluster.name, state="broken"),
        items=tuple(
            Item(
                name=node.name,
                note="; ".join(node.reasons),
                amount=count_of(node.lost, "GPU"),
                url=build_url("nodes:node-detail", node.name, cluster=cluster.name),
            )
            for node in broken[:SHOWN]
        ),
        rest=max(0, len(broken) - SHOWN),
        calm="Every GPU node is Ready, open and whole.",
    )


def _answer_free(inventory: Inventory, unplaced: Unplaced, cluster: Cluster) -> Answer:
    blocks = inventory.count_free_blocks()
    bars = [
        HistogramBar(
            label=str(free),
            count=nodes,
            url=build_url("nodes:node-list", cluster=cluster.name, free=free),
            words=f"{count_of(nodes, 'node')} with {free} free each",
        )
        for free, nodes in blocks.items()
    ]
    free = inventory.free
    return Answer(
        key="free",
        title="Free and usable",
        icon="circle-check",
        tone="good" if free else "warn",
        figure=free,
        unit=f"of {count_of(inventory.gpus, 'GPU')}",
        reason="",
        url=build_url("nodes:node-list", cluster=cluster.name, state="free"),
        items=(_build_promised(unplaced, cluster),) if unplaced.workloads else (),
        rest=0,
        calm="" if free else "No usable GPU is free: whatever is submitted now waits or borrows.",
        drawing=draw_histogram(bars, title="Nodes by the number of their free GPUs") if bars else None,
        note=f"nodes by free GPUs each; the largest job on one node is {inventory.largest_block}" if bars else "",
    )


def _build_promised(unplaced: Unplaced, cluster: Cluster) -> Item:
    """Why free cards are not all to be had: work that has its quota still looks for a node."""
    return Item(
        name="Promised",
        note=f"{count_of(unplaced.workloads, 'admitted job')} without a node for all pods",
        amount=count_of(unplaced.gpus, "GPU"),
        url=build_url("workloads:workload-list", cluster=cluster.name, state="unplaced"),
    )


def _answer_wasted(inventory: Inventory, idle: SourceState, cluster: Cluster) -> Answer:
    url = build_url("nodes:gpu-list", cluster=cluster.name, state=GpuState.IDLE.value)
    cards = [
        cell.device.pods[0]
        for node in inventory.nodes
        for cell in node.cells
        if cell.state == GpuState.IDLE and cell.device and cell.device.pods
    ]
    owners = _count_owners(cards, find_holders(cluster, set(cards)))
    total = inventory.count_states()[GpuState.IDLE]
    return Answer(
        key="wasted",
        title="Wasted",
        icon="zzz",
        tone="plain" if not idle.is_available else "warn" if total else "good",
        figure=total if idle.is_available else None,
        unit=f"{'GPU' if total == 1 else 'GPUs'} held and idle for over an hour",
        reason=idle.message,
        url=url,
        items=tuple(
            Item(
                name=name,
                note=note,
                amount=count_of(count, "GPU"),
                url=build_url("nodes:gpu-list", cluster=cluster.name, state=GpuState.IDLE.value, search=search),
            )
            for (name, note, search), count in owners.most_common(SHOWN)
        ),
        rest=max(0, len(owners) - SHOWN),
        calm="Nobody holds a GPU without using it." if idle.is_available else "",
    )


def _count_owners(cards: Sequence[PodRef], holders: dict[PodRef, Holder]) -> Counter[tuple[str, str, str]]:
    """`{(person, quota, namespace): idle GPUs}`; who has no name is called by the namespace."""
    owners: Counter[tuple[str, str, str]] = Counter()
    for pod in cards:
        holder = holders.get(pod)
        person, quota = (holder.person, holder.quota) if holder else ("", "")
        owners[person or pod.namespace, _shorten(quota) or f"namespace {pod.namespace}", f"{pod.namespace}/"] += 1
    return owners


def _shorten(path: str) -> str:
    """A quota's path without the root, which all of them have in common: `research / nlp`."""
    return " / ".join(path.split(".")[1:]) or path


def _answer_waiting(queues: Sequence[WaitingQueue], cluster: Cluster, *, now: datetime) -> Answer:
    total = sum(queue.workloads for queue in queues)
    gpus = sum(queue.gpus for queue in queues)
    return Answer(
        key="waiting",
        title="Waiting",
        icon="hourglass",
        tone="warn" if total else "good",
        figure=total,
        unit=f"{'workload' if total == 1 else 'workloads'} for {count_of(gpus, 'GPU')}" if total else "workloads",
        reason="",
        url=build_url("workloads:workload-list", cluster=cluster.name, state="waiting"),
        items=tuple(_build_waiting_item(queue, cluster, now=now) for queue in queues[:SHOWN]),
        rest=max(0, len(queues) - SHOWN),
        calm="Nothing waits.",
    )


def _build_waiting_item(queue: WaitingQueue, cluster: Cluster, *, now: datetime) -> Item:
    head = queue.head
    start = head.queued_at or head.created_at
    reason = queue.explanation.sentence if queue.explanation else head.message
    waited = describe_duration(int((now - start).total_seconds()))
    narrowed = {"queue": queue.leaf.queue_name} if queue.leaf else {"namespace": head.namespace}
    return Item(
        name=_shorten(queue.leaf.path) if queue.leaf else f"{head.namespace} (no quota)",
        note=f"{head.owner_name or head.name} waits {waited}: {reason}",
        amount=count_of(queue.workloads, "job"),
        url=build_url("workloads:workload-list", cluster=cluster.name, state="waiting", **narrowed),
    )


# --- below -------------------------------------------------------------------------------------------------------------------


def _list_quotas(viewer: User, cluster: Cluster) -> Iterator[QuotaLine]:
    """The roots and the nodes right below them, those with GPUs."""
    for tree in list_trees(viewer=viewer, cluster=cluster):
        for node in build_usage(tree, viewer=viewer).nodes:
            usage = node.usage.resources.get(GPU) if node.usage and node.depth <= 1 else None
            if usage is None:
                continue
            more = ((usage.borrowed, "borrowed"), (usage.lent, "lent"), (usage.pending, "pending"))
            parts = [f"{usage.used} used", *(f"{amount} {word}" for amount, word in more if amount)]
            yield QuotaLine(
                name=node.name,
                is_inner=node.depth > 0,
                drawing=draw_usage(node.name, usage),
                words=" · ".join(parts),
                url=build_url("quotas:node-detail", tree.pk, node.id),
            )


def _list_events(viewer: User, cluster: Cluster) -> tuple[Event, ...]:
    newest = workloads.list_workloads(viewer=viewer, cluster=cluster, ordering="-state_since").exclude(state_since=None)
    events = [
        Event(
            at=row.state_since,
            words=f"{row.namespace}/{row.owner_name or row.name} {_STATE_WORDS.get(row.state, row.state)}"
            + (f" ({count_of(row.gpu_request, 'GPU')})" if row.gpu_request else ""),
            url=build_url("workloads:workload-detail", row.uid),
            by=row.submitted_by,
        )
        for row in newest[:SHOWN_EVENTS]
        if row.state_since is not None
    ]
    events += [
        Event(at=event.at, words=event.summary, url=build_url("audit:event-detail", event.pk), by=event.actor_name)
        for event in list_audit_events()[:SHOWN_EVENTS]
    ]
    return tuple(sorted(events, key=lambda event: event.at, reverse=True)[:SHOWN_EVENTS])


def _build_others(viewer: User, cluster: Cluster) -> Iterator[OtherCluster]:
    """The same numbers of the other clusters, from their inventories alone."""
    for other in list_clusters():
        if other.pk == cluster.pk:
            continue
        capacity = monitoring.get_capacity(other)
        counts = workloads.count_by_state(viewer=viewer, cluster=other)
        yield OtherCluster(
            name=other.name,
            url=build_url("overview:overview", cluster=other.name),
            broken=capacity.gpu_nodes_unhealthy,
            gpus=capacity.gpus_total,
            free=capacity.gpus_free,
            waiting=sum(
                counts[state] for state in (WorkloadState.PENDING, WorkloadState.EVICTED, WorkloadState.RESERVED)
            ),
        )


def _describe(inventory: Inventory, idle: int | None, queues: Sequence[WaitingQueue], cluster: Cluster) -> SafeString:
    if not inventory.nodes:
        return join_words([f"No GPU was seen in {cluster.name} yet."])
    allocated = link(f"{inventory.allocated} of {inventory.gpus}", build_url("nodes:node-list", cluster=cluster.name))
    parts = [join_words([allocated, " GPUs allocated"], "")]
    if idle:
        idle_url = build_url("nodes:gpu-list", cluster=cluster.name, state=GpuState.IDLE.value)
        parts.append(join_words([link(idle, idle_url), " of them idle for over an hour"], ""))
    waiting = sum(queue.workloads for queue in queues)
    waiting_url = build_url("workloads:workload-list", cluster=cluster.name, state="waiting")
    if waiting:
        tail = join_words([link(count_of(waiting, "job"), waiting_url), f" {'waits' if waiting == 1 else 'wait'}."], "")
    else:
        tail = join_words(["nothing waits."])
    return join_words([join_words(parts), tail], "; ")
