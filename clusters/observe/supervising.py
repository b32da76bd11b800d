"""Which clusters this process follows: leases them in the database, starts and stops their followers, notices every change in time.

Several observers share the clusters: who holds a cluster's lease follows it. A lease that is not renewed runs out, and another observer,
or the same one started again, takes over.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from django.db import Error as AnyDatabaseError
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from aidashboard.kit.errors import AppError
from clusters.credentials import decrypt_access
from clusters.kube.errors import KubeError
from clusters.models import Cluster, Connection
from clusters.observe.changes import Pulse
from clusters.observe.following import ClusterFollower
from clusters.observe.writing import InventoryWriter

POLL_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 12
RENEW_SECONDS: Final = 3.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Held:
    """A cluster whose lease we hold. No follower when its credential can't be used."""

    version: int
    follower: ClusterFollower | None


class Observer:
    """The whole process. `run` blocks until `until` is set, then gives the leases back."""

    def __init__(self, *, holder: str = "") -> None:
        self.holder = holder or build_holder()
        self._held: dict[int, _Held] = {}
        self._leased_until: dict[int, float] = {}
        self._renewed_at = 0.0
        self._writer = InventoryWriter(holds=self._holds)

    def run(self, until: threading.Event) -> None:
        log.info("observer_started", holder=self.holder)
        self._writer.start()
        try:
            while not until.is_set():
                if not self._writer.is_alive:
                    # Going on would look well and write nothing. Whoever started this process starts it again.
                    raise RuntimeError("the writer of the inventory has died")
                self._poll()
                until.wait(POLL_SECONDS)
        finally:
            for cluster_id in list(self._held):
                self._leave(cluster_id)
            self._writer.stop()
            self._give_back()
            log.info("observer_stopped", holder=self.holder)

    def _holds(self, cluster_id: int) -> bool:
        """Whether our lease is still good, by a clock that does not jump. Called by the writer's thread."""
        return self._leased_until.get(cluster_id, 0.0) > time.monotonic()

    def _poll(self) -> None:
        # After a lapse (this process was stopped, or the database was away) changes have been dropped: list afresh.
        lapsed = {cluster_id for cluster_id in self._held if not self._holds(cluster_id)}
        try:
            self._renew()
            clusters = self._claim()
        except AnyDatabaseError as error:
            # Followers go on; when it lasts longer than the lease, their changes are dropped and listed afresh later.
            log.warning("leases_not_renewed", error=str(error).partition("\n")[0])
            connection.close()
            return
        wanted = {cluster.pk: cluster for cluster in clusters}
        for cluster_id, held in list(self._held.items()):
            cluster = wanted.get(cluster_id)
            if cluster is None or cluster.version != held.version or cluster_id in lapsed:
                self._leave(cluster_id)
        for cluster in clusters:
            if cluster.pk not in self._held:
                self._follow(cluster)

    def _renew(self) -> None:
        """Prolong what we hold, in time for two renewals to fail."""
        now = time.monotonic()
        if now - self._renewed_at < RENEW_SECONDS:
            return
        mine = Cluster.objects.filter(observer_holder=self.holder, observer_lease_until__gt=Now())
        mine.update(observer_lease_until=Now() + timedelta(seconds=LEASE_SECONDS))
        self._renewed_at = now
        for cluster_id in mine.values_list("pk", flat=True):
            self._leased_until[cluster_id] = now + LEASE_SECONDS

    def _claim(self) -> Sequence[Cluster]:
        """Take the clusters that nobody follows; gives all that are ours."""
        now = time.monotonic()
        is_free = (
            Q(observer_lease_until=None)
            | Q(observer_lease_until__lt=Now())
            | Q(observer_holder__in=_list_dead_holders(self.holder))
        )
        taken = Cluster.objects.filter(is_free).update(
            observer_holder=self.holder, observer_lease_until=Now() + timedelta(seconds=LEASE_SECONDS)
        )
        ours = list(Cluster.objects.filter(observer_holder=self.holder, observer_lease_until__gt=Now()))
        if taken:
            for cluster in ours:
                # Those that we held before were not prolonged by this: they end when `_renew` said.
                if not self._holds(cluster.pk):
                    self._leased_until[cluster.pk] = now + LEASE_SECONDS
        return ours

    def _follow(self, cluster: Cluster) -> None:
        self._writer.forget(cluster.pk)
        follower = None
        try:
            follower = ClusterFollower(
                cluster_id=cluster.pk, name=cluster.name, access=decrypt_access(cluster), sink=self._writer.accept
            )
            follower.start()
        except (AppError, KubeError) as error:
            log.error("cluster_not_followed", cluster=cluster.name, error=error.message)
            self._writer.accept(
                Pulse(
                    cluster_id=cluster.pk, at=timezone.now(), connection=Connection.UNAUTHORIZED, message=error.message
                )
            )
        self._held[cluster.pk] = _Held(version=cluster.version, follower=follower)

    def _leave(self, cluster_id: int) -> None:
        held = self._held.pop(cluster_id)
        if held.follower is not None:
            held.follower.stop()

    def _give_back(self) -> None:
        """So that another observer need not wait for the leases to run out."""
        try:
            Cluster.objects.filter(observer_holder=self.holder).update(observer_holder="", observer_lease_until=None)
        except AnyDatabaseError:
            log.warning("leases_not_given_back")
        finally:
            connection.close()


def build_holder() -> str:
    """`host/pid/start`: unique for each process that ever ran on a host."""
    return f"{socket.gethostname()[:60]}/{os.getpid()}/{int(time.time())}"


def _list_dead_holders(own: str) -> list[str]:
    """Holders of this host whose process is gone: an observer that was killed need not be waited for."""
    dead = []
    for holder in Cluster.objects.exclude(observer_holder="").values_list("observer_holder", flat=True).distinct():
        host, _, rest = holder.partition("/")
        pid = rest.partition("/")[0]
        if host != socket.gethostname()[:60] or not pid.isdigit() or holder == own:
            continue
        # A container gives the same number to the observer before and after a restart.
        if int(pid) == os.getpid() or not _is_running(int(pid)):
            dead.append(holder)
    return dead


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
