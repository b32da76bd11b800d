"""What the inventory says of a cluster's GPUs: how many there are, how many can be used, who has free ones. Pure.

*Usable* are the allocatable GPUs of nodes that are Ready and not cordoned; *free* are usable ones that no pod has requested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitoring.domain.gpus import NodeProblem
from monitoring.domain.strips import NodeFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeNodes:
    """So many usable nodes have so many free GPUs each."""

    free: int
    nodes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """`free_histogram` starts with the largest block; nodes without a free GPU are in its last entry, `free=0`."""

    gpu_nodes: int
    gpu_nodes_allocated: int
    gpu_nodes_usable: int
    gpus_total: int
    gpus_usable: int
    gpus_allocated: int
    gpus_free: int
    largest_block: int
    free_histogram: tuple[FreeNodes, ...]
    problems: tuple[NodeProblem, ...]

    @property
    def gpu_nodes_unhealthy(self) -> int:
        return len(self.problems)


def build_capacity(nodes: Sequence[NodeFacts], *, allocated: Mapping[str, int]) -> Capacity:
    """`allocated` is `{node: GPUs that its live pods request}`.

    Example: 8 usable with 5 allocated and 4 on a cordoned node -> total 12, usable 8, free 3, largest block 3.
    """
    gpu_nodes = [node for node in nodes if node.gpu_capacity > 0]
    usable = [node for node in gpu_nodes if node.is_ready and not node.is_cordoned]
    free = [max(0, node.gpu_allocatable - allocated.get(node.name, 0)) for node in usable]
    blocks = Counter(free)
    return Capacity(
        gpu_nodes=len(gpu_nodes),
        gpu_nodes_allocated=sum(1 for node in gpu_nodes if allocated.get(node.name, 0) > 0),
        gpu_nodes_usable=len(usable),
        gpus_total=sum(node.gpu_capacity for node in gpu_nodes),
        gpus_usable=sum(node.gpu_allocatable for node in usable),
        gpus_allocated=sum(allocated.get(node.name, 0) for node in gpu_nodes),
        gpus_free=sum(free),
        largest_block=max(free, default=0),
        free_histogram=tuple(FreeNodes(free=size, nodes=blocks[size]) for size in sorted(blocks, reverse=True)),
        problems=tuple(NodeProblem(node=node.name, reasons=node.reasons) for node in gpu_nodes if node.reasons),
    )
