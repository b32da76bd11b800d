"""A small company on one cluster: two teams with quotas, nodes of two pools, work that runs and waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from accounts.models import User, UserGroup
from clusters.models import Cluster, WorkloadState
from quotas.models import QuotaNode, QuotaTree
from tests.factories.clusters import (
    GPU,
    build_node,
    build_pod,
    build_workload,
    make_cluster,
    make_namespace,
    make_node,
    make_pod,
    make_queue,
    make_workload,
)
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """`member` is in the team nlp, `outsider` in no team. nlp runs 6 of 24 GPUs and waits for 8; vision runs 4."""

    cluster: Cluster
    tree: QuotaTree
    nlp: QuotaNode
    vision: QuotaNode
    team: UserGroup
    admin: User
    member: User
    outsider: User


def make_organisation() -> Organisation:
    """Nodes h100-1, h100-2 (cordoned) and l40s-1 with 8 GPUs each; bert and gpt of nlp run, waiting-1 waits; resnet of vision runs."""
    cluster = make_cluster(schedulable_capacity={GPU: 16}, total_capacity={GPU: 24})
    make_node(cluster, "h100-1", pool="h100")
    make_node(cluster, "h100-2", pool="h100", is_cordoned=True, reasons=["cordoned"])
    make_node(cluster, "l40s-1", pool="l40s", gpu_model="NVIDIA-L40S", zone="zone-b")
    member = make_user("grace", display_name="Grace Hopper")
    team = make_group("nlp-team", members=(member,))
    tree = make_tree(cluster, "root", gpus=24)
    nlp = make_quota(get_root(tree), "nlp", min_gpus=8, max_gpus=16, group=team, namespaces=("nlp-train",))
    vision = make_quota(
        get_root(tree), "vision", min_gpus=8, group=make_group("vision-team"), namespaces=("vision-train",)
    )
    for namespace in ("nlp-train", "vision-train"):
        make_namespace(cluster, namespace)
    make_queue(cluster, nlp.queue_name, usage={GPU: 6}, reserved={GPU: 6}, admitted_workloads=2)
    make_queue(cluster, vision.queue_name, usage={GPU: 4}, reserved={GPU: 4}, admitted_workloads=1)
    for name, gpus, node, leaf in (
        ("bert", 4, "h100-1", nlp),
        ("gpt", 2, "l40s-1", nlp),
        ("resnet", 4, "h100-1", vision),
    ):
        namespace = f"{leaf.name}-train"
        workload = make_workload(cluster, name, gpus=gpus, namespace=namespace, cluster_queue=leaf.queue_name)
        make_pod(
            cluster,
            f"{name}-0",
            node=node,
            gpus=gpus,
            namespace=namespace,
            owner_uid=workload.owner_uid,
            owner_name=name,
        )
    make_workload(cluster, "waiting-1", state=WorkloadState.PENDING, gpus=8, cluster_queue=nlp.queue_name)
    return Organisation(
        cluster=cluster,
        tree=tree,
        nlp=nlp,
        vision=vision,
        team=team,
        admin=make_admin(),
        member=member,
        outsider=make_user("olga"),
    )


def fill(organisation: Organisation, *, nodes: int, workloads: int) -> None:
    """Make it large, in a few statements: every third of the new workloads waits."""
    cluster = organisation.cluster
    names = [f"bulk-{number:04}" for number in range(nodes)]
    type(build_node(cluster, "x")).objects.bulk_create([build_node(cluster, name, pool="bulk") for name in names])
    rows = [
        build_workload(
            cluster,
            f"job-{number}",
            state=WorkloadState.PENDING if number % 3 == 0 else WorkloadState.ADMITTED,
            since=timedelta(minutes=number % 600 + 1),
            cluster_queue=organisation.nlp.queue_name,
        )
        for number in range(workloads)
    ]
    type(rows[0]).objects.bulk_create(rows)
    pods = [
        build_pod(cluster, f"job-{number}-0", node=names[number % nodes], gpus=4, owner_uid=row.owner_uid)
        for number, row in enumerate(rows)
        if row.state == WorkloadState.ADMITTED
    ]
    type(pods[0]).objects.bulk_create(pods)
