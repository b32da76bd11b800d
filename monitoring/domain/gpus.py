"""GPUs as telemetry sees them: devices with their readings, totals of a cluster, idle holders, unhealthy nodes.

Vocabulary: *used* is what DCGM says works; *allocated* is what a pod holds; *idle* is held and unused for the whole window;
*free* is held by nobody. Ratios are 0..1, memory is bytes, power is watts; `None` is "not reported", never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class GpuState(StrEnum):
    BUSY = "busy"
    LOW = "low"
    IDLE = "idle"
    FREE = "free"
    UNHEALTHY = "unhealthy"
    NO_TELEMETRY = "no_telemetry"


class IdleClass(StrEnum):
    """Idle-empty: holds the card and next to no memory. Idle-held: keeps memory too. No telemetry is never idle."""

    IDLE_EMPTY = "idle_empty"
    IDLE_HELD = "idle_held"
    NO_TELEMETRY = "no_telemetry"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class PodRef:
    namespace: str
    pod: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuDevice:
    """One GPU, or one MIG instance of one. `gpu` is its index on the node, `fatal_xid` the code that made it unhealthy."""

    node: str
    gpu: str
    uuid: str
    model: str = ""
    mig_instance: str = ""
    mig_profile: str = ""
    used_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    power_watts: float | None = None
    temperature_celsius: float | None = None
    last_xid: int | None = None
    fatal_xid: int | None = None
    has_row_remap_failure: bool = False
    pods: tuple[PodRef, ...] = ()

    @property
    def memory_used_ratio(self) -> float | None:
        if self.memory_used_bytes is None or not self.memory_total_bytes:
            return None
        return self.memory_used_bytes / self.memory_total_bytes

    @property
    def is_mig(self) -> bool:
        return bool(self.mig_instance)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSnapshot:
    """Every device with telemetry, ordered by node, index and MIG instance."""

    devices: tuple[GpuDevice, ...]

    def by_node(self) -> Mapping[str, tuple[GpuDevice, ...]]:
        """`{node: devices}` in index order."""
        nodes: dict[str, list[GpuDevice]] = {}
        for device in self.devices:
            nodes.setdefault(device.node, []).append(device)
        return {node: tuple(devices) for node, devices in nodes.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTotals:
    """The figures over the whole cluster, anonymous: no namespace and no pod in them.

    `used_ratio` is the plain average over devices; `weighted_used_ratio` weighs by memory, right for mixed fleets and MIG.
    `memory_allocated_bytes` counts the whole memory of every device that a pod holds.
    """

    used_ratio: float | None
    weighted_used_ratio: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    memory_allocated_bytes: int | None
    devices: int
    physical_gpus: int
    gpus_allocated: int | None
    gpus_total: int | None
    gpus_usable: int | None

    @property
    def memory_used_ratio(self) -> float | None:
        if self.memory_used_bytes is None or not self.memory_total_bytes:
            return None
        return self.memory_used_bytes / self.memory_total_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """A node's figures (N1 to N4). What has no telemetry is None; `gpus_allocated` 0 means that nobody holds any."""

    node: str
    physical_gpus: int | None
    memory_total_bytes: int | None
    used_ratio: float | None
    gpus_allocated: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProblem:
    """A node and every reason why it is unhealthy, in words."""

    node: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdlePod:
    """A pod that holds GPUs without using them: `idle_gpus` of its `gpus`, for the whole window.

    `is_wholly_idle` is the pod-level rule: all its GPUs are idle. `used_ratio` is its peak over the window.
    """

    namespace: str
    pod: str
    node: str
    idle_class: IdleClass
    idle_gpus: int
    gpus: int
    memory_used_bytes: int | None
    peak_ratio: float | None
    window_minutes: int

    @property
    def is_wholly_idle(self) -> bool:
        return self.idle_class != IdleClass.NO_TELEMETRY and self.idle_gpus == self.gpus


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Named lines over one time axis: `{line: values}`, each as long as `at`; None is a gap. For charts and their tables."""

    at: tuple[datetime, ...]
    lines: Mapping[str, tuple[float | None, ...]]
    step_seconds: int

    @property
    def is_empty(self) -> bool:
        return all(value is None for values in self.lines.values() for value in values)
