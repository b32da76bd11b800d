"""What the observer's writer does when database, lease or the writer itself fails under it. The clusters are not asked here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError
from django.utils import timezone

from clusters.kube.kinds import NODE, POD
from clusters.models import Cluster, Connection
from clusters.observe import flushing, writing
from clusters.observe.changes import Change, Pulse, Relisted
from clusters.observe.pending import PendingCluster
from clusters.observe.supervising import LEASE_SECONDS, Observer
from clusters.observe.writing import InventoryWriter
from tests.factories.clusters import make_cluster

AWAY = OperationalError("the connection is closed")


def pulse(cluster: Cluster, *, connection: Connection = Connection.UNREACHABLE) -> Pulse:
    return Pulse(cluster_id=cluster.pk, at=timezone.now(), connection=connection, message="no answer")


@pytest.mark.django_db
def test_what_a_rolled_back_batch_wrote_is_written_again(monkeypatch):
    cluster = make_cluster(total_capacity={"cpu": 1}, schedulable_capacity={"cpu": 1})
    pending = flushing.load_pending(cluster.pk)
    for kind in (NODE, POD):
        pending.note(Relisted(cluster_id=cluster.pk, kind=kind, uids=frozenset()))
    pending.note(pulse(cluster))
    with monkeypatch.context() as broken:
        broken.setattr(flushing, "_write_around", _fail_after(flushing._write_around))
        with pytest.raises(OperationalError):
            flushing.flush(pending)
    before = Cluster.objects.get()
    assert (before.total_capacity, before.connection) == ({"cpu": 1}, Connection.REACHABLE)
    flushing.flush(pending)
    after = Cluster.objects.get()
    assert (after.total_capacity, after.connection) == ({}, Connection.UNREACHABLE)
    assert after.connection_since != before.connection_since


def _fail_after(step: Callable[..., object]) -> Callable[..., object]:
    def run(*arguments: object) -> object:
        step(*arguments)
        raise AWAY

    return run


@pytest.mark.django_db
def test_a_batch_is_dropped_when_the_lease_ran_out_while_the_database_was_away(monkeypatch):
    """Somebody else may follow the cluster by now: what we have is old, and would stand until the next change."""
    leases = iter([True, False])
    writer = InventoryWriter(holds=lambda cluster_id: next(leases))
    pending = writer._clusters[7] = PendingCluster(cluster_id=7)
    pending.note(Pulse(cluster_id=7, at=timezone.now(), connection=Connection.REACHABLE))
    asked: list[PendingCluster] = []

    def flush(batch: PendingCluster) -> set[str]:
        asked.append(batch)
        assert len(asked) == 1, "written without a lease"
        raise AWAY

    monkeypatch.setattr(writing, "flush", flush)
    monkeypatch.setattr("clusters.observe.writing.time.sleep", lambda seconds: None)
    monkeypatch.setattr("clusters.observe.writing.connection.close", lambda: None)
    writer._flush_until_done()
    assert writer._clusters == {}


@pytest.mark.django_db
def test_an_observer_whose_writer_has_died_ends(monkeypatch):
    def fall(self: InventoryWriter, change: Change) -> None:
        raise TypeError("something nobody thought of")

    monkeypatch.setattr(InventoryWriter, "_note", fall)
    monkeypatch.setattr(threading, "excepthook", lambda told: None)
    observer = Observer(holder="test/0/0")
    observer._writer.accept(Pulse(cluster_id=7, at=timezone.now(), connection=Connection.REACHABLE))
    monkeypatch.setattr("clusters.observe.supervising.connection.close", lambda: None)
    with pytest.raises(RuntimeError, match="writer"):
        observer.run(threading.Event())


@pytest.mark.django_db
def test_a_new_cluster_prolongs_no_other_lease():
    first = make_cluster("first")
    observer = Observer(holder="test/0/0")
    observer._claim()
    soon = observer._leased_until[first.pk] = time.monotonic() + 1
    second = make_cluster("second")
    assert [cluster.pk for cluster in observer._claim()] == [first.pk, second.pk]
    assert observer._leased_until[first.pk] == soon
    assert observer._leased_until[second.pk] > time.monotonic() + LEASE_SECONDS - 1
