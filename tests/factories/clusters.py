"""Clusters and what the observer found in them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any  # Any: fields of a model, by name

from django.utils import timezone

from clusters.models import (
    Cluster,
    Connection,
    ManagedObject,
    ObservedNamespace,
    ObservedNode,
    ObservedPod,
    ObservedQueue,
    ObservedWorkload,
    SyncState,
    WorkloadState,
)

GPU = "nvidia.com/gpu"
GIB = 1024**3


def make_cluster(name: str = "prod-a", **fields: Any) -> Cluster:
    now = timezone.now()
    defaults: dict[str, Any] = {
        "api_server_url": "https://127.0.0.1:6443",
        "credential": b"sealed",
        "connection": Connection.REACHABLE,
        "connection_since": now - timedelta(hours=5),
        "last_seen_at": now,
        "kubernetes_version": "v1.36.3",
        "kueue_version": "v0.19.2",
    }
    return Cluster.objects.create(name=name, **{**defaults, **fields})


def build_node(cluster: Cluster, name: str, *, gpus: int = 8, **fields: Any) -> ObservedNode:
    """A node that is not saved yet: Ready, with `gpus` cards."""
    amounts = {"cpu": 96_000, "memory": 1024 * GIB, GPU: gpus}
    model = fields.get("gpu_model", "NVIDIA-H100-80GB-HBM3")
    defaults: dict[str, Any] = {
        "labels": {"nvidia.com/gpu.product": model, "nvidia.com/gpu.count": str(gpus), "kubernetes.io/hostname": name},
        "capacity": amounts,
        "allocatable": amounts,
        "is_ready": True,
        "ready_since": timezone.now() - timedelta(days=3),
        "internal_ip": "10.0.0.1",
        "kubelet_version": "v1.36.3",
        "pool": "h100",
        "zone": "zone-a",
        "gpu_model": model,
        "gpu_capacity": gpus,
        "gpu_allocatable": gpus,
    }
    return ObservedNode(cluster=cluster, name=name, **_identity(), **{**defaults, **fields})


def make_node(cluster: Cluster, name: str = "node-1", *, gpus: int = 8, **fields: Any) -> ObservedNode:
    node = build_node(cluster, name, gpus=gpus, **fields)
    node.save()
    return node


def build_pod(cluster: Cluster, name: str, *, node: str = "node-1", gpus: int = 1, **fields: Any) -> ObservedPod:
    """A pod that is not saved yet: Running on `node` with `gpus` cards."""
    defaults: dict[str, Any] = {
        "namespace": "nlp-train",
        "phase": "Running",
        "is_queued": True,
        "requests": {"cpu": 8_000, "memory": 64 * GIB, GPU: gpus},
        "gpu_request": gpus,
        "owner_kind": "Job",
        "owner_name": name.rsplit("-", 1)[0],
        "started_at": timezone.now() - timedelta(hours=2),
    }
    return ObservedPod(cluster=cluster, name=name, node_name=node, **_identity(), **{**defaults, **fields})


def make_pod(
    cluster: Cluster, name: str = "bert-0", *, node: str = "node-1", gpus: int = 1, **fields: Any
) -> ObservedPod:
    pod = build_pod(cluster, name, node=node, gpus=gpus, **fields)
    pod.save()
    return pod


def build_workload(
    cluster: Cluster,
    name: str,
    *,
    state: WorkloadState = WorkloadState.ADMITTED,
    gpus: int = 4,
    since: timedelta = timedelta(minutes=10),
    **fields: Any,
) -> ObservedWorkload:
    """A Kueue Workload of a Job, not saved yet, that has been in `state` for `since`, with the conditions of that state."""
    now = timezone.now()
    changed, queued = now - since, now - since - timedelta(minutes=5)
    is_over = state in {WorkloadState.FINISHED, WorkloadState.FAILED}
    started = queued + timedelta(minutes=1) if is_over else changed
    admitted = None if state in {WorkloadState.PENDING, WorkloadState.EVICTED} else started
    defaults: dict[str, Any] = {
        "namespace": "nlp-train",
        "owner_kind": "Job",
        "owner_name": name,
        "owner_uid": str(uuid.uuid4()),
        "submitted_by": "grace",
        "queue_name": "default",
        "cluster_queue": "research-nlp",
        "state": state,
        "reason": _REASONS[state][0],
        "message": _REASONS[state][1],
        "pod_count": 1,
        "requests": {"cpu": 8_000, "memory": 64 * GIB, GPU: gpus},
        "gpu_request": gpus,
        "state_since": changed,
        "queued_at": queued,
        "reserved_at": admitted,
        "admitted_at": admitted,
        "pods_ready_at": admitted and admitted + timedelta(seconds=4),
        "finished_at": changed if is_over else None,
        "conditions": _build_conditions(state, changed, queued),
    }
    identity = {**_identity(), "created_at": queued - timedelta(seconds=2)}
    return ObservedWorkload(cluster=cluster, name=f"job-{name}", **identity, **{**defaults, **fields})


def make_workload(
    cluster: Cluster,
    name: str = "bert-3",
    *,
    state: WorkloadState = WorkloadState.ADMITTED,
    gpus: int = 4,
    **fields: Any,
) -> ObservedWorkload:
    workload = build_workload(cluster, name, state=state, gpus=gpus, **fields)
    workload.save()
    return workload


def make_queue(cluster: Cluster, name: str, *, kind: str = "ClusterQueue", **fields: Any) -> ObservedQueue:
    return ObservedQueue.objects.create(cluster=cluster, name=name, kind=kind, **_identity(), **fields)


def make_namespace(cluster: Cluster, name: str, **fields: Any) -> ObservedNamespace:
    defaults = {"phase": "Active"}
    return ObservedNamespace.objects.create(cluster=cluster, name=name, **_identity(), **{**defaults, **fields})


def make_managed_object(
    cluster: Cluster, name: str, *, state: SyncState = SyncState.SYNCED, **fields: Any
) -> ManagedObject:
    defaults: dict[str, Any] = {
        "owner": "quota-tree-1",
        "subject": "quota-node-1",
        "api_version": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "since": timezone.now() - timedelta(minutes=3),
        "checked_at": timezone.now(),
    }
    return ManagedObject.objects.create(cluster=cluster, name=name, state=state, **{**defaults, **fields})


_REASONS = {
    WorkloadState.PENDING: (
        "Pending",
        "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor aidashboard, 2 more needed",
    ),
    WorkloadState.RESERVED: ("QuotaReserved", "Quota reserved in ClusterQueue research-nlp"),
    WorkloadState.ADMITTED: ("Admitted", "The workload is admitted"),
    WorkloadState.EVICTED: (
        "Pending",
        "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor aidashboard, 4 more needed",
    ),
    WorkloadState.FINISHED: ("Succeeded", "Job finished successfully"),
    WorkloadState.FAILED: ("Failed", "Job has reached the specified backoff limit"),
}


def _build_conditions(state: WorkloadState, changed: datetime, queued: datetime) -> list[dict[str, str]]:
    kind, status = {
        WorkloadState.PENDING: ("QuotaReserved", "False"),
        WorkloadState.RESERVED: ("QuotaReserved", "True"),
        WorkloadState.ADMITTED: ("Admitted", "True"),
        WorkloadState.EVICTED: ("Evicted", "True"),
        WorkloadState.FINISHED: ("Finished", "True"),
        WorkloadState.FAILED: ("Finished", "True"),
    }[state]
    reason, message = _REASONS[state]
    since = queued if state == WorkloadState.PENDING else changed
    return [
        {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    ]


def _identity() -> dict[str, Any]:
    now = timezone.now()
    return {
        "uid": str(uuid.uuid4()),
        "resource_version": "1",
        "created_at": now - timedelta(days=3),
        "observed_at": now,
    }
