"""The heat strip: a row per node, a cell per GPU, and what each cell shows.

Pure: joins the inventory (which GPUs there should be, who is not ready) with the telemetry (what they do).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitoring.domain.gpus import GpuDevice, GpuState
from monitoring.domain.thresholds import DEFAULT_THRESHOLDS, Thresholds

SILENT: Final = "reports nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What the inventory knows of a GPU node. `reasons` are those for which it can't take work."""

    name: str
    pool: str = ""
    zone: str = ""
    gpu_model: str = ""
    gpu_capacity: int = 0
    gpu_allocatable: int = 0
    physical_gpus: int = 0
    is_ready: bool = True
    is_cordoned: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuCell:
    """One cell. `device` is None when the GPU is known to the inventory and silent; `why` says what makes it unhealthy."""

    gpu: str
    state: GpuState
    device: GpuDevice | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStrip:
    node: NodeFacts
    cells: tuple[GpuCell, ...]
    gpus_allocated: int | None = None


def build_strips(
    nodes: Sequence[NodeFacts],
    *,
    devices: Mapping[str, Sequence[GpuDevice]],
    idle: frozenset[tuple[str, str]] = frozenset(),
    allocated: Mapping[str, int] | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> tuple[NodeStrip, ...]:
    """A strip per node, in the order of `nodes`. `idle` holds `(uuid, mig_instance)` of idle devices.

    A node that should have more GPUs than report (`physical_gpus`) gets a silent cell for each missing one: a card off the bus
    stops reporting rather than reporting an error.
    """
    return tuple(
        NodeStrip(
            node=node,
            cells=_build_cells(node, devices.get(node.name, ()), idle, thresholds),
            gpus_allocated=None if allocated is None else allocated.get(node.name, 0),
        )
        for node in nodes
    )


def judge_device(
    device: GpuDevice, *, is_idle: bool, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> tuple[GpuState, str]:
    """The state of a device, and what makes it unhealthy in words."""
    if device.fatal_xid is not None:
        return GpuState.UNHEALTHY, f"XID {device.fatal_xid}"
    if device.has_row_remap_failure:
        return GpuState.UNHEALTHY, "row remap failure"
    if device.temperature_celsius is not None and device.temperature_celsius >= thresholds.hot_celsius:
        return GpuState.UNHEALTHY, f"{device.temperature_celsius:.0f} °C"
    if device.used_ratio is None:
        return GpuState.NO_TELEMETRY, ""
    if not device.pods and device.used_ratio < thresholds.low_ratio:
        return GpuState.FREE, ""
    if is_idle:
        return GpuState.IDLE, ""
    return (GpuState.LOW if device.used_ratio < thresholds.low_ratio else GpuState.BUSY), ""


def _build_cells(
    node: NodeFacts, devices: Sequence[GpuDevice], idle: frozenset[tuple[str, str]], thresholds: Thresholds
) -> tuple[GpuCell, ...]:
    cells = []
    for device in devices:
        state, why = judge_device(device, is_idle=(device.uuid, device.mig_instance) in idle, thresholds=thresholds)
        cells.append(GpuCell(gpu=device.gpu, state=state, device=device, why=why))
    # Time slicing and MIG multiply nvidia.com/gpu; the label nvidia.com/gpu.count says how many cards there are.
    expected = node.physical_gpus or (0 if devices else node.gpu_capacity)
    missing = expected - len({device.uuid for device in devices})
    silent = [str(index) for index in range(expected) if str(index) not in {device.gpu for device in devices}]
    cells += [GpuCell(gpu=gpu, state=GpuState.NO_TELEMETRY, why=SILENT) for gpu in silent[: max(0, missing)]]
    return tuple(sorted(cells, key=lambda cell: (int(cell.gpu) if cell.gpu.isdigit() else 0, cell.gpu)))
