"""What the pages of nodes and GPUs show. The numbers are those of `inventory`; here they are filtered, sorted and put into words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from django.urls import reverse
from django.utils.safestring import SafeString

from clusters.models import Cluster
from frontend.chips import Chip
from frontend.pages.inventory import Inventory, NodeLine, build_inventory
from frontend.pages.links import build_url, join_words, link
from frontend.pages.menus import MenuForm, build_menu, build_menu_form
from frontend.pages.readings import SourceState, describe_reading
from frontend.svg.heat_strip import STATE_WORDS, HeatCell, HeatRow, draw_cells, draw_heat_strip
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of, format_number
from monitoring import selectors as monitoring
from monitoring.domain.gpus import GpuState, PodRef
from monitoring.domain.strips import GpuCell
from workloads.holders import Holder, find_holders

NODE_CSV_HEADER: Final = (
    "name", "pool", "zone", "model", "gpus", "allocatable", "allocated", "free", "used_ratio", "is_ready", "is_cordoned", "reasons",
)  # fmt: skip
GPU_CSV_HEADER: Final = (
    "node", "gpu", "uuid", "model", "state", "why", "used_ratio", "memory_used_bytes", "memory_total_bytes", "power_watts",
    "temperature_celsius", "pods",
)  # fmt: skip

_NODE_KEYS: Final[dict[str, Callable[[NodeLine], Any]]] = {  # Any: whatever compares
    "pool": lambda node: node.pool,
    "zone": lambda node: node.zone,
    "model": lambda node: node.model,
    "gpus": lambda node: node.gpus,
    "allocated": lambda node: node.allocated,
    "free": lambda node: node.free,
    "used": lambda node: -1.0 if node.used_ratio is None else node.used_ratio,
    "state": lambda node: (not node.is_broken, node.is_usable),
}
NODE_SORTABLE: Final = ("name", *_NODE_KEYS)
_NODE_FILTERS: Final[dict[str, Callable[[NodeLine], bool]]] = {
    "broken": lambda node: node.is_broken,
    "free": lambda node: node.free > 0,
    "full": lambda node: node.is_usable and node.free == 0,
    "cordoned": lambda node: node.is_cordoned,
}
_NODE_FILTER_LABELS: Final = {"broken": "Broken", "free": "With free GPUs", "full": "Full", "cordoned": "Cordoned"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LegendEntry:
    """One state: its drawing, its word, how many GPUs are in it and the list of those."""

    drawing: SafeString
    word: str
    count: int
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStrip:
    name: str
    note: str
    drawing: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    line: NodeLine
    chip: Chip
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeList:
    sentence: SafeString
    cluster: Cluster
    source: SourceState
    table: TableQuery
    columns: tuple[Column, ...]
    chips: tuple[FilterChip, ...]
    menus: MenuForm
    paging: Paging[NodeLine]
    rows: tuple[NodeRow, ...]
    pools: tuple[PoolStrip, ...]
    legend: tuple[LegendEntry, ...]
    has_nodes: bool
    has_pools: bool
    refresh_url: str


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
    refresh_url: str
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
GPU_SORTABLE: Final = ("node", *_GPU_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """The GPU nodes of a cluster; `source` speaks of the readings, `idle` of who was idle over the last hour."""

    inventory: Inventory
    source: SourceState
    idle: SourceState


def read_heat(cluster: Cluster) -> Heat:
    """All GPU nodes of the cluster, and what the metrics source says about itself."""
    heat = monitoring.get_heat_strip(cluster)
    source = describe_reading(heat.telemetry)
    return Heat(
        inventory=build_inventory(heat.strips, has_telemetry=source.is_available),
        source=source,
        idle=describe_reading(heat.idle),
    )


# --- nodes -------------------------------------------------------------------------------------------------------------------


def build_node_list(table: TableQuery, *, cluster: Cluster) -> NodeList:
    heat = read_heat(cluster)
    inventory, source = heat.inventory, heat.source
    found = _filter_nodes(inventory.nodes, table)
    shown = _sort_nodes(found, table)
    paging: Paging[NodeLine] = table.paginate(shown)
    has_pools = any(node.pool for node in inventory.nodes)
    counts = {name: sum(1 for node in inventory.nodes if keeps(node)) for name, keeps in _NODE_FILTERS.items()}
    return NodeList(
        sentence=_describe_nodes(inventory, found, cluster),
        cluster=cluster,
        source=source,
        table=table,
        columns=table.columns(
            (
                Column(label="Node", key="name"),
                *((Column(label="Pool", key="pool"),) if has_pools else ()),
                Column(label="Zone", key="zone"),
                Column(label="Model", key="model"),
                Column(label="GPUs", key="gpus", is_number=True),
                Column(label="Allocated", key="allocated", is_number=True, help="Held by pods"),
                Column(label="Free", key="free", is_number=True, help="Allocatable on a usable node, held by no pod"),
                Column(label="Used", key="used", is_number=True, unit="%", help="Average utilisation by DCGM"),
                Column(label="State", key="state"),
            )
        ),
        chips=(*table.chips("state", _NODE_FILTER_LABELS, counts), *_build_free_chip(table)),
        menus=_build_menus(inventory, table),
        paging=paging,
        rows=tuple(
            NodeRow(line=line, chip=build_node_chip(line), url=_node_url(line.name, cluster)) for line in paging.rows
        ),
        pools=tuple(_build_pools(found, cluster)),
        legend=_build_legend(inventory, cluster),
        has_nodes=bool(inventory.nodes),
        has_pools=has_pools,
        refresh_url=table.url(page=table.page_number if table.page_number > 1 else None),
    )


def build_node_chip(node: NodeLine) -> Chip:
    """The state of a node in one word, with its reasons behind it."""
    reason = "; ".join(node.reasons)
    if not node.is_ready:
        return Chip(label="Not ready", tone="bad", icon="x", reason=reason or "The node is not Ready.")
    if node.is_cordoned:
        return Chip(label="Cordoned", tone="warn", icon="ban", reason=reason or "Somebody closed it for new pods.")
    if node.is_broken:
        return Chip(label="GPU trouble", tone="bad", icon="alert-triangle", reason=reason)
    return Chip(label="Ready", tone="good", icon="check")


def list_node_csv_rows(table: TableQuery, *, cluster: Cluster) -> Iterator[tuple[object, ...]]:
    inventory = read_heat(cluster).inventory
    for node in _sort_nodes(_filter_nodes(inventory.nodes, table), table):
        yield (
            node.name,
            node.pool,
            node.zone,
            node.model,
            node.gpus,
            node.allocatable,
            node.allocated,
            node.free,
            node.used_ratio,
            node.is_ready,
            node.is_cordoned,
            "; ".join(node.reasons),
        )


def _filter_nodes(nodes: Sequence[NodeLine], table: TableQuery) -> list[NodeLine]:
    keeps = _NODE_FILTERS.get(table.get("state"))
    free, search = table.get("free"), table.search.lower()
    return [
        node
        for node in nodes
        if (keeps is None or keeps(node))
        and (not free or str(node.free) == free)
        and all(not table.get(name) or getattr(node, name) == table.get(name) for name in ("pool", "zone", "model"))
        and (not search or search in f"{node.name} {node.pool} {node.zone} {node.model}".lower())
    ]


def _sort_nodes(nodes: Sequence[NodeLine], table: TableQuery) -> list[NodeLine]:
    """The inventory's order (pool and name) is the last word among equals."""
    key, is_down = table.sort.removeprefix("-"), table.sort.startswith("-")
    if key not in _NODE_KEYS:
        return list(reversed(nodes)) if is_down else list(nodes)
    return sorted(nodes, key=_NODE_KEYS[key], reverse=is_down)


