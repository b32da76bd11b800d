"""Nodes and GPUs of a cluster as the pages count them: the inventory joined with allocation and telemetry.

Vocabulary: a node is *usable* when it is Ready and not cordoned; *free* are the allocatable GPUs of a usable node that no pod holds;
*broken* is a node that can't give all its GPUs, with the reasons. Overview and node pages count with these functions alone, so
that a number on one page and the list behind it on the other can't disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from monitoring.domain.gpus import GpuState
from monitoring.domain.strips import GpuCell, NodeFacts, NodeStrip

NO_POOL: Final = "no pool"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """One node with GPUs. `used_ratio` is None without telemetry; `reasons` say why it can't give all it has.

    `group` is the pool, or the model where nodes are in no pool: nodes of one group stand together.
    """

    name: str
    group: str
    pool: str
    zone: str
    model: str
    gpus: int
    allocatable: int
    allocated: int
    used_ratio: float | None
    is_ready: bool
    is_cordoned: bool
    reasons: tuple[str, ...]
    cells: tuple[GpuCell, ...]

    @property
    def is_usable(self) -> bool:
        return self.is_ready and not self.is_cordoned

    @property
    def is_broken(self) -> bool:
        return bool(self.reasons)

    @property
    def free(self) -> int:
        return max(0, self.allocatable - self.allocated) if self.is_usable else 0

    @property
    def lost(self) -> int:
        """GPUs that the reasons keep from new work."""
        if not self.is_usable:
            return max(0, self.gpus - self.allocated)
        return max(self.gpus - self.allocatable, sum(1 for cell in self.cells if cell.state == GpuState.UNHEALTHY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The GPU nodes of a cluster in the order of group and name."""

    nodes: tuple[NodeLine, ...]

    @property
    def gpus(self) -> int:
        return sum(node.gpus for node in self.nodes)

    @property
    def allocated(self) -> int:
        return sum(node.allocated for node in self.nodes)

    @property
    def free(self) -> int:
        return sum(node.free for node in self.nodes)

    @property
    def largest_block(self) -> int:
        return max((node.free for node in self.nodes), default=0)

    @property
    def broken(self) -> tuple[NodeLine, ...]:
        return tuple(node for node in self.nodes if node.is_broken)

    def count_states(self) -> Counter[GpuState]:
        return Counter(cell.state for node in self.nodes for cell in node.cells)

    def count_free_blocks(self) -> dict[int, int]:
        """`{free GPUs: nodes that have just so many}` of usable nodes, 0 left out."""
        return dict(sorted(Counter(node.free for node in self.nodes if node.free).items(), reverse=True))


def build_inventory(strips: Sequence[NodeStrip], *, has_telemetry: bool) -> Inventory:
    """The lines of all GPU nodes. Without telemetry at all, who holds a GPU is known all the same: the rest is free."""
    lines = (_build_line(strip, has_telemetry=has_telemetry) for strip in strips)
    return Inventory(nodes=tuple(sorted(lines, key=lambda line: (line.group, _natural(line.name)))))


def _build_line(strip: NodeStrip, *, has_telemetry: bool) -> NodeLine:
    node, allocated = strip.node, strip.gpus_allocated or 0
    cells = strip.cells if has_telemetry else _build_silent_cells(node, allocated)
    ratios = [cell.device.used_ratio for cell in cells if cell.device and cell.device.used_ratio is not None]
    unhealthy = [f"GPU {cell.gpu}: {cell.why}" for cell in cells if cell.state == GpuState.UNHEALTHY]
    return NodeLine(
        name=node.name,
        group=node.pool or node.gpu_model or NO_POOL,
        pool=node.pool,
        zone=node.zone,
        model=node.gpu_model,
        gpus=node.gpu_capacity,
        allocatable=node.gpu_allocatable,
        allocated=allocated,
        used_ratio=sum(ratios) / len(ratios) if ratios else None,
        is_ready=node.is_ready,
        is_cordoned=node.is_cordoned,
        reasons=(*node.reasons, *unhealthy),
        cells=cells,
    )


def _build_silent_cells(node: NodeFacts, allocated: int) -> tuple[GpuCell, ...]:
    """Without telemetry: as many silent cells as pods hold, the rest free where the node is usable."""
    is_usable = node.is_ready and not node.is_cordoned
    return tuple(
        GpuCell(
            gpu=str(index),
            state=GpuState.FREE if is_usable and allocated <= index < node.gpu_allocatable else GpuState.NO_TELEMETRY,
        )
        for index in range(node.gpu_capacity)
    )


def _natural(name: str) -> Sequence[tuple[int, int | str]]:
    """`node-9` before `node-10`."""
    parts: list[tuple[int, int | str]] = []
    digits = ""
    for character in f"{name}\0":
        if character.isdigit():
            digits += character
            continue
        if digits:
            parts.append((0, int(digits)))
            digits = ""
        parts.append((1, character))
    return parts
