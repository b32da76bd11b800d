"""Nodes and namespaces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from clusters.kube.parsing.fields import (
    Amounts,
    JsonObject,
    amounts,
    find_condition,
    flag,
    items,
    mapping,
    moment,
    read_metadata,
    text,
)

GPU: Final = "nvidia.com/gpu"
_POOL_LABELS: Final = (
    "aidashboard.io/node-pool",
    "aidashboard.io/pool",
    "node.kubernetes.io/pool",
    "alibabacloud.com/nodepool-id",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
)
_PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """`reasons` says in words why the node can't take work; empty when it can."""

    uid: str
    name: str
    resource_version: str
    created_at: datetime
    labels: dict[str, str]
    taints: list[dict[str, str]]
    capacity: Amounts
    allocatable: Amounts
    is_ready: bool
    is_cordoned: bool
    reasons: list[str]
    ready_since: datetime | None
    internal_ip: str
    kubelet_version: str
    pool: str
    zone: str
    gpu_model: str
    gpu_capacity: int
    gpu_allocatable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Namespace:
    uid: str
    name: str
    resource_version: str
    created_at: datetime
    labels: dict[str, str]
    phase: str


def parse_node(item: JsonObject) -> Node:
    metadata = read_metadata(item)
    labels: dict[str, str] = dict(mapping(item, "metadata", "labels"))
    capacity = amounts(mapping(item, "status", "capacity"))
    allocatable = amounts(mapping(item, "status", "allocatable"))
    ready = find_condition(item, "Ready") or {}
    is_ready = ready.get("status") == "True"
    addresses = {entry.get("type"): str(entry.get("address", "")) for entry in items(item, "status", "addresses")}
    return Node(
        uid=metadata.uid,
        name=metadata.name,
        resource_version=metadata.resource_version,
        created_at=metadata.created_at,
        labels=labels,
        taints=[_read_taint(taint) for taint in items(item, "spec", "taints")],
        capacity=capacity,
        allocatable=allocatable,
        is_ready=is_ready,
        is_cordoned=flag(item, "spec", "unschedulable"),
        reasons=_list_reasons(item, ready, capacity.get(GPU, 0), allocatable.get(GPU, 0)),
        ready_since=moment(ready, "lastTransitionTime") if is_ready else None,
        internal_ip=addresses.get("InternalIP", "")[:64],
        kubelet_version=text(item, "status", "nodeInfo", "kubeletVersion", longest=60),
        pool=next((labels[label] for label in _POOL_LABELS if label in labels), ""),
        zone=labels.get("topology.kubernetes.io/zone", ""),
        gpu_model=labels.get("nvidia.com/gpu.product", ""),
        gpu_capacity=capacity.get(GPU, 0),
        gpu_allocatable=allocatable.get(GPU, 0),
    )


def parse_namespace(item: JsonObject) -> Namespace:
    metadata = read_metadata(item)
    return Namespace(
        uid=metadata.uid,
        name=metadata.name,
        resource_version=metadata.resource_version,
        created_at=metadata.created_at,
        labels=dict(mapping(item, "metadata", "labels")),
        phase=text(item, "status", "phase", longest=30),
    )


def _list_reasons(item: JsonObject, ready: JsonObject, gpu_capacity: int, gpu_allocatable: int) -> list[str]:
    reasons: list[str] = []
    if ready.get("status") != "True":
        why = text(ready, "reason")
        reasons.append(f"NotReady ({why})" if why else "NotReady")
    if flag(item, "spec", "unschedulable"):
        reasons.append("Cordoned")
    for pressure in _PRESSURES:
        condition: Any = find_condition(item, pressure)  # Any: JSON
        if condition is not None and condition.get("status") == "True":
            reasons.append(pressure)
    if gpu_allocatable < gpu_capacity:
        reasons.append(f"{gpu_capacity - gpu_allocatable} of {gpu_capacity} GPUs unhealthy")
    return reasons


def _read_taint(taint: JsonObject) -> dict[str, str]:
    return {field: text(taint, field) for field in ("key", "value", "effect") if text(taint, field)}
