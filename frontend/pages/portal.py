"""What a researcher's home shows: what they can start now, how their quotas stand, and how their work does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.safestring import SafeString

from accounts.models import User
from accounts.selectors import list_groups_of
from clusters.models import Cluster
from frontend.pages.links import build_url
from frontend.pages.quotas.bars import draw_usage
from frontend.pages.readings import SourceState, describe_reading
from frontend.pages.workloads import GROUPS, WorkloadLine, build_lines
from frontend.svg.quota_bar import BarSize
from frontend.words import count_of
from monitoring import selectors as monitoring
from monitoring.domain.gpus import IdleClass, IdlePod, PodRef
from monitoring.domain.telemetry import Telemetry
from quotas.selectors import NodeView, list_visible_nodes, visible_namespaces
from workloads import selectors
from workloads.domain.explain import GPU
from workloads.domain.starting import LeafRoom
from workloads.holders import Holder, find_holders

SHOWN_JOBS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaCard:
    """One leaf of the person's groups. `start` is what they can start in it now; `drawing` is None without GPUs in the quota."""

    name: str
    path: str
    group: str
    url: str
    start: str
    drawing: SafeString | None
    words: str
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSection:
    """The newest of the jobs in one state; `count` is all of them, `url` their list."""

    key: str
    title: str
    icon: str
    count: int
    url: str
    rows: tuple[WorkloadLine, ...]
    calm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleLine:
    """A pod of theirs that holds GPUs without using them."""

    name: str
    namespace: str
    person: str
    words: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    name: str
    cluster: Cluster
    sentence: str
    quotas: tuple[QuotaCard, ...]
    groups: tuple[str, ...]
    jobs: tuple[JobSection, ...]
    mine_url: str
    idle: tuple[IdleLine, ...]
    idle_source: SourceState


def build_home(*, cluster: Cluster, viewer: User, now: datetime) -> Home:
    options = selectors.get_start_options(viewer=viewer, cluster=cluster)
    nodes = {node.id: node for node in list_visible_nodes(viewer, cluster=cluster)}
    namespaces = visible_namespaces(viewer, cluster)
    idle = monitoring.list_idle_pods(cluster, namespaces=namespaces)
    return Home(
        name=viewer.shown_name,
        cluster=cluster,
        sentence=options.sentence,
        quotas=tuple(
            _build_quota(room, nodes.get(room.node_id), free_gpus=options.free_gpus) for room in options.leaves
        ),
        groups=tuple(group.name for group in list_groups_of(viewer)),
        jobs=_build_jobs(viewer, cluster, now=now),
        mine_url=build_url("workloads:workload-list", cluster=cluster.name, person=viewer.username),
        idle=_build_idle(idle.value, cluster) if isinstance(idle, Telemetry) else (),
        idle_source=describe_reading(idle),
    )


def _build_quota(room: LeafRoom, node: NodeView | None, *, free_gpus: int) -> QuotaCard:
    usage = node.usage.resources.get(GPU) if node and node.usage else None
    ceiling = "no ceiling" if room.max_gpus is None else f"at most {room.max_gpus}"
    waits = f", {room.pending_gpus} waiting" if room.pending_gpus else ""
    return QuotaCard(
        name=room.name,
        path=room.path,
        group=(node.group or "") if node else "",
        url=build_url("quotas:node-detail", node.tree_id, node.id) if node else build_url("quotas:quota-list"),
        start=_describe_room(room, free_gpus=free_gpus),
        drawing=draw_usage(room.name, usage, size=BarSize.HEADER) if usage else None,
        words=f"{room.used_gpus} used, {room.min_gpus} guaranteed, {ceiling}{waits}",
        namespaces=room.namespaces,
    )


def _describe_room(room: LeafRoom, *, free_gpus: int) -> str:
    if not room.startable:
        return "Full: new work waits."
    if room.startable > free_gpus:
        kind = "guaranteed" if not room.can_borrow else f"{room.free_within_min} of them guaranteed"
        kind = kind if room.free_within_min else "all of them borrowed"
        free = f"{free_gpus} {'is' if free_gpus == 1 else 'are'} free in the cluster now"
        return f"Room for {count_of(room.startable, 'GPU')}, {kind}; {free}."
    if not room.can_borrow:
        return f"{count_of(room.free_within_min, 'GPU')} can start, guaranteed."
    if not room.free_within_min:
        return f"{count_of(room.can_borrow, 'GPU')} can start, all borrowed and open to reclaim."
    return (
        f"{count_of(room.startable, 'GPU')} can start: {room.free_within_min} guaranteed, {room.can_borrow} borrowed."
    )


def _build_jobs(viewer: User, cluster: Cluster, *, now: datetime) -> tuple[JobSection, ...]:
    counts = selectors.count_by_state(viewer=viewer, cluster=cluster)
    sections = (
        ("running", "Running", "player-play", "Nothing of your groups runs."),
        ("waiting", "Waiting", "hourglass", "Nothing of your groups waits."),
        ("failed", "Failed", "x", "Nothing failed."),
    )
    built = []
    for key, title, icon, calm in sections:
        states = GROUPS[key]
        rows = selectors.list_workloads(
            viewer=viewer, cluster=cluster, state=[state.value for state in states], ordering="-state_since"
        )[:SHOWN_JOBS]
        built.append(
            JobSection(
                key=key,
                title=title,
                icon=icon,
                count=sum(counts[state] for state in states),
                url=build_url("workloads:workload-list", cluster=cluster.name, state=key),
                rows=build_lines(list(rows), viewer=viewer, now=now),
                calm=calm,
            )
        )
    return tuple(built)


def _build_idle(pods: tuple[IdlePod, ...], cluster: Cluster) -> tuple[IdleLine, ...]:
    idle = [pod for pod in pods if pod.idle_class != IdleClass.NO_TELEMETRY]
    holders = find_holders(cluster, {PodRef(namespace=pod.namespace, pod=pod.pod) for pod in idle})
    return tuple(_build_idle_line(pod, holders.get(PodRef(namespace=pod.namespace, pod=pod.pod))) for pod in idle)


def _build_idle_line(pod: IdlePod, holder: Holder | None) -> IdleLine:
    kept = ", memory kept" if pod.idle_class == IdleClass.IDLE_HELD else ""
    return IdleLine(
        name=holder.name if holder else pod.pod,
        namespace=pod.namespace,
        person=holder.person if holder else "",
        words=f"{pod.idle_gpus} of {count_of(pod.gpus, 'GPU')} idle for over {pod.window_minutes} min{kept}",
        url=build_url("workloads:workload-detail", holder.workload_uid) if holder and holder.workload_uid else "",
    )
