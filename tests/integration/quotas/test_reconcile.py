"""When a tree is reconciled, by whom, and what is written when the cluster cannot be asked. The cluster itself: tests/cluster/quotas."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from clusters.domain.matching import ObjectKey
from clusters.models import Cluster, Connection, ManagedObject, SyncState
from clusters.reconcile import MatchResult, lease
from clusters.reconcile.matching import ObjectOutcome
from clusters.services import retry_managed_object
from quotas import reconcile, selectors, tasks
from quotas.models import QuotaTree
from tests.factories.clusters import make_managed_object
from tests.integration.quotas.conftest import CAPACITY, Example

pytestmark = pytest.mark.django_db


def set_fields(example: Example, **fields: object) -> None:
    QuotaTree.objects.filter(pk=example.tree.pk).update(**fields)


def set_in_step(example: Example, **fields: object) -> None:
    """As after a successful pass."""
    set_fields(example, observed_generation=2, applied_capacity=CAPACITY, next_attempt_at=None, attempts=0, **fields)


def list_behind() -> list[int]:
    return reconcile.list_behind(now=timezone.now())


def test_a_tree_in_step_wants_nothing(example: Example):
    set_in_step(example)
    assert list_behind() == []
    assert reconcile.list_all(now=timezone.now()) == [example.tree.pk]


def test_a_lost_nudge_is_made_good_by_the_sweep(example: Example, nudges: list[int]):
    set_in_step(example, generation=3)
    nudges.clear()
    tasks.sweep_behind.apply()
    assert nudges == [example.tree.pk]


def test_the_slow_sweep_looks_at_every_tree(example: Example, nudges: list[int]):
    set_in_step(example)
    nudges.clear()
    tasks.sweep_drift.apply()
    assert nudges == [example.tree.pk]


def test_changed_capacity_asks_for_another_pass(example: Example, cluster: Cluster):
    set_in_step(example)
    Cluster.objects.filter(pk=cluster.pk).update(schedulable_capacity={**CAPACITY, "cpu": 32_000})
    assert list_behind() == [example.tree.pk]


def test_a_failed_attempt_waits_out_its_pause(example: Example):
    now = timezone.now()
    set_in_step(example, generation=3)
    set_fields(example, next_attempt_at=now + timedelta(seconds=30))
    assert list_behind() == []
    assert reconcile.list_all(now=now) == []
    set_fields(example, next_attempt_at=now - timedelta(seconds=1))
    assert list_behind() == [example.tree.pk]


def test_a_cluster_that_came_back_is_not_kept_waiting(example: Example, cluster: Cluster):
    """The pauses between attempts grow to five minutes while a cluster is away."""
    tasks.reconcile_tree.apply((example.tree.pk,)).get()
    now = timezone.now()
    set_fields(example, applied_capacity=CAPACITY, next_attempt_at=now + timedelta(seconds=250))
    away = Cluster.objects.filter(pk=cluster.pk)
    for connection, minutes_ago, expected in (
        (Connection.UNREACHABLE, 0, []),
        (Connection.REACHABLE, 10, []),
        (Connection.REACHABLE, 0, [example.tree.pk]),
    ):
        away.update(connection=connection, connection_since=now - timedelta(minutes=minutes_ago))
        assert list_behind() == expected
        assert reconcile.list_all(now=now) == expected


def test_waiting_for_something_in_the_cluster_does_not_lengthen_the_pauses(example: Example):
    key = ObjectKey(api_version="v1", kind="Namespace", namespace="", name="x")
    waiting = ObjectOutcome(key=key, subject="", state=SyncState.WAITING, message="It is being deleted.")
    for _ in range(12):
        tree = QuotaTree.objects.get()
        reconcile._record(tree, 2, MatchResult(outcomes=(waiting,)), started_at=timezone.now())
    tree = QuotaTree.objects.get()
    assert tree.attempts <= reconcile.MOST_WAITING_ATTEMPTS
    assert tree.next_attempt_at is not None
    assert tree.next_attempt_at <= timezone.now() + reconcile.WAITING_PAUSE


def test_a_tree_is_forgotten_once_however_many_passes_find_it_gone(example: Example):
    for _ in range(2):
        reconcile._forget(example.tree)
    assert not QuotaTree.objects.exists()
    assert AuditEvent.objects.filter(kind="quota-tree.deleted").count() == 1


def test_a_tree_that_is_being_deleted_is_looked_at_again_and_again(example: Example):
    set_in_step(example, deleting_at=timezone.now())
    assert list_behind() == [example.tree.pk]


def test_a_tree_that_somebody_reconciles_is_left_to_them(example: Example):
    set_in_step(example, generation=3)
    with lease(example.tree, holder="other", seconds=30) as has_lease:
        assert has_lease
        assert list_behind() == []
        reconcile.reconcile_tree(example.tree.pk, holder="me")
        assert QuotaTree.objects.get().observed_generation == 2


def test_an_unreachable_cluster_leaves_intent_and_says_so(example: Example):
    """The stored credential of the factory cannot be opened: nothing can be asked at all."""
    tasks.reconcile_tree.apply((example.tree.pk,)).get()
    tree = QuotaTree.objects.get()
    assert (tree.observed_generation, tree.attempts) == (0, 1)
    assert tree.next_attempt_at is not None
    assert (tree.lease_holder, tree.lease_until) == ("", None)
    assert tree.conditions[0]["reason"] == "Unreachable"
    assert selectors.summarise_tree_sync(tree).state == SyncState.UNREACHABLE
    view = selectors.build_usage(tree).find(example.nodes["a1"].pk)
    assert view is not None
    assert view.sync is not None
    assert view.sync.state == SyncState.UNREACHABLE


def test_objects_that_were_synced_show_that_their_cluster_is_away(example: Example):
    owner = f"quota-tree-{example.tree.pk}"
    managed = make_managed_object(example.tree.cluster, "root-a-a1", owner=owner)
    tasks.reconcile_tree.apply((example.tree.pk,)).get()
    assert ManagedObject.objects.get(pk=managed.pk).state == SyncState.UNREACHABLE


def test_a_tree_that_cannot_be_built_fails_loudly(example: Example):
    example.nodes["a1"].min = {"cpu": "broken"}
    example.nodes["a1"].save(update_fields=["min"])
    reconcile.reconcile_tree(example.tree.pk, holder="me")
    tree = QuotaTree.objects.get()
    assert tree.conditions[0]["reason"] == "Unbuildable"
    assert "'broken'" in tree.conditions[0]["message"]
    assert selectors.summarise_tree_sync(tree).state == SyncState.FAILED


def test_a_tree_that_is_gone_is_no_error(db: None):
    tasks.reconcile_tree.apply((987654,)).get()


@pytest.mark.django_db(transaction=True)
def test_trying_one_object_again_reconciles_its_tree(example: Example, nudges: list[int]):
    owners = (
        f"quota-tree-{example.tree.pk}",
        f"quota-flavor-{example.tree.cluster_id}",
        "somebody-else",
        "quota-tree-x",
    )
    for number, owner in enumerate(owners):
        nudges.clear()
        managed = make_managed_object(example.tree.cluster, f"queue-{number}", owner=owner)
        retry_managed_object(managed=managed, by=example.admin)
        assert nudges == ([example.tree.pk] if number < 2 else [])
