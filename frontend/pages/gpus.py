"""What the list of GPUs shows: a row per card, with who holds it. The numbers are those of `inventory`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.utils.safestring import SafeString

from clusters.models import Cluster
from frontend.pages.inventory import Inventory, NodeLine
from frontend.pages.links import build_url, join_words, link
from frontend.pages.nodes import node_url, read_heat, to_heat_cells
from frontend.pages.readings import SourceState
from frontend.svg.heat_strip import STATE_WORDS, draw_cells
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of, format_number
from monitoring.domain.gpus import GpuState, PodRef
from monitoring.domain.strips import GpuCell
from workloads.holders import Holder, find_holders

CSV_HEADER: Final = (
    "node", "gpu", "uuid", "model", "state", "why", "used_ratio", "memory_used_bytes", "memory_total_bytes", "power_watts",
    "temperature_celsius", "pods",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderLink:
    """A pod that holds a card, with the person and the workload behind it when they are known."""

    pod: str
    person: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRow:
    """One card. Figures are None when nothing reports them."""

    node: str
    node_url: str
    gpu: str
    uuid: str
    model: str
    state: GpuState
    word: str
    why: str
    drawing: SafeString
    used_ratio: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    power_watts: float | None
    temperature_celsius: float | None
    pods: tuple[PodRef, ...]
    holders: tuple[HolderLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card with its node, before it is put into words: thousands are filtered and sorted, and some fifty shown."""

    node: NodeLine
    cell: GpuCell


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuList:
    sentence: SafeString
    cluster: Cluster
    source: SourceState
    table: TableQuery
    columns: tuple[Column, ...]
    chips: tuple[FilterChip, ...]
    paging: Paging[Card]
    rows: Sequence[GpuRow]
    has_gpus: bool


_GPU_KEYS: Final[dict[str, Callable[[Card], Any]]] = {  # Any: whatever compares; what is not known comes first
    "state": lambda card: tuple(GpuState).index(card.cell.state),
    "used": lambda card: _known(card, "used_ratio"),
    "memory": lambda card: _known(card, "memory_used_bytes"),
    "power": lambda card: _known(card, "power_watts"),
    "temperature": lambda card: _known(card, "temperature_celsius"),
    "pod": lambda card: card.cell.device.pods if card.cell.device else (),
    "model": lambda card: card.node.model,
}
SORTABLE: Final = ("node", *_GPU_KEYS)


def build_gpu_list(table: TableQuery, *, cluster: Cluster) -> GpuList:
    heat = read_heat(cluster)
    inventory, source = heat.inventory, heat.source
    everything = _list_cards(inventory)
    found = _sort_gpus(_filter_gpus(everything, table), table)
    paging: Paging[Card] = table.paginate(found)
    counts = Counter(card.cell.state.value for card in _filter_gpus(everything, table, by_state=False))
    return GpuList(
        sentence=_describe_gpus(found, everything, table),
        cluster=cluster,
        source=source,
        table=table,
        columns=table.columns(
            (
                Column(label="GPU", key="node"),
                Column(label="Model", key="model"),
                Column(label="State", key="state"),
                Column(label="Used", key="used", is_number=True, unit="%", help="Utilisation by DCGM: some kernel ran"),
                Column(label="Memory", key="memory", is_number=True, unit="GiB"),
                Column(label="Power", key="power", is_number=True, unit="W"),
                Column(label="Temperature", key="temperature", is_number=True, unit="°C"),
                Column(label="Held by", key="pod"),
            )
        ),
        chips=table.chips("state", {state.value: STATE_WORDS[state].capitalize() for state in GpuState}, counts),
        paging=paging,
        rows=add_holders([_build_gpu_row(card.node, card.cell, cluster) for card in paging.rows], cluster),
        has_gpus=bool(everything),
    )


def list_csv_rows(table: TableQuery, *, cluster: Cluster) -> Iterator[tuple[object, ...]]:
    cards = _list_cards(read_heat(cluster).inventory)
    for card in _sort_gpus(_filter_gpus(cards, table), table):
        row = _build_gpu_row(card.node, card.cell, cluster)
        yield (
            row.node,
            row.gpu,
            row.uuid,
            row.model,
            row.state.value,
            row.why,
            row.used_ratio,
            row.memory_used_bytes,
            row.memory_total_bytes,
            row.power_watts,
            row.temperature_celsius,
            _name_pods(card.cell),
        )