def _build_free_chip(table: TableQuery) -> tuple[FilterChip, ...]:
    """The histogram of the overview leads to the nodes with just so many free GPUs."""
    free = table.get("free")
    return (FilterChip(label=f"Exactly {free} free", url=table.url(free=None), is_on=True),) if free else ()


def _build_menus(inventory: Inventory, table: TableQuery) -> MenuForm:
    menus = (("pool", "All pools"), ("zone", "All zones"), ("model", "All models"))
    return build_menu_form(
        table,
        [
            build_menu(table, name, label, sorted({getattr(node, name) for node in inventory.nodes} - {""}))
            for name, label in menus
        ],
    )


def _build_pools(nodes: Sequence[NodeLine], cluster: Cluster) -> Iterator[PoolStrip]:
    for pool, members in groupby(nodes, key=lambda node: node.group):
        lines = list(members)
        models = Counter(node.model for node in lines if node.model and node.model != pool)
        gpus, free = sum(node.gpus for node in lines), sum(node.free for node in lines)
        parts = [count_of(len(lines), "node"), count_of(gpus, "GPU"), *models, f"{format_number(free)} free"]
        rows = [
            HeatRow(
                name=node.name,
                url=_node_url(node.name, cluster),
                cells=to_heat_cells(node.cells),
                note="" if node.is_usable else ", ".join(node.reasons) or "takes no work",
            )
            for node in lines
        ]
        yield PoolStrip(name=pool, note=" · ".join(parts), drawing=draw_heat_strip(rows))


