"""Whose work a pod is: from the pod that telemetry names to the workload, its quota and the person who submitted it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clusters.models import Cluster, ObservedPod, ObservedWorkload
from monitoring.domain.gpus import PodRef
from workloads.leaves import Leaves, load_leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """`workload_uid` is empty for a pod outside the queues; then `name` is that of the pod's own controller, or the pod's.

    `quota` is the path of the leaf, `person` who submitted it; each is empty when nobody knows.
    """

    workload_uid: str
    name: str
    person: str
    quota: str


def find_holders(cluster: Cluster, pods: Collection[PodRef]) -> dict[PodRef, Holder]:
    """The holders of those pods that the observer knows, in a constant number of queries."""
    wanted = set(pods)
    rows = ObservedPod.objects.filter(
        cluster=cluster, namespace__in={pod.namespace for pod in wanted}, name__in={pod.pod for pod in wanted}
    ).values_list("namespace", "name", "uid", "owner_uid", "owner_name")
    known = {
        PodRef(namespace=namespace, pod=name): (uid, owner_uid, owner_name)
        for namespace, name, uid, owner_uid, owner_name in rows
    }
    # A workload of a bare pod is owned by the pod itself.
    owners = {uid for uid, _, _ in known.values()} | {owner_uid for _, owner_uid, _ in known.values() if owner_uid}
    workloads = {
        workload.owner_uid: workload
        for workload in ObservedWorkload.objects.filter(cluster=cluster, owner_uid__in=owners)
    }
    leaves = load_leaves(workloads.values())
    return {
        pod: _build_holder(pod, workloads.get(owner_uid) or workloads.get(uid), leaves, owner_name=owner_name)
        for pod, (uid, owner_uid, owner_name) in known.items()
        if pod in wanted
    }


def _build_holder(pod: PodRef, workload: ObservedWorkload | None, leaves: Leaves, *, owner_name: str) -> Holder:
    if workload is None:
        return Holder(workload_uid="", name=owner_name or pod.pod, person="", quota="")
    leaf = leaves.find(workload)
    return Holder(
        workload_uid=workload.uid,
        name=workload.owner_name or pod.pod,
        person=workload.submitted_by,
        quota=leaf.path if leaf else "",
    )
