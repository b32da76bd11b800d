"""What the list of nodes and the heat strip show: the lines of `inventory`, filtered, sorted and put into words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from django.urls import reverse
from django.utils.safestring import SafeString

from clusters.models import Cluster
from frontend.chips import Chip, build_node_chip
from frontend.pages.inventory import Inventory, NodeLine, build_inventory
from frontend.pages.links import build_url, join_words, link
from frontend.pages.menus import MenuForm, build_menu, build_menu_form
from frontend.pages.readings import SourceState, describe_reading
from frontend.svg.heat_strip import STATE_WORDS, HeatCell, HeatRow, draw_cells, draw_heat_strip
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of, format_number
from monitoring import selectors as monitoring
from monitoring.domain.gpus import GpuState
from monitoring.domain.strips import GpuCell

CSV_HEADER: Final = (
    "name", "pool", "zone", "model", "gpus", "allocatable", "allocated", "free", "used_ratio", "is_ready", "is_cordoned", "reasons",
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
SORTABLE: Final = ("name", *_NODE_KEYS)
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


def build_node_list(table: TableQuery, *, cluster: Cluster) -> NodeList:
    heat = read_heat(cluster)
    inventory, source = heat.inventory, heat.source
    found = _filter_nodes(inventory.nodes, table)
    shown = _sort_nodes(found, table)
    paging: Paging[NodeLine] = table.paginate(shown)
    has_pools = any(node.pool for node in inventory.nodes)
    # Of what the other filters leave: following a number must lead to as many rows.
    in_any_state = _filter_nodes(inventory.nodes, table, by_state=False)
    counts = {name: sum(1 for node in in_any_state if keeps(node)) for name, keeps in _NODE_FILTERS.items()}
    return NodeList(
        sentence=_describe_nodes(inventory, found, table, cluster),
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
            NodeRow(line=line, chip=build_line_chip(line), url=node_url(line.name, cluster)) for line in paging.rows
        ),
        pools=tuple(_build_pools(found, cluster)),
        legend=_build_legend(inventory, cluster),
        has_nodes=bool(inventory.nodes),
        has_pools=has_pools,
    )


def build_line_chip(node: NodeLine) -> Chip:
    return build_node_chip(
        is_ready=node.is_ready, is_cordoned=node.is_cordoned, trouble="GPU trouble", reasons=node.reasons
    )


def list_csv_rows(table: TableQuery, *, cluster: Cluster) -> Iterator[tuple[object, ...]]:
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


def _filter_nodes(nodes: Sequence[NodeLine], table: TableQuery, *, by_state: bool = True) -> list[NodeLine]:
    keeps = _NODE_FILTERS.get(table.get("state")) if by_state else None
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
                url=node_url(node.name, cluster),
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


def _describe_nodes(inventory: Inventory, found: Sequence[NodeLine], table: TableQuery, cluster: Cluster) -> SafeString:
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
    free = _link_state(f"{format_number(shown.free)} free", table, "free")
    parts.append(join_words([free, f"on {count_of(free_nodes, 'node')}"], " ") if shown.free else "none free")
    sentence = join_words(parts)
    if not shown.broken:
        return join_words([sentence, "all nodes are well."], "; ")
    broken = _link_state(count_of(len(shown.broken), "node"), table, "broken")
    words = f"can't give all {'it has' if len(shown.broken) == 1 else 'they have'}."
    return join_words([sentence, join_words([broken, words], " ")], "; ")


def _link_state(words: str, table: TableQuery, state: str) -> object:
    """A number as the link to the rows that it counts; among the rows of another state there is no such list."""
    return link(words, table.url(state=state)) if table.get("state") in {"", state} else words


def node_url(name: str, cluster: Cluster) -> str:
    """The address of a node's page. Resolved once per process, not once per node: a strip has a thousand of them."""
    return f"{_node_prefix()}{quote(name)}?cluster={cluster.name}"


@cache
def _node_prefix() -> str:
    return reverse("nodes:node-detail", args=["-"]).removesuffix("-")