def to_heat_cells(cells: Sequence[GpuCell]) -> tuple[HeatCell, ...]:
    return tuple(
        HeatCell(state=cell.state, duty_ratio=1.0 if cell.device is None else cell.device.used_ratio or 0.0)
        for cell in cells
    )


def _build_legend(inventory: Inventory, cluster: Cluster) -> tuple[LegendEntry, ...]:
    counts = inventory.count_states()
    return tuple(
        LegendEntry(
            drawing=draw_cells([HeatCell(state=state, duty_ratio=0.8)]),
            word=STATE_WORDS[state],
            count=counts[state],
            url=build_url("nodes:gpu-list", cluster=cluster.name, state=state.value),
        )
        for state in GpuState
    )


def _describe_nodes(inventory: Inventory, found: Sequence[NodeLine], cluster: Cluster) -> SafeString:
    if not inventory.nodes:
        return join_words([f"{cluster.name} has no node with GPUs."])
    shown = Inventory(nodes=tuple(found))
    nodes = count_of(len(found), "GPU node")
    head = (
        nodes
        if len(found) == len(inventory.nodes)
        else f"{format_number(len(found))} of {count_of(len(inventory.nodes), 'GPU node')}"
    )
    parts: list[object] = [f"{head} with {count_of(shown.gpus, 'GPU')}: {format_number(shown.allocated)} allocated"]
    free_nodes = sum(1 for node in found if node.free)
    free = link(f"{format_number(shown.free)} free", build_url("nodes:node-list", cluster=cluster.name, state="free"))
    parts.append(join_words([free, f"on {count_of(free_nodes, 'node')}"], " ") if shown.free else "none free")
    sentence = join_words(parts)
    if not shown.broken:
        return join_words([sentence, "all nodes are well."], "; ")
    broken = link(
        count_of(len(shown.broken), "node"), build_url("nodes:node-list", cluster=cluster.name, state="broken")
    )
    return join_words([sentence, join_words([broken, "can't give all they have."], " ")], "; ")


def _node_url(name: str, cluster: Cluster) -> str:
    """The address of a node's page. Resolved once per process, not once per node: a strip has a thousand of them."""
    return f"{_node_prefix()}{quote(name)}?cluster={cluster.name}"


@cache
def _node_prefix() -> str:
    return reverse("nodes:node-detail", args=["-"]).removesuffix("-")


# --- GPUs --------------------------------------------------------------------------------------------------------------------


def build_gpu_list(table: TableQuery, *, cluster: Cluster) -> GpuList:
    heat = read_heat(cluster)
    inventory, source = heat.inventory, heat.source
    everything = _list_cards(inventory)
    found = _sort_gpus(_filter_gpus(everything, table), table)
    paging: Paging[Card] = table.paginate(found)
    counts = Counter(card.cell.state.value for card in everything)
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
        refresh_url=table.url(page=table.page_number if table.page_number > 1 else None),
        has_gpus=bool(everything),
    )


def list_gpu_csv_rows(table: TableQuery, *, cluster: Cluster) -> Iterator[tuple[object, ...]]:
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
        node_url=_node_url(node.name, cluster),
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


def _filter_gpus(cards: Sequence[Card], table: TableQuery) -> list[Card]:
    state, search = table.get("state"), table.search.lower()
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
