"""What lists of workloads show: who runs, who waits and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils.safestring import SafeString

from accounts.models import User
from aidashboard.kit.errors import InvalidError
from clusters.models import Cluster, ObservedWorkload, WorkloadState
from frontend.chips import Chip, build_workload_chip
from frontend.pages.links import build_url, join_words, link
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of, format_number
from workloads import selectors
from workloads.domain.explain import Explanation
from workloads.domain.views import WorkloadRow
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


def build_workload_list(table: TableQuery, *, cluster: Cluster, viewer: User, now: datetime) -> WorkloadList:
    found = _find(table, cluster=cluster, viewer=viewer)
    # Of what the other filters leave: following a number must lead to as many rows.
    counts = selectors.count_states(found)
    grouped = {name: sum(counts[state] for state in states) for name, states in GROUPS.items()}
    paging: Paging[ObservedWorkload] = table.paginate(_choose_state(found, table))
    has_workloads = any(grouped.values()) or selectors.list_workloads(viewer=viewer, cluster=cluster).exists()
    return WorkloadList(
        sentence=_describe(grouped, paging.total, table, has_workloads=has_workloads),
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
            *table.chips(
                "state",
                {**GROUP_LABELS, UNPLACED: "Without a place"},
                {**grouped, UNPLACED: narrow_to_unplaced(found).count()},
            ),
            *_build_filter_chips(table),
        ),
        paging=paging,
        rows=build_lines(paging.rows, viewer=viewer, now=now),
        has_workloads=has_workloads,
        is_admin=viewer.is_admin,
    )


def build_lines(workloads: Sequence[ObservedWorkload], *, viewer: User, now: datetime) -> tuple[WorkloadLine, ...]:
    """The lines of any list of workloads, in its order, each waiting one with its reason in plain words."""
    explanations = selectors.explain_workloads(workloads, viewer=viewer)
    return tuple(_build_line(row, explanations.get(row.uid), now=now) for row in selectors.build_rows(workloads))


def list_csv_rows(table: TableQuery, *, cluster: Cluster, viewer: User) -> Iterator[tuple[object, ...]]:
    workloads = list(_choose_state(_find(table, cluster=cluster, viewer=viewer), table))
    for start in range(0, len(workloads), 500):
        for row in selectors.build_rows(workloads[start : start + 500]):
            yield (
                row.cluster, row.namespace, row.name, row.kind, row.leaf.path if row.leaf else "", row.submitted_by, row.gpus,
                row.state, row.reason, row.message, row.position, row.created_at, row.queued_at, row.admitted_at,
                row.finished_at, row.evictions,
            )  # fmt: skip


def _find(table: TableQuery, *, cluster: Cluster, viewer: User) -> QuerySet[ObservedWorkload]:
    """What the filters leave, whatever its state."""
    sign = "-" if table.sort.startswith("-") else ""
    return selectors.list_workloads(
        viewer=viewer,
        cluster=cluster,
        namespace=table.get("namespace"),
        queue=table.get("queue"),
        user=table.get("person"),
        search=table.search,
        ordering=f"{sign}{_ORDERINGS[table.sort.removeprefix('-')]}",
    )


def _choose_state(found: QuerySet[ObservedWorkload], table: TableQuery) -> QuerySet[ObservedWorkload]:
    """Those in the chosen group of states; all when none is chosen.

    Raises: InvalidError for a group that does not exist: showing everything would be a lie about the filter.
    """
    chosen = table.get("state")
    if not chosen:
        return found
    if chosen == UNPLACED:
        return narrow_to_unplaced(found)
    if chosen not in GROUPS:
        raise InvalidError(f"state {chosen!r} is none of {', '.join([*GROUPS, UNPLACED])}")
    return found.filter(state__in=GROUPS[chosen])


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
        chip=build_chip(row, explanation),
        url=build_url("workloads:workload-detail", row.uid),
        quota_url=quota_url(row),
        time_word=_time_word(row),
        seconds=seconds_in_state(row, now=now),
        why=explanation.sentence if explanation else row.message if row.state == WorkloadState.FAILED else "",
    )


def build_chip(row: WorkloadRow, explanation: Explanation | None) -> Chip:
    if row.state == WorkloadState.ADMITTED and not has_all_pods(row):
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


def has_all_pods(row: WorkloadRow) -> bool:
    return row.pods.running + row.pods.succeeded >= row.pod_count


def _time_word(row: WorkloadRow) -> str:
    if row.state in WAITING:
        return "waits"
    if row.state == WorkloadState.ADMITTED and not has_all_pods(row):
        return "starts for"
    return {
        WorkloadState.ADMITTED.value: "runs",
        WorkloadState.FINISHED.value: "ran",
        WorkloadState.FAILED.value: "ran",
    }.get(row.state, "")


def seconds_in_state(row: WorkloadRow, *, now: datetime) -> int | None:
    """How long it has been waiting or running, or ran; None for what ended without having run."""
    if row.finished_at is not None:
        return None if row.run_seconds is None else int(row.run_seconds)
    start = row.queued_at or row.created_at if row.state in WAITING else row.admitted_at or row.since
    return None if start is None else max(0, int((now - start) / timedelta(seconds=1)))


def quota_url(row: WorkloadRow) -> str:
    if row.leaf is None:
        return ""
    return build_url("quotas:node-detail", row.leaf.tree_id, row.leaf.node_id)


def _describe(grouped: Mapping[str, int], total: int, table: TableQuery, *, has_workloads: bool) -> SafeString:
    if not has_workloads:
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
