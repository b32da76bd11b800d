"""Reads of metrics and of the inventory behind them. Nothing here raises because Prometheus is away: a reading says why it has no value.

Tenancy: figures over a whole cluster are anonymous; whatever names namespaces or pods takes `namespaces`, None standing for all
of them, as `quotas.selectors.visible_namespaces` gives them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Sum
from django.utils import timezone

from clusters.models import Cluster, ObservedNode, ObservedPod
from monitoring import assembly, promql
from monitoring.asking import Source, ask, ask_range, find_source
from monitoring.domain.capacity import Capacity, build_capacity
from monitoring.domain.gpus import ClusterTotals, GpuSnapshot, History, IdlePod, NodeProblem, NodeUsage, PodRef
from monitoring.domain.idle import HolderFacts, IdleReport, judge_idle
from monitoring.domain.ranges import TimeRange
from monitoring.domain.sources import Detected, read_detected
from monitoring.domain.strips import NodeFacts, NodeStrip, build_strips
from monitoring.domain.telemetry import Reading, Telemetry
from monitoring.domain.thresholds import DEFAULT_THRESHOLDS
from monitoring.models import PrometheusSource
from monitoring.prometheus.errors import PrometheusError
from monitoring.prometheus.parsing import Vector
from monitoring.promql import GPU_COUNT_LABEL, Query
from monitoring.single_flight import Answer

IDLE_FRESH_SECONDS: Final = 60
LIVE_PHASES: Final = ("Pending", "Running")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """The metrics source of a cluster. `url` empty: there is none. `message` says why the last probe failed."""

    url: str
    has_token: bool
    probed_at: datetime | None
    message: str
    detected: Detected | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatStrip:
    """A row per GPU node of the inventory, also while Prometheus is away; `telemetry` and `idle` say what the cells rest on."""

    strips: tuple[NodeStrip, ...]
    telemetry: Reading[GpuSnapshot]
    idle: Reading[tuple[IdlePod, ...]]


def describe_source(cluster: Cluster) -> SourceStatus:
    source = find_source(cluster)
    if source is None:
        return SourceStatus(url="", has_token=False, probed_at=None, message="", detected=None)
    return SourceStatus(
        url=source.url,
        has_token=source.bearer_token is not None,
        probed_at=source.probed_at,
        message=source.message,
        detected=read_detected(source.detected),
    )


# --- from the inventory ------------------------------------------------------------------------------------------------------


def get_capacity(cluster: Cluster) -> Capacity:
    """GPUs by the inventory: always there, as old as the cluster's `last_seen_at`."""
    return build_capacity(_list_node_facts(cluster), allocated=_sum_allocated(cluster))


def _list_node_facts(cluster: Cluster) -> tuple[NodeFacts, ...]:
    """The GPU nodes, by pool and name."""
    nodes = ObservedNode.objects.filter(cluster=cluster, gpu_capacity__gt=0).order_by("pool", "name")
    # Decoding what is not looked at costs more than the rest of the query.
    nodes = nodes.defer("capacity", "allocatable", "taints", "created_at", "observed_at", "ready_since")
    return tuple(
        NodeFacts(
            name=node.name,
            pool=node.pool,
            zone=node.zone,
            gpu_model=node.gpu_model,
            gpu_capacity=node.gpu_capacity,
            gpu_allocatable=node.gpu_allocatable,
            physical_gpus=_parse_count(node.labels.get(GPU_COUNT_LABEL, "")),
            is_ready=node.is_ready,
            is_cordoned=node.is_cordoned,
            reasons=tuple(node.reasons),
        )
        for node in nodes
    )


