"""What the simulation needs to know of a Node and a Pod, read from their raw JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sandbox.api import JsonObject
from sandbox.gpus.cards import Unit, list_units, read_indexed
from sandbox.gpus.exposition import Holder
from sandbox.scenario.model import GPU_RESOURCE, Behaviour
from sandbox.scenario.nodes import (
    DRIVER_LABEL,
    ECC_ANNOTATION,
    MIG_ANNOTATION,
    MISSING_ANNOTATION,
    XID_ANNOTATION,
)

BEHAVIOUR_ANNOTATION = "sandbox.aidashboard.io/behaviour"

_MIG_RESOURCE = "nvidia.com/mig-"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """A node with GPUs. `missing` holds card indices, `xids` and `double_bit_errors` map them to a code and a count."""

    name: str
    units: tuple[Unit, ...]
    driver_version: str
    is_ready: bool
    missing: frozenset[int]
    xids: Mapping[int, int]
    double_bit_errors: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one container of a pod holds: `count` units of `resource`."""

    holder: Holder
    resource: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """A running pod that holds GPUs."""

    uid: str
    node: str
    behaviour: Behaviour
    started_at: float
    claims: tuple[Claim, ...]


def read_node(item: JsonObject) -> NodeFacts | None:
    """The facts of a node, or None when it has no GPU label."""
    metadata = item["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    count = labels.get("nvidia.com/gpu.count", "")
    if not count.isdigit() or count == "0":
        return None
    memory = labels.get("nvidia.com/gpu.memory", "")
    profiles = annotations.get(MIG_ANNOTATION, "")
    status = item.get("status") or {}
    return NodeFacts(
        name=metadata["name"],
        units=list_units(
            node=metadata["name"],
            product=labels.get("nvidia.com/gpu.product", "unknown"),
            count=int(count),
            memory_mib=int(memory) if memory.isdigit() else 16384,
            mig_profiles=tuple(profiles.split(",")) if profiles else (),
        ),
        driver_version=labels.get(DRIVER_LABEL, "580.95.05"),
        is_ready=any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions") or []
        ),
        missing=frozenset(read_indexed(annotations.get(MISSING_ANNOTATION, ""))),
        xids=read_indexed(annotations.get(XID_ANNOTATION, "")),
        double_bit_errors=read_indexed(annotations.get(ECC_ANNOTATION, "")),
    )


def read_pod(item: JsonObject) -> PodFacts | None:
    """The facts of a pod, or None when it is not running or holds no GPU."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    if status.get("phase") != "Running" or not spec.get("nodeName"):
        return None
    claims: list[Claim] = []
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        # Extended resources have request = limit; either may be the only one written.
        amounts = (resources.get("limits") or {}) | (resources.get("requests") or {})
        holder = Holder(namespace=metadata["namespace"], pod=metadata["name"], container=container["name"])
        for resource, amount in amounts.items():
            if (
                (resource == GPU_RESOURCE or resource.startswith(_MIG_RESOURCE))
                and str(amount).isdigit()
                and int(amount)
            ):
                claims.append(Claim(holder=holder, resource=resource, count=int(amount)))
    if not claims:
        return None
    return PodFacts(
        uid=metadata["uid"],
        node=spec["nodeName"],
        behaviour=_behaviour((metadata.get("annotations") or {}).get(BEHAVIOUR_ANNOTATION, "")),
        started_at=datetime.fromisoformat(status.get("startTime") or metadata["creationTimestamp"]).timestamp(),
        claims=tuple(claims),
    )


def _behaviour(text: str) -> Behaviour:
    try:
        return Behaviour(text)
    except ValueError:
        return Behaviour.STEADY_TRAINING
