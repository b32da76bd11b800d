"""What the page of one workload shows: its story, why it waits, and what its pods do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.safestring import SafeString

from accounts.models import User
from aidashboard.kit.quantity import format_amount
from clusters.models import Cluster, WorkloadState
from frontend.chips import Chip, build_pod_chip
from frontend.pages.links import build_url
from frontend.pages.readings import SourceState, describe_reading
from frontend.pages.workloads import WAITING, build_chip, has_all_pods, quota_url, seconds_in_state
from frontend.svg.sparkline import draw_sparkline
from frontend.words import count_of, describe_duration
from monitoring import selectors as monitoring
from monitoring.domain.ranges import TimeRange
from monitoring.domain.telemetry import Telemetry
from workloads.domain.explain import Explanation
from workloads.domain.views import Step, TimelineStep, WorkloadDetail, WorkloadPod, WorkloadRow

MOST_SPARKLINES: Final = 64
_STEP_LABELS: Final = {
    Step.CREATED: "Created",
    Step.QUEUED: "Queued",
    Step.RESERVED: "Quota reserved",
    Step.ADMITTED: "Admitted",
    Step.PODS_READY: "Pods ready",
    Step.EVICTED: "Evicted",
    Step.FINISHED: "Finished",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One station of the time line. `note` is the duration before it, or what it waits for."""

    label: str
    at: datetime | None
    note: str
    is_reached: bool
    is_current: bool
    is_trouble: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PodLine:
    pod: WorkloadPod
    chip: Chip
    node_url: str
    sparkline: SafeString
    used_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadPage:
    row: WorkloadRow
    cluster: Cluster
    chip: Chip
    sentence: str
    list_url: str
    quota_url: str
    namespace_url: str
    stations: tuple[Station, ...]
    explanation: Explanation | None
    pods: tuple[PodLine, ...]
    source: SourceState | None
    has_nodes: bool
    requests: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str, str, str, str], ...]
    is_final: bool


def build_workload_detail(detail: WorkloadDetail, *, viewer: User, cluster: Cluster, now: datetime) -> WorkloadPage:
    row = detail.row
    is_final = row.state in {WorkloadState.FINISHED, WorkloadState.FAILED}
    lines, source = _build_pods(detail, cluster=cluster, is_final=is_final, links_nodes=viewer.is_admin)
    return WorkloadPage(
        row=row,
        cluster=cluster,
        chip=build_chip(row, detail.explanation),
        sentence=_tell(row, detail.explanation, now=now),
        list_url=build_url("workloads:workload-list", cluster=row.cluster),
        quota_url=quota_url(row),
        namespace_url=build_url("workloads:workload-list", cluster=row.cluster, namespace=row.namespace),
        stations=_build_stations(detail.timeline, row, now=now),
        explanation=detail.explanation,
        pods=lines,
        source=source,
        has_nodes=viewer.is_admin,
        requests=tuple(
            (resource, format_amount(resource, amount)) for resource, amount in sorted(row.requests.items())
        ),
        conditions=tuple(
            (one.type, one.status, one.reason, one.message, one.since)
            for one in sorted(detail.conditions, key=lambda one: one.since, reverse=True)
        ),
        is_final=is_final,
    )


def _tell(row: WorkloadRow, explanation: Explanation | None, *, now: datetime) -> str:
    """The state as a sentence."""
    seconds = seconds_in_state(row, now=now)
    lasted = describe_duration(seconds) if seconds is not None else ""
    gpus = count_of(row.gpus, "GPU") if row.gpus else "no GPU"
    if row.state in WAITING:
        place = f", place {row.position} in its queue" if row.position else ""
        again = " again" if row.state == WorkloadState.EVICTED else ""
        return f"Has waited{again} {lasted} for {gpus}{place}."
    if row.state == WorkloadState.ADMITTED:
        where = f" on {count_of(len(row.nodes), 'node')}" if row.nodes else ""
        return (
            f"Admitted {lasted} ago with {gpus}{where}; {row.pods.running} of {count_of(row.pod_count, 'pod')} running."
        )
    word = "Failed" if row.state == WorkloadState.FAILED else "Finished"
    return f"{word} after {lasted} with {gpus}. {row.message}".strip()


def _build_stations(steps: Sequence[TimelineStep], row: WorkloadRow, *, now: datetime) -> tuple[Station, ...]:
    """The stations without "quota reserved" when it is the same moment as the admission: nothing happened in between."""
    admitted = next((step.at for step in steps if step.step == Step.ADMITTED), None)
    shown = [
        step
        for step in steps
        if step.step != Step.RESERVED or (step.at is not None and admitted is not None and step.at != admitted)
    ]
    first_ahead = next(
        (
            index
            for index, step in enumerate(shown)
            if step.at is None and not (step.step == Step.PODS_READY and has_all_pods(row))
        ),
        None,
    )
    stations = []
    before: datetime | None = None
    for index, step in enumerate(shown):
        is_current = index == first_ahead
        note = ""
        if step.at is not None and before is not None:
            note = f"after {describe_duration(int((step.at - before).total_seconds()))}"
        elif is_current and before is not None and row.state in WAITING:
            note = f"waiting for {describe_duration(int((now - before).total_seconds()))}"
        elif is_current and before is not None and step.step == Step.PODS_READY:
            note = f"{row.pods.running} of {row.pod_count} running"
        elif is_current and before is not None:
            note = f"running for {describe_duration(int((now - before).total_seconds()))}"
        label = _STEP_LABELS[step.step]
        # Kueue tells when pods were ready only where it is set to wait for them; the pods themselves always tell whether they are.
        is_reached = step.at is not None or (step.step == Step.PODS_READY and has_all_pods(row))
        if step.step == Step.FINISHED and row.state == WorkloadState.FAILED:
            label = "Failed"
        stations.append(
            Station(
                label=label,
                at=step.at,
                note=note,
                is_reached=is_reached,
                is_current=is_current,
                is_trouble=step.step == Step.EVICTED or label == "Failed",
            )
        )
        before = step.at or before
    return tuple(stations)


def _build_pods(
    detail: WorkloadDetail, *, cluster: Cluster, is_final: bool, links_nodes: bool
) -> tuple[tuple[PodLine, ...], SourceState | None]:
    """The pods, with the last hour of their GPUs when they have any and telemetry answers."""
    names = [pod.name for pod in detail.pods if pod.gpus and pod.started_at][:MOST_SPARKLINES]
    lines: Mapping[str, Sequence[float | None]] = {}
    source = None
    if names and not is_final:
        reading = monitoring.get_pods_history(
            cluster, namespace=detail.row.namespace, pods=sorted(names), span=TimeRange.HOUR
        )
        source = describe_reading(reading)
        lines = reading.value.lines if isinstance(reading, Telemetry) else {}
    return tuple(
        _build_pod(pod, lines.get(pod.name, ()), cluster, links_nodes=links_nodes) for pod in detail.pods
    ), source


def _build_pod(pod: WorkloadPod, values: Sequence[float | None], cluster: Cluster, *, links_nodes: bool) -> PodLine:
    last = next((value for value in reversed(values) if value is not None), None)
    words = "no telemetry" if last is None else f"utilisation over the last hour, now {round(last * 100)}%"
    return PodLine(
        pod=pod,
        chip=build_pod_chip(pod.phase, is_terminating=pod.is_terminating, reason=pod.message or pod.reason),
        node_url=build_url("nodes:node-detail", pod.node, cluster=cluster.name) if links_nodes and pod.node else "",
        sparkline=draw_sparkline(values, top=1.0, words=words),
        used_ratio=last,
    )
