"""One of everything, for tests that look at every route: a cluster with work, a quota with a group, people with a past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.services import create_token
from clusters.models import Cluster, ManagedObject, SyncState, WorkloadState
from monitoring.models import PrometheusSource
from quotas.models import NamespaceBinding, QuotaNode
from tests.factories.clusters import make_cluster, make_node, make_pod, make_queue, make_workload
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    admin: User
    member: User
    outsider: User
    cluster: Cluster
    leaf: QuotaNode
    values: dict[str, str]

    def find(self, route: str, parameter: str) -> str:
        """The value of a parameter of a route. The most particular wins: `area:noun parameter`, then the parameter alone."""
        noun = route.rsplit("-", 1)[0]
        for key in (f"{route} {parameter}", f"{noun} {parameter}", f"{route.split(':')[0]} {parameter}", parameter):
            if key in self.values:
                return self.values[key]
        raise KeyError(f"tests/architecture/world.py has no value for parameter {parameter!r} of route {route!r}")


def build_world() -> World:
    admin, member, outsider = make_admin(), make_user("rita"), make_user("otto")
    group = make_group("vision-team", members=(member,))
    cluster = make_cluster(schedulable_capacity={"nvidia.com/gpu": 8}, total_capacity={"nvidia.com/gpu": 8})
    node = make_node(cluster, "node-1")
    root = get_root(make_tree(cluster, "root", gpus=8))
    leaf = make_quota(root, "vision", min_gpus=4, max_gpus=8, group=group, namespaces=("vision",))
    make_queue(cluster, "root-vision")
    make_workload(cluster, "waiting", namespace="vision", state=WorkloadState.PENDING, gpus=16)
    running = make_workload(cluster, "running", namespace="vision")
    make_pod(cluster, "running-0", namespace="vision", owner_uid=running.owner_uid)
    managed = ManagedObject.objects.create(
        cluster=cluster,
        owner=f"quota-tree-{root.tree_id}",
        subject=f"quota-node-{leaf.pk}",
        api_version="kueue.x-k8s.io/v1beta2",
        kind="ClusterQueue",
        name="root-vision",
        state=SyncState.DRIFTED,
        since=timezone.now(),
    )
    # Nothing listens there: every figure of Prometheus is missing, and no route may fail for it.
    PrometheusSource.objects.create(cluster=cluster, url="http://127.0.0.1:9")
    token, _ = create_token(user=member, name="ci", is_read_only=True, life=timedelta(days=1), now=timezone.now())
    event = AuditEvent.objects.create(
        kind="user.created", actor_name="ada", subject_type="User", subject_id="1", summary="…"
    )
    binding = NamespaceBinding.objects.get(node=leaf)
    return World(
        admin=admin,
        member=member,
        outsider=outsider,
        cluster=cluster,
        leaf=leaf,
        values={
            "uid": running.uid,
            "username": member.username,
            "tree_id": str(root.tree_id),
            "key": str(leaf.pk),
            "namespace": binding.namespace,
            "position": "0",
            "object_id": str(managed.pk),
            "event_id": str(event.pk),
            "name": cluster.name,
            "nodes name": node.name,
            "people name": group.name,
            "api:group name": group.name,
            "api:token id": str(token.pk),
            "api:audit-event id": str(event.pk),
            "api:node pk": str(node.pk),
            "api:managed-object pk": str(managed.pk),
            "api:quota-tree id": str(root.tree_id),
            "api:quota-tree-draft id": str(root.tree_id),
            "api:quota-node id": str(leaf.pk),
            "api:namespace-binding id": str(binding.pk),
        },
    )
