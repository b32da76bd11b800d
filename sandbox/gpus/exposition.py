"""Readings of cards as Prometheus text, with the names, types, units and labels of dcgm-exporter. Pure.

Source: dcgm-exporter, default counters and README; memory in MiB, energy in mJ, DCGM_FI_PROF_* as ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.gpus.cards import Unit
from sandbox.gpus.curves import Load
from sandbox.gpus.thermals import CardState, sm_clock

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
XID_WINDOW_MILLISECONDS: Final = 300_000

_XID_WORDS: Final = {
    0: "No Error",
    13: "Graphics Engine Exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "Preemptive cleanup, due to previous errors",
    48: "Double Bit ECC Error",
    63: "ECC page retirement or row remapping recording event",
    64: "ECC page retirement or row remapper recording failure",
    74: "NVLINK Error",
    79: "GPU has fallen off the bus",
    94: "Contained ECC error",
    95: "Uncontained ECC error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The container that a unit is allocated to."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One unit at one moment. `labels` comes from `build_labels`; `xid_count` counts new XIDs in the last five minutes."""

    unit: Unit
    labels: str
    load: Load
    state: CardState
    xid: int = 0
    xid_count: int = 0
    double_bit_errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metric:
    """`value` gives None where the card does not have the metric: the series is then left out, as the exporter does."""

    name: str
    kind: str
    help: str
    value: Callable[[Reading], float | None]


def build_labels(unit: Unit, *, driver_version: str, holder: Holder | None) -> str:
    """The labels of every series of a unit, without the braces."""
    labels = [
        ("gpu", str(unit.index)),
        ("UUID", unit.uuid),
        ("pci_bus_id", unit.pci_bus_id),
        ("device", f"nvidia{unit.index}"),
        ("modelName", unit.model.name),
    ]
    if unit.instance:
        labels += [("GPU_I_PROFILE", unit.profile), ("GPU_I_ID", str(unit.instance))]
    labels += [("Hostname", unit.node), ("DCGM_FI_DRIVER_VERSION", driver_version)]
    if holder is not None:
        labels += [("container", holder.container), ("namespace", holder.namespace), ("pod", holder.pod)]
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels)


