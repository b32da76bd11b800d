"""One batch of one cluster into the database. A row that the database refuses for its content is left out, never the whole batch."""

from __future__ import annotations

from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.utils import timezone

from aidashboard.kit.events import Topic
from clusters.domain.states import WorkloadState
from clusters.kube.kinds import JOB, LOCAL_QUEUE, WORKLOAD, Kind
from clusters.models import Cluster, ObservedJob, ObservedQueue, ObservedWorkload
from clusters.observe.pending import MODELS, TOPICS, PendingCluster, Values

_ROWS_PER_STATEMENT: Final = 500
_WAITING: Final = (WorkloadState.PENDING, WorkloadState.EVICTED)

log = structlog.get_logger(__name__)


def load_pending(cluster_id: int) -> PendingCluster:
    """What the rows of a cluster say, to begin with: after a restart nothing is written that is there already."""
    pending = PendingCluster(cluster_id=cluster_id)
    for kind, model in MODELS.items():
        of_kind = Q(kind=kind.name) if model is ObservedQueue else Q()
        rows = model._default_manager.filter(of_kind, cluster_id=cluster_id)
        pending.known[kind] = dict(rows.values_list("uid", "content_hash"))
    jobs = ObservedJob.objects.filter(cluster_id=cluster_id).exclude(submitted_by="")
    pending.users_by_job = dict(jobs.values_list("uid", "submitted_by"))
    places = ObservedQueue.objects.filter(cluster_id=cluster_id, kind=LOCAL_QUEUE.name)
    pending.queues_by_place = {
        (space, name): parent for space, name, parent in places.values_list("namespace", "name", "parent")
    }
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is not None:
        pending.written_capacity = (cluster.total_capacity, cluster.schedulable_capacity)
        pending.written_connection = cluster.connection
    return pending


def flush(pending: PendingCluster) -> set[Topic]:
    """Write what is unwritten; gives the topics that changed.

    Raises: OperationalError, InterfaceError when the database is away: nothing is lost, call again.
    """
    try:
        topics, written = _write_batch(pending)
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        if not Cluster.objects.filter(pk=pending.cluster_id).exists():
            pending.clear({})
            return set()
        log.exception("inventory_batch_refused", cluster_id=pending.cluster_id)
        topics, written = _write_singly(pending)
    pending.clear(written)
    return topics


def _write_batch(pending: PendingCluster) -> tuple[set[Topic], dict[Kind, list[Values]]]:
    written: dict[Kind, list[Values]] = {}
    with transaction.atomic():
        topics = _delete(pending)
        for kind in MODELS:
            rows = list(pending.list_changed(kind))
            if rows:
                _upsert(kind, rows, cluster_id=pending.cluster_id)
                written[kind] = rows
                topics.add(TOPICS[kind])
        topics |= _write_around(pending, written)
    return topics, written


def _write_singly(pending: PendingCluster) -> tuple[set[Topic], dict[Kind, list[Values]]]:
    """The same, a row at a time: slow, but one bad row costs only itself. It counts as written, or it would come again for ever."""
    written: dict[Kind, list[Values]] = {}
    topics = _delete(pending)
    for kind in MODELS:
        for row in pending.list_changed(kind):
            try:
                with transaction.atomic():
                    _upsert(kind, [row], cluster_id=pending.cluster_id)
            except (OperationalError, InterfaceError):
                raise
            except DatabaseError as error:
                log.error("object_not_written", kind=kind.name, name=row["name"], error=str(error).partition("\n")[0])
            written.setdefault(kind, []).append(row)
            topics.add(TOPICS[kind])
    return topics | _write_around(pending, written), written


def _delete(pending: PendingCluster) -> set[Topic]:
    topics = set()
    for kind, uids in pending.deletes.items():
        if uids:
            MODELS[kind]._default_manager.filter(cluster_id=pending.cluster_id, uid__in=uids).delete()
            topics.add(TOPICS[kind])
    return topics


def _upsert(kind: Kind, rows: list[Values], *, cluster_id: int) -> None:
    model = MODELS[kind]
    now = timezone.now()
    columns = [*rows[0], "observed_at"]
    model._default_manager.bulk_create(
        [model(cluster_id=cluster_id, observed_at=now, **row) for row in rows],
        batch_size=_ROWS_PER_STATEMENT,
        update_conflicts=True,
        unique_fields=["cluster", "uid"],
        update_fields=[column for column in columns if column != "uid"],
    )


def _write_around(pending: PendingCluster, written: dict[Kind, list[Values]]) -> set[Topic]:
    """What follows from the objects for other rows: columns of Workloads, and the Cluster itself."""
    topics = set()
    if _join_users(pending, written.get(JOB, [])) + _join_queues(pending):
        topics.add(TOPICS[WORKLOAD])
    if _write_capacity(pending):
        topics |= {Topic.CLUSTERS, Topic.QUOTAS}
    if _write_pulse(pending):
        topics.add(Topic.CLUSTERS)
    return topics


def _join_users(pending: PendingCluster, jobs: list[Values]) -> int:
    users = {job["uid"]: job["submitted_by"] for job in jobs if job["submitted_by"]}
    if not users:
        return 0
    workloads = ObservedWorkload.objects.filter(cluster_id=pending.cluster_id, owner_uid__in=users).only(
        "owner_uid", "submitted_by"
    )
    changed = [workload for workload in workloads if workload.submitted_by != users[workload.owner_uid]]
    for workload in changed:
        workload.submitted_by = users[workload.owner_uid]
    return (
        ObservedWorkload.objects.bulk_update(changed, ["submitted_by"], batch_size=_ROWS_PER_STATEMENT)
        if changed
        else 0
    )


def _join_queues(pending: PendingCluster) -> int:
    count = 0
    for namespace, name in pending.moved_places:
        parent = pending.queues_by_place[namespace, name]
        waiting = ObservedWorkload.objects.filter(
            cluster_id=pending.cluster_id, namespace=namespace, queue_name=name, state__in=_WAITING
        )
        count += waiting.filter(~Q(cluster_queue=parent)).update(cluster_queue=parent)
    return count


def _write_capacity(pending: PendingCluster) -> bool:
    capacity = pending.capacity.find_capacity()
    if capacity is None or capacity == pending.written_capacity:
        return False
    total, schedulable = capacity
    Cluster.objects.filter(pk=pending.cluster_id).update(total_capacity=total, schedulable_capacity=schedulable)
    return True


def _write_pulse(pending: PendingCluster) -> bool:
    """Whether the connection is another than before; that it is still alive is no news."""
    pulse = pending.pulse
    if pulse is None:
        return False
    is_news = pulse.connection != pending.written_connection
    columns: Values = {"connection": pulse.connection, "connection_message": pulse.message}
    if is_news:
        columns["connection_since"] = pulse.at
    if pulse.kubernetes_version:
        columns |= {
            "last_seen_at": pulse.at,
            "kubernetes_version": pulse.kubernetes_version,
            "kueue_version": pulse.kueue_version,
        }
    Cluster.objects.filter(pk=pending.cluster_id).update(**columns)
    return is_news
