"""Who holds GPUs without using them. Pure: the evidence of the window in, a judgement per pod out.

The rule: the *peak* over the window is below a threshold (one short burst means that the pod works), the pod is older than the
window, and nearly all samples are there (a gap never counts as idle). It is judged per GPU and reported per pod as k of n idle.
Allocated without any series is a class of its own, never idle.
Example: peak 0 %, 57 of 60 samples, started 3 h ago, 10000 MiB kept -> idle-held; with 36 of 60 samples -> not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring.domain.gpus import IdleClass, IdlePod, PodRef
from monitoring.domain.thresholds import DEFAULT_THRESHOLDS, Thresholds

_MIB = 1048576


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvidence:
    """What the window showed of one device in the hands of one pod. Peak None: no utilisation was reported."""

    pod: PodRef
    node: str
    uuid: str
    mig_instance: str
    peak_percent: float | None
    samples: int
    memory_used_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HolderFacts:
    """What the inventory knows of a running pod that requests GPUs."""

    pod: PodRef
    node: str
    gpus: int
    started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleReport:
    """Pods with idle GPUs or without telemetry, the largest holders first; `devices` are the `(uuid, instance)` of idle ones."""

    pods: tuple[IdlePod, ...]
    devices: frozenset[tuple[str, str]]


def judge_idle(
    evidence: Iterable[DeviceEvidence],
    *,
    holders: Mapping[PodRef, HolderFacts],
    now: datetime,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> IdleReport:
    """`holders` are the pods that request GPUs and run; evidence about any other pod is of one that has ended."""
    by_pod: dict[PodRef, list[DeviceEvidence]] = {}
    for item in evidence:
        by_pod.setdefault(item.pod, []).append(item)
    pods: list[IdlePod] = []
    devices: set[tuple[str, str]] = set()
    for ref, holder in holders.items():
        seen = by_pod.get(ref, [])
        if _is_younger_than_window(holder, now=now, thresholds=thresholds):
            continue
        idle = [item for item in seen if is_idle(item, thresholds=thresholds)]
        if idle or not seen:
            pods.append(_report(holder, seen=seen, idle=idle, thresholds=thresholds))
            devices.update((item.uuid, item.mig_instance) for item in idle)
    return IdleReport(
        pods=tuple(sorted(pods, key=lambda pod: (-pod.idle_gpus, pod.namespace, pod.pod))), devices=frozenset(devices)
    )


def is_idle(item: DeviceEvidence, *, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> bool:
    return (
        item.peak_percent is not None
        and item.peak_percent < thresholds.idle_peak_percent
        and item.samples >= thresholds.idle_samples
    )


def _is_younger_than_window(holder: HolderFacts, *, now: datetime, thresholds: Thresholds) -> bool:
    # Pod names are reused by StatefulSets: what the window shows may be the life of the pod before.
    window = timedelta(minutes=thresholds.idle_window_minutes)
    return holder.started_at is not None and now - holder.started_at <= window


def _report(
    holder: HolderFacts, *, seen: list[DeviceEvidence], idle: list[DeviceEvidence], thresholds: Thresholds
) -> IdlePod:
    memory = [item.memory_used_bytes for item in idle if item.memory_used_bytes is not None]
    peaks = [item.peak_percent for item in seen if item.peak_percent is not None]
    keeps_memory = any(amount >= thresholds.empty_memory_mib * _MIB for amount in memory)
    kept = IdleClass.IDLE_HELD if keeps_memory else IdleClass.IDLE_EMPTY
    return IdlePod(
        namespace=holder.pod.namespace,
        pod=holder.pod.pod,
        node=holder.node,
        idle_class=kept if seen else IdleClass.NO_TELEMETRY,
        idle_gpus=len(idle),
        gpus=max(holder.gpus, len(seen)),
        memory_used_bytes=sum(memory) if memory else None,
        peak_ratio=max(peaks) / 100 if peaks else None,
        window_minutes=thresholds.idle_window_minutes,
    )
