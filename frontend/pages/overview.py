"""What the overview shows: four answers - what is broken, what is free, who wastes, who waits - and what they were over time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.safestring import SafeString

from accounts.models import User
from accounts.selectors import list_audit_events
from clusters.models import Cluster, WorkloadState
from clusters.selectors import list_clusters
from frontend.pages.answers import (
    Answer,
    answer_broken,
    answer_free,
    answer_waiting,
    answer_wasted,
    describe_cluster,
)
from frontend.pages.links import build_url
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
from frontend.tables import TableQuery
from frontend.words import count_of, format_number
from monitoring import selectors as monitoring
from monitoring.domain.gpus import GpuState
from quotas.selectors import build_usage, list_trees
from workloads import selectors as workloads
from workloads.domain.explain import GPU
from workloads.placement import count_unplaced
from workloads.queues import list_waiting_queues

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    cluster: Cluster
    quotas: tuple[QuotaLine, ...]
    quotas_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    cluster: Cluster
    events: tuple[Event, ...]
    audit_url: str


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
        answers_part=build_answers(cluster=cluster, viewer=viewer, now=now),
        quotas_part=build_quotas(cluster=cluster, viewer=viewer, now=now),
        events_part=build_events(cluster=cluster, viewer=viewer, now=now),
        ranges=build_range_choices(table, current=span),
        series_url=build_url("overview:history", cluster=cluster.name, range=span.value),
        table_url=build_url("overview:history-table", cluster=cluster.name, range=span.value),
        others=tuple(_build_others(viewer, cluster)),
    )


def build_answers(*, cluster: Cluster, viewer: User, now: datetime) -> Answers:
    heat = read_heat(cluster)
    queues = list_waiting_queues(viewer=viewer, cluster=cluster)
    idle = heat.inventory.count_states()[GpuState.IDLE] if heat.idle.is_available else None
    return Answers(
        sentence=describe_cluster(heat.inventory, idle, queues, cluster),
        cluster=cluster,
        source=heat.source,
        answers=(
            answer_broken(heat.inventory, cluster),
            answer_free(heat.inventory, count_unplaced(cluster), cluster),
            answer_wasted(heat.inventory, heat.idle, cluster),
            answer_waiting(queues, cluster, now=now),
        ),
    )


def build_quotas(*, cluster: Cluster, viewer: User, now: datetime) -> Quotas:
    return Quotas(
        cluster=cluster,
        quotas=tuple(_list_quotas(viewer, cluster)),
        quotas_url=build_url("quotas:quota-list", cluster=cluster.name),
    )


def build_events(*, cluster: Cluster, viewer: User, now: datetime) -> Events:
    return Events(
        cluster=cluster,
        events=_list_events(viewer, cluster),
        audit_url=build_url("audit:event-list"),
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


def _list_quotas(viewer: User, cluster: Cluster) -> Iterator[QuotaLine]:
    """The roots and the nodes right below them, those with GPUs."""
    for tree in list_trees(viewer=viewer, cluster=cluster):
        for node in build_usage(tree, viewer=viewer).nodes:
            usage = node.usage.resources.get(GPU) if node.usage and node.depth <= 1 else None
            if usage is None:
                continue
            more = ((usage.borrowed, "borrowed"), (usage.lent, "lent"), (usage.pending, "pending"))
            parts = [
                f"{format_number(usage.used)} used",
                *(f"{format_number(amount)} {word}" for amount, word in more if amount),
            ]
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
