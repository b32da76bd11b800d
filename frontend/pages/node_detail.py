"""What the page of one node shows, and the small card of it in the heat strip."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from aidashboard.kit.quantity import format_amount, is_counted_in_bytes
from clusters import selectors
from clusters.errors import NodeMissingError
from clusters.models import Cluster, ObservedNode, ObservedPod
from frontend.chips import Chip, build_node_chip, build_pod_chip
from frontend.pages.gpus import GpuRow, add_holders, build_gpu_rows
from frontend.pages.inventory import NodeLine
from frontend.pages.links import build_url, join_words, link
from frontend.pages.nodes import build_line_chip, read_heat
from frontend.pages.readings import SourceState
from frontend.svg.sparkline import draw_sparkline
from frontend.words import count_of, format_bytes
from monitoring import selectors as monitoring
from monitoring.domain.gpus import PodRef
from monitoring.domain.ranges import TimeRange
from monitoring.domain.telemetry import Telemetry
from workloads.holders import Holder, find_holders


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuLine:
    gpu: GpuRow
    sparkline: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLine:
    """A pod on the node; `url` leads to its workload when it has one."""

    name: str
    namespace: str
    chip: Chip
    gpus: int
    person: str
    url: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """One resource of the node: all of it, and what pods may ask for."""

    resource: str
    capacity: str
    allocatable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDetail:
    """`line` is None for a node without GPUs."""

    node: ObservedNode
    cluster: Cluster
    line: NodeLine | None
    sentence: SafeString
    chip: Chip
    source: SourceState
    gpus: tuple[GpuLine, ...]
    pods: tuple[PodLine, ...]
    reasons: tuple[str, ...]
    taints: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    amounts: tuple[Amount, ...]
    list_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePeek:
    line: NodeLine
    gpus: tuple[GpuRow, ...]


def build_node_detail(name: str, *, cluster: Cluster) -> NodeDetail:
    """Raises: NodeMissingError (404)."""
    node = selectors.get_node(cluster, name=name)
    heat = read_heat(cluster)
    inventory, source = heat.inventory, heat.source
    line = next((each for each in inventory.nodes if each.name == name), None)
    rows = add_holders(build_gpu_rows(line, cluster), cluster) if line else ()
    history = _read_history(cluster, name) if line and source.is_available else {}
    return NodeDetail(
        node=node,
        cluster=cluster,
        line=line,
        sentence=_describe(node, line, cluster),
        chip=build_line_chip(line) if line else _build_chip(node),
        source=source,
        gpus=tuple(GpuLine(gpu=row, sparkline=_draw_hour(history.get(f"GPU {row.gpu}", ()))) for row in rows),
        pods=_build_pods(selectors.list_pods_on(node), cluster),
        reasons=line.reasons if line else tuple(node.reasons),
        taints=tuple(_format_taint(taint) for taint in node.taints),
        labels=tuple(sorted(node.labels.items())),
        amounts=_build_amounts(node),
        list_url=build_url("nodes:node-list", cluster=cluster.name),
    )


def build_node_peek(name: str, *, cluster: Cluster) -> NodePeek:
    """Raises: NodeMissingError (404)."""
    inventory = read_heat(cluster).inventory
    line = next((each for each in inventory.nodes if each.name == name), None)
    if line is None:
        raise NodeMissingError(f"Cluster {cluster.name} has no GPU node {name!r}.")
    return NodePeek(line=line, gpus=add_holders(build_gpu_rows(line, cluster), cluster))


def _read_history(cluster: Cluster, name: str) -> Mapping[str, Sequence[float | None]]:
    reading = monitoring.get_node_history(cluster, node=name, span=TimeRange.HOUR)
    return reading.value.lines if isinstance(reading, Telemetry) else {}


def _draw_hour(values: Sequence[float | None]) -> SafeString:
    known = [value for value in values if value is not None]
    words = f"utilisation over the last hour, at most {round(max(known) * 100)}%" if known else "no telemetry"
    return draw_sparkline(values, top=1.0, words=words)


def _describe(node: ObservedNode, line: NodeLine | None, cluster: Cluster) -> SafeString:
    where = f" in pool {node.pool}" if node.pool else ""
    zone = f", {node.zone}" if node.zone else ""
    if line is None:
        return join_words([f"No GPU{where}{zone}."])
    model = f" {line.model}" if line.model else ""
    gpus = link(f"{count_of(line.gpus, 'GPU')}", build_url("nodes:gpu-list", cluster=cluster.name, search=line.name))
    used = "" if line.used_ratio is None else f", used to {round(line.used_ratio * 100)}% on average"
    free = f"{line.free} free" if line.is_usable else "takes no work"
    return join_words([gpus, f"{model}{where}{zone}: {line.allocated} allocated, {free}{used}."], "")


def _build_chip(node: ObservedNode) -> Chip:
    return build_node_chip(
        is_ready=node.is_ready, is_cordoned=node.is_cordoned, trouble="Trouble", reasons=node.reasons
    )


def _build_pods(pods: Iterable[ObservedPod], cluster: Cluster) -> tuple[PodLine, ...]:
    rows = {PodRef(namespace=pod.namespace, pod=pod.name): pod for pod in pods}
    holders = find_holders(cluster, rows.keys())
    lines = (_build_pod(pod, holders.get(reference)) for reference, pod in rows.items())
    return tuple(sorted(lines, key=lambda line: (-line.gpus, line.namespace, line.name)))


def _build_pod(pod: ObservedPod, holder: Holder | None) -> PodLine:
    return PodLine(
        name=pod.name,
        namespace=pod.namespace,
        chip=build_pod_chip(pod.phase, is_terminating=pod.is_terminating, reason=pod.message or pod.reason),
        gpus=pod.gpu_request,
        person=holder.person if holder else "",
        url=build_url("workloads:workload-detail", holder.workload_uid) if holder and holder.workload_uid else "",
        started_at=pod.started_at,
    )


def _format_taint(taint: Mapping[str, str]) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key', '')}{value}:{taint.get('effect', '')}"


def _build_amounts(node: ObservedNode) -> tuple[Amount, ...]:
    return tuple(
        Amount(
            resource=f"{resource} (GiB)" if is_counted_in_bytes(resource) else resource,
            capacity=_format(resource, amount),
            allocatable=_format(resource, node.allocatable.get(resource, 0)),
        )
        for resource, amount in sorted(node.capacity.items())
    )


def _format(resource: str, amount: int) -> str:
    return format_bytes(amount) if is_counted_in_bytes(resource) else format_amount(resource, amount)
