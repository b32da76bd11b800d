"""Reads: narrowed as asked, and in few queries however much there is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters import selectors
from clusters.errors import ClusterMissingError, ManagedObjectMissingError, NodeMissingError
from clusters.models import SyncState
from tests.factories.clusters import make_cluster, make_managed_object, make_namespace, make_node

pytestmark = pytest.mark.django_db


def test_the_default_cluster_is_the_first_by_name():
    assert selectors.find_default_cluster() is None
    make_cluster("b")
    make_cluster("a")
    found = selectors.find_default_cluster()
    assert found is not None
    assert found.name == "a"
    assert [cluster.name for cluster in selectors.list_clusters()] == ["a", "b"]


def test_what_is_not_there_is_missing():
    cluster = make_cluster()
    with pytest.raises(ClusterMissingError):
        selectors.get_cluster(name="none")
    with pytest.raises(NodeMissingError):
        selectors.get_node(cluster, name="none")
    with pytest.raises(ManagedObjectMissingError):
        selectors.get_managed_object(object_id=0)


def names(nodes) -> list[str]:
    return [node.name for node in nodes]


def test_nodes_are_narrowed_and_ordered():
    cluster, other = make_cluster("a"), make_cluster("b")
    make_node(cluster, "gpu-1", zone="east", is_ready=False)
    make_node(cluster, "gpu-2", pool="a100", is_cordoned=True, gpus=4)
    make_node(cluster, "cpu-1", gpu_model="", gpus=0)
    make_node(other, "gpu-3")
    assert names(selectors.list_nodes(cluster)) == ["cpu-1", "gpu-1", "gpu-2"]
    assert names(selectors.list_nodes(cluster, search="gpu-")) == ["gpu-1", "gpu-2"]
    assert names(selectors.list_nodes(cluster, search="A100")) == ["gpu-2"]
    assert names(selectors.list_nodes(cluster, zone="east")) == ["gpu-1"]
    assert names(selectors.list_nodes(cluster, is_ready=False)) == ["gpu-1"]
    assert names(selectors.list_nodes(cluster, is_cordoned=True, pool="a100")) == ["gpu-2"]
    assert names(selectors.list_nodes(cluster, ordering="-gpu_capacity")) == ["gpu-1", "gpu-2", "cpu-1"]
    assert names(selectors.list_nodes(cluster, ordering="credential")) == ["cpu-1", "gpu-1", "gpu-2"]
    assert selectors.get_node(cluster, name="gpu-1").zone == "east"


def test_namespaces_are_searched():
    cluster = make_cluster()
    for name in ("team-a", "team-b", "kube-system"):
        make_namespace(cluster, name)
    assert [space.name for space in selectors.list_namespaces(cluster, search="team")] == ["team-a", "team-b"]


def test_the_summary_counts_states_in_one_query(django_assert_num_queries):
    cluster = make_cluster()
    long_ago = timezone.now() - timedelta(hours=1)
    make_managed_object(cluster, "a", checked_at=long_ago)
    make_managed_object(cluster, "b")
    make_managed_object(cluster, "c", state=SyncState.DRIFTED)
    make_managed_object(cluster, "d", state=SyncState.WAITING)
    make_managed_object(make_cluster("other"), "e", state=SyncState.FAILED)
    with django_assert_num_queries(1):
        summary = selectors.summarise_sync(cluster)
    assert summary.counts == {SyncState.SYNCED: 2, SyncState.DRIFTED: 1, SyncState.WAITING: 1}
    assert (summary.total, summary.in_trouble, summary.is_matching) == (4, 1, False)
    assert summary.oldest_check_at == long_ago
    assert selectors.summarise_sync().total == 5


def test_no_objects_match_trivially():
    summary = selectors.summarise_sync(make_cluster())
    assert (summary.total, summary.is_matching, summary.oldest_check_at) == (0, True, None)


def test_managed_objects_are_narrowed_in_one_query(django_assert_num_queries):
    cluster = make_cluster()
    make_managed_object(cluster, "a", kind="LocalQueue", namespace="team-a", state=SyncState.CONFLICT)
    make_managed_object(cluster, "b")
    make_managed_object(make_cluster("other"), "a2", owner="quota-tree-9")

    def found(**options) -> list[str]:
        return [item.name for item in selectors.list_managed_objects(**options)]

    assert found(cluster=cluster) == ["b", "a"]
    assert found(states=(SyncState.CONFLICT, SyncState.FAILED)) == ["a"]
    assert found(kind="LocalQueue") == ["a"]
    assert found(search="team") == ["a"]
    assert found(owner="quota-tree-9") == ["a2"]
    with django_assert_num_queries(1):
        assert {item.cluster.name for item in selectors.list_managed_objects()} == {"prod-a", "other"}
