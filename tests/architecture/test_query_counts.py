"""Lists cost the same number of queries however many rows they show."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from clusters.models import ManagedObject, SyncState, WorkloadState
from tests.architecture.routes import list_routes
from tests.architecture.world import World, build_world
from tests.factories.clusters import make_node, make_pod, make_workload
from tests.factories.people import make_group, make_user
from tests.factories.quotas import make_quota

LISTS = sorted(
    route.name
    for route in list_routes()
    if not route.parameters and "GET" in route.methods and route.name.endswith(("-list", "overview", "portal:home"))
)
# What a page costs beside its rows. The dearest is the researcher's home: quotas, start options and explanations each look at the
# tree with its usage. A list that needs more deserves a second look.
BUDGET = 60


@pytest.fixture
def world(db: None, valkey: str) -> World:
    return build_world()


def add_rows(world: World, numbers: range) -> None:
    parent = world.leaf.parent
    assert parent is not None
    for index in numbers:
        user = make_user(f"many-{index}")
        group = make_group(f"many-{index}", members=(user, world.member))
        make_quota(parent, f"many-{index}", group=group, namespaces=(f"many-{index}",))
        make_node(world.cluster, f"many-{index}")
        state = WorkloadState.PENDING if index % 2 else WorkloadState.ADMITTED
        workload = make_workload(world.cluster, f"many-{index}", namespace=f"many-{index}", state=state)
        make_pod(
            world.cluster,
            f"many-{index}-0",
            namespace=f"many-{index}",
            node=f"many-{index}",
            owner_uid=workload.owner_uid,
        )
        AuditEvent.objects.create(kind="user.created", actor=user, actor_name=user.username, summary="…")
        ManagedObject.objects.create(
            cluster=world.cluster,
            owner="quota-tree-1",
            subject=f"quota-node-{index}",
            api_version="v1",
            kind="Namespace",
            name=f"many-{index}",
            state=SyncState.FAILED,
            since=timezone.now(),
        )


def count_queries(client: Client, path: str) -> int:
    client.get(path)  # Fills what is kept for a while, for these very rows.
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
        assert response.status_code in {200, 302}
    return len(captured)


@pytest.mark.parametrize("name", LISTS)
def test_a_list_costs_the_same_for_few_and_for_many_rows(name: str, world: World) -> None:
    client, path = Client(), reverse(name)
    client.force_login(world.admin)
    add_rows(world, range(3))
    few = count_queries(client, path)
    add_rows(world, range(3, 15))
    many = count_queries(client, path)
    assert many <= few, f"{few} queries for few rows, {many} for many"
    assert many <= BUDGET