def _parse_count(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _sum_allocated(cluster: Cluster) -> dict[str, int]:
    """`{node: GPUs}` that live, scheduled pods request: a pod that is being deleted holds its GPUs until it is gone."""
    rows = (
        ObservedPod.objects.filter(cluster=cluster, phase__in=LIVE_PHASES, gpu_request__gt=0)
        .exclude(node_name="")
        .values("node_name")
        .annotate(gpus=Sum("gpu_request"))
        .values_list("node_name", "gpus")
    )
    return dict(rows.order_by())


def _list_holders(cluster: Cluster, namespaces: Iterable[str] | None) -> dict[PodRef, HolderFacts]:
    pods = ObservedPod.objects.filter(cluster=cluster, phase="Running", gpu_request__gt=0)
    if namespaces is not None:
        pods = pods.filter(namespace__in=list(namespaces))
    rows = pods.values_list("namespace", "name", "node_name", "gpu_request", "started_at", "created_at")
    return {
        PodRef(namespace=namespace, pod=name): HolderFacts(
            pod=PodRef(namespace=namespace, pod=name), node=node, gpus=gpus, started_at=started_at or created_at
        )
        for namespace, name, node, gpus, started_at, created_at in rows
    }


# --- now ---------------------------------------------------------------------------------------------------------------------


def get_gpu_snapshot(cluster: Cluster) -> Reading[GpuSnapshot]:
    """Every device with its readings, conditions and holders. Names pods: for those who may see all of them.

    Without the readings there is no snapshot; what else fails becomes a warning, so that one bad query blanks no page.
    """
    now = timezone.now()

    def fetch(source: Source) -> Answer[GpuSnapshot]:
        readings = source.client.query(promql.device_readings(source.scheme).text, at=now)
        if not readings.samples:
            raise source.no_telemetry()
        conditions, no_conditions = _try_query(source, promql.device_conditions(source.scheme), now)
        holders, no_holders = _try_query(source, promql.device_holders(source.scheme), now)
        xids, no_xids = _try_query(source, promql.device_recent_xids(source.scheme), now)
        snapshot = assembly.build_snapshot(
            readings.samples, conditions=conditions.samples, holders=holders.samples, xids=xids.samples
        )
        return Answer(value=snapshot, warnings=(*readings.warnings, *no_conditions, *no_holders, *no_xids))

    return ask(cluster, "gpu_snapshot", now=now, fetch=fetch)


def _try_query(source: Source, query: Query, now: datetime) -> tuple[Vector, tuple[str, ...]]:
    """The samples, or none and a warning that says which part is missing and why."""
    try:
        vector = source.client.query(query.text, at=now)
    except PrometheusError as error:
        return Vector(samples=()), (f"{query.name.replace('_', ' ')} missing: {error.message}",)
    return vector, vector.warnings


def get_heat_strip(cluster: Cluster) -> HeatStrip:
    """The strip of all GPU nodes, in the order of pools and names."""
    telemetry = get_gpu_snapshot(cluster)
    idle = _read_idle(cluster, namespaces=None)
    nodes = _list_node_facts(cluster)
    return HeatStrip(
        strips=build_strips(
            nodes,
            devices=telemetry.value.by_node() if isinstance(telemetry, Telemetry) else {},
            idle=idle.value.devices if isinstance(idle, Telemetry) else frozenset(),
            allocated=_sum_allocated(cluster),
        ),
        telemetry=telemetry,
        idle=idle.map(_pods_of) if isinstance(idle, Telemetry) else idle,
    )


def get_cluster_totals(cluster: Cluster) -> Reading[ClusterTotals]:
    """The figures over all devices: the sums of the very snapshot that the heat strip shows, and allocation by requests."""
    now = timezone.now()
    snapshot = get_gpu_snapshot(cluster)
    if not isinstance(snapshot, Telemetry):
        return snapshot

    def fetch(source: Source) -> Answer[Vector]:
        vector = source.client.query(promql.cluster_allocation().text, at=now)
        return Answer(value=vector, warnings=vector.warnings)

    allocation = ask(cluster, "cluster_allocation", now=now, fetch=fetch)
    samples = allocation.value.samples if isinstance(allocation, Telemetry) else ()
    return snapshot.map(lambda value: assembly.build_totals(value, samples))


def list_node_usage(cluster: Cluster) -> Reading[Mapping[str, NodeUsage]]:
    """`{node: usage}` of the nodes that report something."""
    now = timezone.now()

    def fetch(source: Source) -> Answer[Mapping[str, NodeUsage]]:
        vector = source.client.query(promql.node_usage(source.scheme).text, at=now)
        if not vector.samples:
            raise source.no_telemetry()
        return Answer(value=assembly.build_node_usage(vector.samples), warnings=vector.warnings)

    return ask(cluster, "node_usage", now=now, fetch=fetch)


def list_node_problems(cluster: Cluster) -> Reading[tuple[NodeProblem, ...]]:
    """Unhealthy nodes with their reasons, as metrics see them; empty when all are well."""
    now = timezone.now()

    def fetch(source: Source) -> Answer[tuple[NodeProblem, ...]]:
        vector = source.client.query(promql.node_problems(source.scheme).text, at=now)
        return Answer(value=assembly.build_node_problems(vector.samples), warnings=vector.warnings)

    return ask(cluster, "node_problems", now=now, fetch=fetch)


def list_idle_pods(cluster: Cluster, *, namespaces: frozenset[str] | None = None) -> Reading[tuple[IdlePod, ...]]:
    """Pods with GPUs that were idle for the whole window, the largest first, and pods whose GPUs report nothing."""
    reading = _read_idle(cluster, namespaces=namespaces)
    return reading.map(_pods_of) if isinstance(reading, Telemetry) else reading


def _pods_of(report: IdleReport) -> tuple[IdlePod, ...]:
    return report.pods


def _read_idle(cluster: Cluster, *, namespaces: frozenset[str] | None) -> Reading[IdleReport]:
    now = timezone.now()

    def fetch(source: Source) -> Answer[IdleReport]:
        vector = source.client.query(promql.idle_evidence(source.scheme, namespaces=namespaces).text, at=now)
        report = judge_idle(
            assembly.build_evidence(vector.samples),
            holders=_list_holders(cluster, namespaces),
            now=now,
            thresholds=DEFAULT_THRESHOLDS,
        )
        return Answer(value=report, warnings=vector.warnings)

    return ask(
        cluster, "idle_evidence", now=now, fetch=fetch, variant=_variant(namespaces), fresh_seconds=IDLE_FRESH_SECONDS
    )


# --- over time ---------------------------------------------------------------------------------------------------------------


def get_cluster_history(cluster: Cluster, *, span: TimeRange) -> Reading[History]:
    """Lines `used_ratio`, `memory_used_ratio`, `allocated_gpus`, `total_gpus`."""
    names = {"used": "used_ratio", "memory": "memory_used_ratio", "allocated": "allocated_gpus", "total": "total_gpus"}
    return ask_range(
        cluster,
        span=span,
        now=timezone.now(),
        name="cluster_history",
        query=promql.cluster_history,
        name_line=lambda labels: names.get(labels.get(promql.FIGURE, "")),
        convert=lambda line, value: value / 100 if line == "used_ratio" else value,
    )


def get_queue_history(
    cluster: Cluster, *, queue_names: Sequence[str], resource: str = "nvidia.com/gpu", span: TimeRange
) -> Reading[History]:
    """Lines `used`, `min`, `max`, `pending` of these ClusterQueues together; an unlimited max is a gap.

    Units: those of Kubernetes (cores, bytes, cards); `pending` counts workloads.
    """
    return ask_range(
        cluster,
        span=span,
        now=timezone.now(),
        name="queue_history",
        variant=_variant([*queue_names, resource]),
        query=lambda scheme: promql.queue_history(queue_names, resource),
        name_line=lambda labels: labels.get(promql.FIGURE),
    )


def get_namespace_history(cluster: Cluster, *, namespaces: frozenset[str] | None, span: TimeRange) -> Reading[History]:
    """A line of allocated GPUs per namespace."""
    return ask_range(
        cluster,
        span=span,
        now=timezone.now(),
        name="namespace_history",
        variant=_variant(namespaces),
        query=lambda scheme: promql.namespace_history(namespaces=namespaces),
        name_line=lambda labels: labels.get("namespace"),
    )


def get_node_history(cluster: Cluster, *, node: str, span: TimeRange) -> Reading[History]:
    """A line of the used ratio per GPU of a node: `GPU 0`, or `GPU 0/1` for a MIG instance."""

    def name_line(labels: Mapping[str, str]) -> str:
        instance = labels.get("GPU_I_ID", "")
        return f"GPU {labels.get('gpu', '')}" + (f"/{instance}" if instance else "")

    return ask_range(
        cluster,
        span=span,
        now=timezone.now(),
        name="node_history",
        variant=node,
        query=lambda scheme: promql.node_history(node, scheme),
        name_line=name_line,
        convert=lambda line, value: value / 100,
    )


def get_pods_history(cluster: Cluster, *, namespace: str, pods: Sequence[str], span: TimeRange) -> Reading[History]:
    """A line of the used ratio per pod. The caller has checked that the viewer may see the namespace."""
    return ask_range(
        cluster,
        span=span,
        now=timezone.now(),
        name="pods_history",
        variant=_variant([namespace, *pods]),
        query=lambda scheme: promql.pods_history(namespace, pods, scheme),
        name_line=lambda labels: labels.get("pod"),
        convert=lambda line, value: value / 100,
    )


def _variant(names: Iterable[str] | None) -> str:
    """What tells one choice of names from another in a cache key; "all" is no choice of names."""
    return "all" if names is None else hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def list_source_ids() -> list[int]:
    """The primary keys of all metrics sources."""
    return list(PrometheusSource.objects.order_by("pk").values_list("pk", flat=True))