def render(readings: Sequence[Reading]) -> str:
    """The whole answer of `/metrics`."""
    parts: list[str] = []
    for metric in METRICS:
        value_of, prefix = metric.value, metric.name + "{"
        lines = [
            f"{prefix}{reading.labels}}} {value}\n" for reading in readings if (value := value_of(reading)) is not None
        ]
        if lines:
            parts.append(f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n")
            parts += lines
    parts += _render_xids(readings)
    return "".join(parts)


def _render_xids(readings: Iterable[Reading]) -> list[str]:
    """The two metrics whose labels hold the code."""
    last = "DCGM_FI_DEV_XID_ERRORS"
    parts = [f"# HELP {last} Value of the last XID error encountered.\n# TYPE {last} gauge\n"]
    counted = [reading for reading in readings if reading.xid_count]
    for reading in readings:
        word = _XID_WORDS.get(reading.xid, "Unknown Error")
        parts.append(f'{last}{{{reading.labels},err_code="{reading.xid}",err_msg="{word}"}} {reading.xid}\n')
    if counted:
        count = "DCGM_EXP_XID_ERRORS_COUNT"
        # The exporter declares a counter, although it is a sliding window.
        parts.append(f"# HELP {count} Count of XID errors within the window.\n# TYPE {count} counter\n")
        for reading in counted:
            extra = f'window_size_in_ms="{XID_WINDOW_MILLISECONDS}",xid="{reading.xid}"'
            parts.append(f"{count}{{{reading.labels},{extra}}} {reading.xid_count}\n")
    return parts


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _used_mib(reading: Reading) -> int:
    return round(reading.load.memory * (reading.unit.memory_mib - reading.unit.model.reserved_mib))


def _whole(value: Callable[[Reading], float | None]) -> Callable[[Reading], float | None]:
    """Only for whole cards: a MIG instance does not have it."""
    return lambda reading: None if reading.unit.instance else value(reading)


def _remapping(value: Callable[[Reading], int]) -> Callable[[Reading], int | None]:
    """Only for models that remap rows."""
    return lambda reading: value(reading) if reading.unit.model.remaps_rows else None


METRICS: Final = (
    _Metric(
        name="DCGM_FI_DEV_SM_CLOCK",
        kind="gauge",
        help="SM clock frequency (in MHz).",
        value=lambda reading: sm_clock(reading.unit.model, reading.load, reading.state.watts),
    ),
    _Metric(
        name="DCGM_FI_DEV_MEM_CLOCK",
        kind="gauge",
        help="Memory clock frequency (in MHz).",
        value=lambda reading: reading.unit.model.memory_clock,
    ),
    _Metric(
        name="DCGM_FI_DEV_MEMORY_TEMP",
        kind="gauge",
        help="Memory temperature (in C).",
        value=lambda reading: (
            round(reading.state.celsius + 4 + 8 * reading.load.memory_traffic)
            if reading.unit.model.reports_memory_celsius
            else None
        ),
    ),
    _Metric(
        name="DCGM_FI_DEV_GPU_TEMP",
        kind="gauge",
        help="GPU temperature (in C).",
        value=lambda reading: round(reading.state.celsius),
    ),
    _Metric(
        name="DCGM_FI_DEV_POWER_USAGE",
        kind="gauge",
        help="Power draw (in W).",
        value=lambda reading: round(reading.state.watts, 3),
    ),
    _Metric(
        name="DCGM_FI_DEV_POWER_MGMT_LIMIT",
        kind="gauge",
        help="Current power limit (in W).",
        value=lambda reading: reading.unit.model.limit_watts,
    ),
    _Metric(
        name="DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
        kind="counter",
        help="Total energy consumption since boot (in mJ).",
        value=lambda reading: int(reading.state.energy_mj),
    ),
    _Metric(
        name="DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
        kind="counter",
        help="Total number of PCIe retries.",
        value=lambda reading: 0,
    ),
    _Metric(
        name="DCGM_FI_DEV_GPU_UTIL",
        kind="gauge",
        help="GPU utilization (in %).",
        # Some kernel ran during the sample: a busy card reads close to 100 whatever the kernels do.
        value=_whole(lambda reading: min(100, round(103 * reading.load.active))),
    ),
    _Metric(
        name="DCGM_FI_DEV_MEM_COPY_UTIL",
        kind="gauge",
        help="Memory utilization (in %).",
        value=_whole(lambda reading: round(100 * reading.load.memory_traffic)),
    ),
    _Metric(name="DCGM_FI_DEV_ENC_UTIL", kind="gauge", help="Encoder utilization (in %).", value=_whole(lambda _: 0)),
    _Metric(name="DCGM_FI_DEV_DEC_UTIL", kind="gauge", help="Decoder utilization (in %).", value=_whole(lambda _: 0)),
    _Metric(
        name="DCGM_FI_DEV_FB_FREE",
        kind="gauge",
        help="Framebuffer memory free (in MiB).",
        value=lambda reading: reading.unit.memory_mib - reading.unit.model.reserved_mib - _used_mib(reading),
    ),
    _Metric(name="DCGM_FI_DEV_FB_USED", kind="gauge", help="Framebuffer memory used (in MiB).", value=_used_mib),
    _Metric(
        name="DCGM_FI_DEV_FB_RESERVED",
        kind="gauge",
        help="Framebuffer memory reserved (in MiB).",
        value=lambda reading: reading.unit.model.reserved_mib,
    ),
    _Metric(
        name="DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        kind="counter",
        help="Total number of single-bit volatile ECC errors.",
        value=lambda reading: 0,
    ),
    _Metric(
        name="DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        kind="counter",
        help="Total number of double-bit volatile ECC errors.",
        value=lambda reading: reading.double_bit_errors,
    ),
    _Metric(
        name="DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
        kind="counter",
        help="Number of remapped rows for uncorrectable errors.",
        value=_remapping(lambda reading: reading.double_bit_errors),
    ),
    _Metric(
        name="DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        kind="counter",
        help="Number of remapped rows for correctable errors.",
        value=_remapping(lambda reading: 0),
    ),
    _Metric(
        name="DCGM_FI_DEV_ROW_REMAP_FAILURE",
        kind="gauge",
        help="Whether remapping of rows has failed.",
        # The first bad row is remapped; the second finds no spare.
        value=_remapping(lambda reading: int(reading.double_bit_errors > 1)),
    ),
    _Metric(
        name="DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        kind="counter",
        help="Total number of NVLink bandwidth counters for all lanes.",
        value=lambda reading: int(reading.state.nvlink_bytes) if reading.unit.model.nvlink_bytes_per_second else None,
    ),
    _Metric(
        name="DCGM_FI_DEV_VGPU_LICENSE_STATUS", kind="gauge", help="vGPU License status", value=_whole(lambda _: 0)
    ),
    _Metric(
        name="DCGM_FI_PROF_GR_ENGINE_ACTIVE",
        kind="gauge",
        help="Ratio of time the graphics engine is active.",
        value=lambda reading: round(reading.load.active, 6),
    ),
    _Metric(
        name="DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
        kind="gauge",
        help="Ratio of cycles the tensor (HMMA) pipe is active.",
        value=lambda reading: round(reading.load.tensor, 6),
    ),
    _Metric(
        name="DCGM_FI_PROF_DRAM_ACTIVE",
        kind="gauge",
        help="Ratio of cycles the device memory interface is active sending or receiving data.",
        value=lambda reading: round(reading.load.memory_traffic, 6),
    ),
    _Metric(
        name="DCGM_FI_PROF_PCIE_TX_BYTES",
        kind="gauge",
        help="The rate of data transmitted over the PCIe bus (in bytes per second).",
        value=lambda reading: int(0.3 * reading.load.link * reading.unit.model.pcie_bytes_per_second),
    ),
    _Metric(
        name="DCGM_FI_PROF_PCIE_RX_BYTES",
        kind="gauge",
        help="The rate of data received over the PCIe bus (in bytes per second).",
        value=lambda reading: int(0.6 * reading.load.link * reading.unit.model.pcie_bytes_per_second),
    ),
)
