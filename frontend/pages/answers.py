"""The four answers of the overview: what is broken, what is free, who wastes, who waits; and the sentence that holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.safestring import SafeString

from clusters.models import Cluster
from frontend.pages.inventory import Inventory
from frontend.pages.links import build_url, join_words, link
from frontend.pages.readings import SourceState
from frontend.svg.histogram import HistogramBar, draw_histogram
from frontend.words import count_of, describe_duration, format_number
from monitoring.domain.gpus import GpuState, PodRef
from workloads.holders import Holder, find_holders
from workloads.placement import Unplaced
from workloads.queues import WaitingQueue

SHOWN: Final = 3


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


def answer_broken(inventory: Inventory, cluster: Cluster) -> Answer:
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


def answer_free(inventory: Inventory, unplaced: Unplaced, cluster: Cluster) -> Answer:
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


def answer_wasted(inventory: Inventory, idle: SourceState, cluster: Cluster) -> Answer:
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


def answer_waiting(queues: Sequence[WaitingQueue], cluster: Cluster, *, now: datetime) -> Answer:
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


def describe_cluster(
    inventory: Inventory, idle: int | None, queues: Sequence[WaitingQueue], cluster: Cluster
) -> SafeString:
    if not inventory.nodes:
        return join_words([f"No GPU was seen in {cluster.name} yet."])
    allocated = link(
        f"{format_number(inventory.allocated)} of {format_number(inventory.gpus)}",
        build_url("nodes:node-list", cluster=cluster.name),
    )
    parts = [join_words([allocated, " GPUs allocated"], "")]
    if idle:
        idle_url = build_url("nodes:gpu-list", cluster=cluster.name, state=GpuState.IDLE.value)
        parts.append(join_words([link(format_number(idle), idle_url), " of them idle for over an hour"], ""))
    waiting = sum(queue.workloads for queue in queues)
    waiting_url = build_url("workloads:workload-list", cluster=cluster.name, state="waiting")
    if waiting:
        tail = join_words([link(count_of(waiting, "job"), waiting_url), f" {'waits' if waiting == 1 else 'wait'}."], "")
    else:
        tail = join_words(["nothing waits."])
    return join_words([join_words(parts), tail], "; ")
