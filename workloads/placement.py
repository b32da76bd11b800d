"""Work that has its quota and no room: admitted workloads whose GPUs are not all on nodes yet.

Quota is counted in sums, nodes in blocks: eight free GPUs on eight nodes admit a pod of eight that no node can take. Until its pods
are bound, such a workload holds quota and no card, so *free* cards are partly promised.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from clusters.models import Cluster, ObservedPod, ObservedWorkload, WorkloadState


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """So many admitted workloads, and their GPUs that no node gives them."""

    workloads: int
    gpus: int


def narrow_to_unplaced(workloads: QuerySet[ObservedWorkload]) -> QuerySet[ObservedWorkload]:
    """The admitted ones among them whose pods on nodes hold fewer GPUs than they ask for; pods that succeeded had theirs."""
    pods = ObservedPod.objects.filter(cluster=OuterRef("cluster"), owner_uid=OuterRef("owner_uid"))
    placed = pods.exclude(node_name="").exclude(phase="Failed").order_by().values("owner_uid")
    return (
        workloads.filter(state=WorkloadState.ADMITTED, gpu_request__gt=0)
        .exclude(owner_uid="")
        .annotate(placed_gpus=Coalesce(Subquery(placed.annotate(total=Sum("gpu_request")).values("total")), 0))
        .filter(gpu_request__gt=F("placed_gpus"))
    )


def count_unplaced(cluster: Cluster) -> Unplaced:
    """The sums over a cluster; anonymous, like its capacity."""
    found = narrow_to_unplaced(ObservedWorkload.objects.filter(cluster=cluster)).order_by()
    sums = found.aggregate(workloads=Count("pk"), gpus=Sum(F("gpu_request") - F("placed_gpus")))
    return Unplaced(workloads=sums["workloads"], gpus=sums["gpus"] or 0)