def build_gpu_rows(node: NodeLine, cluster: Cluster) -> tuple[GpuRow, ...]:
    return tuple(_build_gpu_row(node, cell, cluster) for cell in node.cells)


def _build_gpu_row(node: NodeLine, cell: GpuCell, cluster: Cluster) -> GpuRow:
    device = cell.device
    return GpuRow(
        node=node.name,
        node_url=node_url(node.name, cluster),
        gpu=f"{cell.gpu}/{device.mig_instance}" if device and device.is_mig else cell.gpu,
        uuid=device.uuid if device else "",
        model=(device.model if device else "") or node.model,
        state=cell.state,
        word=STATE_WORDS[cell.state],
        why=cell.why,
        drawing=draw_cells(to_heat_cells([cell])),
        used_ratio=device.used_ratio if device else None,
        memory_used_bytes=device.memory_used_bytes if device else None,
        memory_total_bytes=device.memory_total_bytes if device else None,
        power_watts=device.power_watts if device else None,
        temperature_celsius=device.temperature_celsius if device else None,
        pods=device.pods if device else (),
    )


def _list_cards(inventory: Inventory) -> list[Card]:
    return [Card(node=node, cell=cell) for node in inventory.nodes for cell in node.cells]


def _filter_gpus(cards: Sequence[Card], table: TableQuery, *, by_state: bool = True) -> list[Card]:
    state, search = table.get("state") if by_state else "", table.search.lower()
    return [
        card
        for card in cards
        if (not state or card.cell.state.value == state) and (not search or search in _search_text(card))
    ]


def _search_text(card: Card) -> str:
    uuid = card.cell.device.uuid if card.cell.device else ""
    return f"{card.node.name} {card.node.model} {uuid} {_name_pods(card.cell)}".lower()


def _name_pods(cell: GpuCell) -> str:
    return " ".join(f"{pod.namespace}/{pod.pod}" for pod in cell.device.pods) if cell.device else ""


def _known(card: Card, figure: str) -> tuple[bool, float]:
    """A figure for sorting: what is not reported stands below every number."""
    value: float | None = getattr(card.cell.device, figure) if card.cell.device else None
    return (False, 0.0) if value is None else (True, value)


def add_holders(rows: Sequence[GpuRow], cluster: Cluster) -> tuple[GpuRow, ...]:
    """The rows with the workload and the person behind each pod; asked for the rows that are shown, not for thousands."""
    holders = find_holders(cluster, {pod for row in rows for pod in row.pods})
    return tuple(replace(row, holders=tuple(_build_holder(pod, holders.get(pod)) for pod in row.pods)) for row in rows)


def _build_holder(pod: PodRef, holder: Holder | None) -> HolderLink:
    url = build_url("workloads:workload-detail", holder.workload_uid) if holder and holder.workload_uid else ""
    return HolderLink(pod=f"{pod.namespace}/{pod.pod}", person=holder.person if holder else "", url=url)


def _sort_gpus(cards: Sequence[Card], table: TableQuery) -> list[Card]:
    key, is_down = table.sort.removeprefix("-"), table.sort.startswith("-")
    if key not in _GPU_KEYS:
        return list(reversed(cards)) if is_down else list(cards)
    return sorted(cards, key=_GPU_KEYS[key], reverse=is_down)


def _describe_gpus(found: Sequence[Card], everything: Sequence[Card], table: TableQuery) -> SafeString:
    if not everything:
        return join_words(["No GPU was seen in this cluster."])
    counts: Mapping[GpuState, int] = Counter(card.cell.state for card in found)
    head = (
        count_of(len(found), "GPU")
        if len(found) == len(everything)
        else f"{format_number(len(found))} of {count_of(len(everything), 'GPU')}"
    )
    parts = [
        link(f"{format_number(counts[state])} {STATE_WORDS[state]}", table.url(state=state.value))
        for state in GpuState
        if counts[state]
    ]
    return join_words([head, ": ", join_words(parts), "."], "") if parts else join_words([f"{head}."])
