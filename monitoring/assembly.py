"""Turns Prometheus' samples into GPUs, totals, nodes and histories. Pure; units are converted here, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from monitoring.domain.gpus import ClusterTotals, GpuDevice, GpuSnapshot, History, NodeProblem, NodeUsage, PodRef
from monitoring.domain.idle import DeviceEvidence
from monitoring.domain.thresholds import FATAL_XIDS
from monitoring.prometheus.parsing import Matrix, Sample
from monitoring.promql import DEVICE_LABELS, FIGURE

DeviceKey = tuple[str, ...]
Figures = dict[str, float]


def build_snapshot(
    readings: Iterable[Sample],
    *,
    conditions: Iterable[Sample] = (),
    holders: Iterable[Sample] = (),
    xids: Iterable[Sample] = (),
) -> GpuSnapshot:
    """The devices that report readings, with what the other queries add to them."""
    figures = _by_device(readings)
    extra = _by_device(conditions)
    # A user program's fault (31 and the like) speaks of the job, not of the card.
    fatal = {_device_key(sample): int(sample.value) for sample in xids if int(sample.value) in FATAL_XIDS}
    pods: dict[DeviceKey, set[PodRef]] = {}
    for sample in holders:
        pods.setdefault(_device_key(sample), set()).add(_pod_ref(sample))
    devices = [
        _build_device(key, {**values, **extra.get(key, {})}, fatal=fatal.get(key), pods=pods.get(key, set()))
        for key, values in figures.items()
    ]
    return GpuSnapshot(devices=tuple(sorted(devices, key=_device_order)))


def _build_device(key: DeviceKey, values: Figures, *, fatal: int | None, pods: set[PodRef]) -> GpuDevice:
    labels = dict(zip(DEVICE_LABELS, key, strict=True))
    used, free = values.get("memory_used"), values.get("memory_free")
    xid = values.get("xid")
    return GpuDevice(
        node=labels["node"],
        gpu=labels["gpu"],
        uuid=labels["UUID"],
        model=labels["modelName"],
        mig_instance=labels["GPU_I_ID"],
        mig_profile=labels["GPU_I_PROFILE"],
        used_ratio=_ratio(values.get("used")),
        memory_used_bytes=_whole(used),
        memory_total_bytes=None if used is None or free is None else int(used + free),
        power_watts=values.get("power"),
        temperature_celsius=values.get("temperature"),
        last_xid=int(xid) if xid else None,
        fatal_xid=fatal,
        has_row_remap_failure=values.get("row_remap") == 1,
        pods=tuple(sorted(pods)),
    )


def build_totals(snapshot: GpuSnapshot, allocation: Iterable[Sample]) -> ClusterTotals:
    """What is missing is None, but for the counts of devices: none reported is none seen."""
    figures = {sample.labels.get(FIGURE, ""): sample.value for sample in allocation if math.isfinite(sample.value)}
    sized = [device for device in snapshot.devices if device.memory_total_bytes]
    working = [device for device in sized if device.used_ratio is not None]
    ratios = [device.used_ratio for device in snapshot.devices if device.used_ratio is not None]
    return ClusterTotals(
        used_ratio=sum(ratios) / len(ratios) if ratios else None,
        weighted_used_ratio=sum((device.used_ratio or 0) * (device.memory_total_bytes or 0) for device in working)
        / sum(device.memory_total_bytes or 0 for device in working)
        if working
        else None,
        memory_used_bytes=sum(device.memory_used_bytes or 0 for device in sized) if sized else None,
        memory_total_bytes=_sum_memory(sized) if sized else None,
        memory_allocated_bytes=_sum_memory([device for device in sized if device.pods]) if sized else None,
        devices=len(snapshot.devices),
        physical_gpus=len({device.uuid for device in snapshot.devices}),
        gpus_allocated=_whole(figures.get("allocated")),
        gpus_total=_whole(figures.get("total")),
        gpus_usable=_whole(figures.get("usable")),
    )


def _sum_memory(devices: Iterable[GpuDevice]) -> int:
    return sum(device.memory_total_bytes or 0 for device in devices)


def build_node_usage(samples: Iterable[Sample]) -> dict[str, NodeUsage]:
    """`{node: usage}`."""
    nodes: dict[str, Figures] = {}
    for sample in samples:
        nodes.setdefault(sample.labels.get("node", ""), {})[sample.labels.get(FIGURE, "")] = sample.value
    return {
        node: NodeUsage(
            node=node,
            physical_gpus=_whole(figures.get("physical")),
            memory_total_bytes=_whole(figures.get("memory_total")),
            used_ratio=_ratio(figures.get("used")),
            gpus_allocated=_whole(figures.get("allocated")),
        )
        for node, figures in sorted(nodes.items())
        if node
    }


def build_node_problems(samples: Iterable[Sample]) -> tuple[NodeProblem, ...]:
    reasons: dict[str, list[str]] = {}
    for sample in samples:
        reasons.setdefault(sample.labels.get("node", ""), []).append(sample.labels.get("why", ""))
    return tuple(NodeProblem(node=node, reasons=tuple(sorted(why))) for node, why in sorted(reasons.items()))


def build_evidence(samples: Iterable[Sample]) -> tuple[DeviceEvidence, ...]:
    """What the idle rule looks at, per pod and device."""
    figures: dict[tuple[PodRef, DeviceKey], Figures] = {}
    for sample in samples:
        place = figures.setdefault((_pod_ref(sample), _device_key(sample)), {})
        place[sample.labels.get(FIGURE, "")] = sample.value
    evidence = []
    for (pod, key), values in sorted(figures.items()):
        labels = dict(zip(DEVICE_LABELS, key, strict=True))
        evidence.append(
            DeviceEvidence(
                pod=pod,
                node=labels["node"],
                uuid=labels["UUID"],
                mig_instance=labels["GPU_I_ID"],
                peak_percent=values.get("peak"),
                samples=int(values.get("samples", 0)),
                memory_used_bytes=_whole(values.get("memory")),
            )
        )
    return tuple(evidence)


def build_history(
    matrix: Matrix,
    *,
    start: datetime,
    end: datetime,
    step_seconds: int,
    name_line: Callable[[Mapping[str, str]], str | None],
    convert: Callable[[str, float], float | None],
) -> History:
    """All series on one time axis, gaps as None. Two series of one name are added up."""
    steps = int((end - start).total_seconds()) // step_seconds + 1
    lines: dict[str, list[float | None]] = {}
    for series in matrix.series:
        name = name_line(series.labels)
        if name is None:
            continue
        values = lines.setdefault(name, [None] * steps)
        for at, value in series.points:
            index = round((at - start).total_seconds() / step_seconds)
            converted = convert(name, value) if math.isfinite(value) else None
            if converted is not None and 0 <= index < steps:
                values[index] = (values[index] or 0.0) + converted
    return History(
        at=tuple(start + timedelta(seconds=step_seconds * index) for index in range(steps)),
        lines={name: tuple(values) for name, values in sorted(lines.items())},
        step_seconds=step_seconds,
    )


def _by_device(samples: Iterable[Sample]) -> dict[DeviceKey, Figures]:
    devices: dict[DeviceKey, Figures] = {}
    for sample in samples:
        if math.isfinite(sample.value):
            devices.setdefault(_device_key(sample), {})[sample.labels.get(FIGURE, "")] = sample.value
    return devices


def _device_key(sample: Sample) -> DeviceKey:
    return tuple(sample.labels.get(label, "") for label in DEVICE_LABELS)


def _device_order(device: GpuDevice) -> tuple[str, int, str, str]:
    return device.node, int(device.gpu) if device.gpu.isdigit() else 0, device.gpu, device.mig_instance


def _pod_ref(sample: Sample) -> PodRef:
    return PodRef(namespace=sample.labels.get("namespace", ""), pod=sample.labels.get("pod", ""))


def _ratio(percent: float | None) -> float | None:
    return None if percent is None or not math.isfinite(percent) else percent / 100


def _whole(value: float | None) -> int | None:
    return None if value is None or not math.isfinite(value) else round(value)
