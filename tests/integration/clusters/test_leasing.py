"""One reconciler at a time; the outcome of an attempt is kept on the row. On a quota tree, the first kind of intent there is."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from clusters.domain.conditions import SYNCED, find_condition
from clusters.domain.matching import ObjectKey
from clusters.models import SyncState
from clusters.reconcile import MatchResult, ObjectOutcome, lease, record_failure, record_result
from tests.factories.clusters import make_cluster
from tests.factories.quotas import make_tree

KEY = ObjectKey(api_version="v1", kind="Cohort", namespace="", name="a")


def outcome(state: SyncState, message: str = "") -> ObjectOutcome:
    return ObjectOutcome(key=KEY, subject="quota-node-1", state=state, message=message)


@pytest.mark.django_db
def test_a_lease_is_given_to_one_and_returned():
    tree = make_tree(make_cluster())
    with lease(tree, holder="a", seconds=60) as has_lease:
        assert has_lease
        with lease(tree, holder="b", seconds=60) as other:
            assert not other
        tree.refresh_from_db()
        assert tree.lease_holder == "a"
    with lease(tree, holder="b", seconds=60) as again:
        assert again


@pytest.mark.django_db
def test_a_lease_of_a_dead_worker_runs_out():
    tree = make_tree(make_cluster())
    type(tree).objects.update(lease_holder="dead", lease_until=timezone.now() - timedelta(seconds=1))
    with lease(tree, holder="b", seconds=60) as has_lease:
        assert has_lease


@pytest.mark.django_db
def test_a_lease_is_returned_after_a_crash_but_not_anothers():
    tree = make_tree(make_cluster())

    def crash() -> None:
        with lease(tree, holder="a", seconds=60):
            type(tree).objects.update(lease_holder="b")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    tree.refresh_from_db()
    assert tree.lease_holder == "b"


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_at_once_one_gets_the_lease():
    tree = make_tree(make_cluster())
    barrier, done = threading.Barrier(2), threading.Barrier(2)
    got: list[bool] = []

    def work(name: str) -> None:
        try:
            barrier.wait(timeout=10)
            with lease(tree, holder=name, seconds=60) as has_lease:
                got.append(has_lease)
                done.wait(timeout=10)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False, True]


@pytest.mark.django_db
def test_success_catches_up_and_forgets_the_attempts():
    tree, now = make_tree(make_cluster()), timezone.now()
    tree.generation, tree.attempts = 5, 3
    record_result(tree, generation=4, result=MatchResult(outcomes=(outcome(SyncState.SYNCED),)), now=now)
    tree.refresh_from_db()
    assert (tree.observed_generation, tree.attempts, tree.next_attempt_at, tree.synced_at) == (4, 0, None, now)
    condition = find_condition(tree.conditions, SYNCED)
    assert condition is not None
    assert (condition["status"], condition["reason"]) == ("True", "Synced")


@pytest.mark.django_db
def test_failure_keeps_the_generation_and_waits_longer_each_time():
    tree, now = make_tree(make_cluster()), timezone.now()
    before = tree.observed_generation
    result = MatchResult(outcomes=(outcome(SyncState.SYNCED), outcome(SyncState.FAILED, "refused")))
    for seconds in (2, 4, 8):
        record_result(tree, generation=9, result=result, now=now)
        assert tree.next_attempt_at == now + timedelta(seconds=seconds)
    tree.refresh_from_db()
    assert (tree.observed_generation, tree.attempts) == (before, 3)
    condition = find_condition(tree.conditions, SYNCED)
    assert condition is not None
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Failed", "Cohort a: refused")


@pytest.mark.django_db
def test_a_failure_before_the_cluster_is_recorded_too():
    tree, now = make_tree(make_cluster()), timezone.now()
    record_failure(tree, reason="Unbuildable", message="no", now=now, retry_after_seconds=30)
    assert tree.next_attempt_at == now + timedelta(seconds=30)


def test_the_gravest_state_names_the_result():
    result = MatchResult(
        outcomes=(outcome(SyncState.WAITING, "w"), outcome(SyncState.CONFLICT, "c"), outcome(SyncState.CONFLICT, "d"))
    )
    assert (result.is_synced, result.reason, result.message) == (False, "Conflict", "Cohort a: c (and 1 more)")
    gone = MatchResult(outcomes=(), is_complete=False, failure="no answer")
    assert (gone.is_synced, gone.reason, gone.message) == (False, "Unreachable", "no answer")
    assert MatchResult(outcomes=()).is_synced
