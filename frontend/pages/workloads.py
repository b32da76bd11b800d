"""What the pages of workloads show: who runs, who waits and why, and the story of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from accounts.models import User
from aidashboard.kit.quantity import format_amount
from clusters.models import Cluster, ObservedWorkload, WorkloadState
from frontend.chips import Chip, build_workload_chip
from frontend.pages.links import build_url, join_words, link
from frontend.pages.readings import SourceState, describe_reading
from frontend.svg.sparkline import draw_sparkline
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of, describe_duration, format_number
from monitoring import selectors as monitoring
from monitoring.domain.ranges import TimeRange
from monitoring.domain.telemetry import Telemetry
from workloads import selectors
from workloads.domain.explain import Explanation
from workloads.domain.views import Step, TimelineStep, WorkloadDetail, WorkloadPod, WorkloadRow
from workloads.placement import narrow_to_unplaced

CSV_HEADER: Final = (
    "cluster", "namespace", "name", "kind", "quota", "person", "gpus", "state", "reason", "message", "position", "created_at",
    "queued_at", "admitted_at", "finished_at", "evictions",
)  # fmt: skip
# What a person asks for, and the states of Kueue that it stands for.
GROUPS: Final[Mapping[str, tuple[WorkloadState, ...]]] = {
    "waiting": (WorkloadState.PENDING, WorkloadState.EVICTED, WorkloadState.RESERVED),
    "running": (WorkloadState.ADMITTED,),
    "failed": (WorkloadState.FAILED,),
    "finished": (WorkloadState.FINISHED,),
}
GROUP_LABELS: Final = {"waiting": "Waiting", "running": "Running", "failed": "Failed", "finished": "Finished"}
WAITING: Final = GROUPS["waiting"]
# Part of those that run by Kueue's word: admitted, and without a node for all of their pods.
UNPLACED: Final = "unplaced"
_ORDERINGS: Final = {
    "name": "name", "namespace": "namespace", "person": "submitted_by", "gpus": "gpu_request", "state": "state",
    "state_since": "state_since", "priority": "priority",
}  # fmt: skip
SORTABLE: Final = tuple(_ORDERINGS)
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
_POD_TONES: Final = {
    "Running": ("good", "player-play"),
    "Pending": ("warn", "hourglass"),
    "Succeeded": ("plain", "check"),
    "Failed": ("bad", "x"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadLine:
    """One line of the list: `time_word` says what the time in the state means, `why` what stands in the way."""

    row: WorkloadRow
    chip: Chip
    url: str
    quota_url: str
    time_word: str
    seconds: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadList:
    sentence: SafeString
    cluster: Cluster
    table: TableQuery
    columns: tuple[Column, ...]
    chips: tuple[FilterChip, ...]
    paging: Paging[ObservedWorkload]
    rows: tuple[WorkloadLine, ...]
    has_workloads: bool
    is_admin: bool
    refresh_url: str


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
    cluster_pk: int
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
    refresh_url: str


def build_workload_list(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> WorkloadList:
    counts = selectors.count_by_state(viewer=viewer, cluster=cluster)
    grouped = {name: sum(counts[state] for state in states) for name, states in GROUPS.items()}
    unplaced = narrow_to_unplaced(selectors.list_workloads(viewer=viewer, cluster=cluster)).count()
    paging: Paging[ObservedWorkload] = table.paginate(_list(table, cluster=cluster, viewer=viewer))
    return WorkloadList(
        sentence=_describe(grouped, paging.total, table),
        cluster=cluster,
        table=table,
        columns=table.columns(
            (
                Column(label="Workload", key="name"),
                Column(label="Quota"),
                Column(label="Person", key="person"),
                Column(label="GPUs", key="gpus", is_number=True),
                Column(label="State", key="state"),
                Column(label="Since", key="state_since"),
                Column(label="Evictions", is_number=True, help="How often it lost its quota to others"),
            )
        ),
        chips=(
            *table.chips("state", {**GROUP_LABELS, UNPLACED: "Without a place"}, {**grouped, UNPLACED: unplaced}),
            *_build_filter_chips(table),
        ),
        paging=paging,
        rows=build_lines(paging.rows, viewer=viewer, now=now),
        has_workloads=any(grouped.values()),
        is_admin=viewer.is_admin,
        refresh_url=table.url(page=table.page_number if table.page_number > 1 else None),
    )


def build_lines(workloads: Sequence[ObservedWorkload], *, viewer: User, now: datetime) -> tuple[WorkloadLine, ...]:
    """The lines of any list of workloads, in its order, each waiting one with its reason in plain words."""
    explanations = selectors.explain_workloads(workloads, viewer=viewer)
    return tuple(_build_line(row, explanations.get(row.uid), now=now) for row in selectors.build_rows(workloads))


def list_csv_rows(table: TableQuery, *, cluster: Cluster, viewer: User) -> Iterator[tuple[object, ...]]:
    workloads = list(_list(table, cluster=cluster, viewer=viewer))
    for start in range(0, len(workloads), 500):
        for row in selectors.build_rows(workloads[start : start + 500]):
            yield (
                row.cluster, row.namespace, row.name, row.kind, row.leaf.path if row.leaf else "", row.submitted_by, row.gpus,
                row.state, row.reason, row.message, row.position, row.created_at, row.queued_at, row.admitted_at,
                row.finished_at, row.evictions,
            )  # fmt: skip


def build_workload_detail(
    detail: WorkloadDetail, *, viewer: User, cluster: Cluster, url: str, now: datetime
) -> WorkloadPage:
    row = detail.row
    is_final = row.state in {WorkloadState.FINISHED, WorkloadState.FAILED}
    lines, source = _build_pods(detail, cluster=cluster, is_final=is_final, links_nodes=viewer.is_admin)
    return WorkloadPage(
        row=row,
        cluster_pk=cluster.pk,
        chip=_build_chip(row, detail.explanation),
        sentence=_tell(row, detail.explanation, now=now),
        list_url=build_url("workloads:workload-list", cluster=row.cluster),
        quota_url=_quota_url(row),
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
        refresh_url=url,
    )


# --- the list ----------------------------------------------------------------------------------------------------------------


def _list(table: TableQuery, *, cluster: Cluster, viewer: User) -> QuerySet[ObservedWorkload]:
    sign = "-" if table.sort.startswith("-") else ""
    found = selectors.list_workloads(
        viewer=viewer,
        cluster=cluster,
        state=[state.value for state in GROUPS.get(table.get("state"), ())],
        namespace=table.get("namespace"),
        queue=table.get("queue"),
        user=table.get("person"),
        search=table.search,
        has_gpu=True if table.get("gpus") == "yes" else None,
        ordering=f"{sign}{_ORDERINGS[table.sort.removeprefix('-')]}",
    )
    return narrow_to_unplaced(found) if table.get("state") == UNPLACED else found


def _build_filter_chips(table: TableQuery) -> tuple[FilterChip, ...]:
    """What the address narrows by besides the state, each to be taken away."""
    words = {"namespace": "namespace", "queue": "quota", "person": "by"}
    return tuple(
        FilterChip(label=f"{word} {table.get(name)}", url=table.url(**{name: None}), is_on=True)
        for name, word in words.items()
        if table.get(name)
    )


def _build_line(row: WorkloadRow, explanation: Explanation | None, *, now: datetime) -> WorkloadLine:
    return WorkloadLine(
        row=row,
        chip=_build_chip(row, explanation),
        url=build_url("workloads:workload-detail", row.uid),
        quota_url=_quota_url(row),
        time_word=_time_word(row),
        seconds=_seconds_in_state(row, now=now),
        why=explanation.sentence if explanation else row.message if row.state == WorkloadState.FAILED else "",
    )


def _build_chip(row: WorkloadRow, explanation: Explanation | None) -> Chip:
    if row.state == WorkloadState.ADMITTED and not _has_all_pods(row):
        run = f"{row.pods.running} of {count_of(row.pod_count, 'pod')} {'runs' if row.pod_count == 1 else 'run'}"
        return Chip(
            label="Starting", tone="busy", icon="loader-2", since=row.since,
            reason=f"It has its quota; {run}. The others are being made, or no node has room for them.",
        )  # fmt: skip
    reason = explanation.sentence if explanation else row.message
    facts = [("Kueue says", row.reason)] if row.reason else []
    if row.position is not None:
        facts.append(("place in queue", str(row.position)))
    return build_workload_chip(row.state, reason=reason, since=row.since, facts=tuple(facts))


def _has_all_pods(row: WorkloadRow) -> bool:
    return row.pods.running + row.pods.succeeded >= row.pod_count


def _time_word(row: WorkloadRow) -> str:
    if row.state in WAITING:
        return "waits"
    if row.state == WorkloadState.ADMITTED and not _has_all_pods(row):
        return "starts for"
    return {
        WorkloadState.ADMITTED.value: "runs",
        WorkloadState.FINISHED.value: "ran",
        WorkloadState.FAILED.value: "ran",
    }.get(row.state, "")


def _seconds_in_state(row: WorkloadRow, *, now: datetime) -> int | None:
    if row.run_seconds is not None:
        return int(row.run_seconds)
    start = row.queued_at or row.created_at if row.state in WAITING else row.admitted_at or row.since
    return None if start is None else max(0, int((now - start) / timedelta(seconds=1)))


def _quota_url(row: WorkloadRow) -> str:
    if row.leaf is None:
        return ""
    return build_url("quotas:node-detail", row.leaf.tree_id, row.leaf.node_id)


def _describe(grouped: Mapping[str, int], total: int, table: TableQuery) -> SafeString:
    if not any(grouped.values()):
        return join_words(["No workload was seen yet."])
    parts = [
        link(f"{format_number(grouped[name])} {word}", table.url(state=name))
        for name, word in (
            ("running", "running"),
            ("waiting", "waiting"),
            ("failed", "failed"),
            ("finished", "finished"),
        )
    ]
    sentence = join_words([join_words(parts), "."], "")
    narrowed = table.search or any(table.get(name) for name in ("namespace", "queue", "person", "state"))
    return join_words([sentence, f" {count_of(total, 'workload')} shown."], "") if narrowed else sentence


# --- one ---------------------------------------------------------------------------------------------------------------------


def _tell(row: WorkloadRow, explanation: Explanation | None, *, now: datetime) -> str:
    """The state as a sentence."""
    seconds = _seconds_in_state(row, now=now)
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
            if step.at is None and not (step.step == Step.PODS_READY and _has_all_pods(row))
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
        is_reached = step.at is not None or (step.step == Step.PODS_READY and _has_all_pods(row))
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
    tone, icon = _POD_TONES.get(pod.phase, ("plain", "help"))
    label = "Terminating" if pod.is_terminating else pod.phase
    last = next((value for value in reversed(values) if value is not None), None)
    words = "no telemetry" if last is None else f"utilisation over the last hour, now {round(last * 100)}%"
    return PodLine(
        pod=pod,
        chip=Chip(
            label=label, tone="warn" if pod.is_terminating else tone, icon=icon, reason=pod.message or pod.reason
        ),
        node_url=build_url("nodes:node-detail", pod.node, cluster=cluster.name) if links_nodes and pod.node else "",
        sparkline=draw_sparkline(values, top=1.0, words=words),
        used_ratio=last,
    )
