"""Makes a cluster match its quota trees.

Builds what a tree wants by `backends.kueue`, lets `clusters.reconcile` do the rest, and writes the outcome back. One reconciler per
tree at a time (a lease), no transaction open while the cluster is asked, safe to break off anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.services import record_event
from aidashboard.kit.events import Topic, publish
from aidashboard.kit.quantity import QuantityError
from clusters.domain.conditions import LONGEST_PAUSE_SECONDS, SYNCED
from clusters.kube.kinds import CLUSTER_QUEUE, COHORT, LOCAL_QUEUE, NAMESPACE, RESOURCE_FLAVOR
from clusters.models import Cluster, Connection, ManagedObject, SyncState
from clusters.reconcile import Desired, MatchResult, lease, match_objects, record_failure, record_result
from quotas.backends import kueue
from quotas.domain.tree import TreeShapeError
from quotas.errors import TreeMissingError
from quotas.models import NamespaceBinding, QuotaNode, QuotaTree
from quotas.selectors.loading import find_capacity, load_tree, lock_tree
from quotas.selectors.sync import node_subject, tree_owner

LEASE_SECONDS: Final = (
    30  # a dead worker keeps a tree this long; a pass that takes longer may be doubled, which is safe
)
WAITING_PAUSE: Final = timedelta(seconds=10)
MOST_WAITING_ATTEMPTS: Final = 3
PRUNED_KINDS: Final = (COHORT, CLUSTER_QUEUE, NAMESPACE, LOCAL_QUEUE)
IMMUTABLE_IN_LOCAL_QUEUE: Final = ("spec.clusterQueue",)

# The cluster could not be reached and now can be: nobody should wait out a pause of minutes. Reachable since no longer than the longest
# pause before the next attempt means that it came back after the last one, or that attempts are still frequent anyway.
_CAME_BACK: Final = Q(
    conditions__contains=[{"type": SYNCED, "reason": "Unreachable"}],
    cluster__connection=Connection.REACHABLE,
    cluster__connection_since__gt=F("next_attempt_at") - timedelta(seconds=LONGEST_PAUSE_SECONDS),
)

log = structlog.get_logger(__name__)


def reconcile_tree(tree_id: int, *, holder: str) -> None:
    """Make the cluster match a tree, again and again until no newer generation is there.

    `holder` must differ for each attempt. Somebody else at work on the tree will see what we came for, so we leave.
    """
    generation = -1
    while True:
        row = QuotaTree.objects.filter(pk=tree_id).first()
        # A nudge that came while the lease was taken was dropped: hence the second look after each pass.
        if row is None or row.generation == generation:
            return
        with lease(row, holder=holder, seconds=LEASE_SECONDS) as has_lease:
            if not has_lease:
                return
            generation = _reconcile_once(tree_id)


def list_behind(*, now: datetime) -> list[int]:
    """Trees that want reconciling now: behind, due for another attempt, being deleted, or applied with another capacity."""
    wants = Q(generation__gt=F("observed_generation")) | Q(next_attempt_at__lte=now) | Q(deleting_at__isnull=False)
    wants |= ~Q(applied_capacity=F("cluster__schedulable_capacity")) | _CAME_BACK
    return list(_list_due(now).filter(wants).values_list("pk", flat=True))


def list_all(*, now: datetime) -> list[int]:
    """Every tree that is not waiting out a pause, or whose cluster came back meanwhile."""
    return list(_list_due(now).values_list("pk", flat=True))


def list_owned_by(owner: str) -> list[int]:
    """The trees behind an owner label: one, or for the flavor all of its cluster."""
    kind, _, number = owner.rpartition("-")
    if not number.isdecimal():
        return []
    field = {"quota-tree": "pk", "quota-flavor": "cluster"}.get(kind)
    return list(QuotaTree.objects.filter(**{field: int(number)}).values_list("pk", flat=True)) if field else []


def flavor_owner(cluster_id: int) -> str:
    """The ResourceFlavor belongs to all trees of a cluster, so it has an owner of its own."""
    return f"quota-flavor-{cluster_id}"


def _list_due(now: datetime) -> QuerySet[QuotaTree]:
    is_due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now) | _CAME_BACK
    is_free = Q(lease_until=None) | Q(lease_until__lt=now)
    return QuotaTree.objects.filter(is_due, is_free)


def _reconcile_once(tree_id: int) -> int:
    """One pass. Gives the generation that it was about."""
    row = QuotaTree.objects.select_related("cluster").filter(pk=tree_id).first()
    if row is None:
        return -1
    if row.deleting_at is not None:
        return _delete_from_cluster(row)
    # The nodes are read after the generation, so never older than it; and what is saved from now on is newer than this pass.
    started_at = timezone.now()
    generation, capacity = row.generation, find_capacity(row.cluster)
    try:
        objects = kueue.build_objects(load_tree(row), capacity=capacity, owner=tree_owner(row.pk))
    except (TreeShapeError, QuantityError) as error:
        record_failure(row, reason="Unbuildable", message=str(error), now=timezone.now())
        return generation
    result = _match(row.cluster, tree_owner(row.pk), [_want(item) for item in objects], now=started_at)
    _record(row, generation, result, started_at=started_at)
    if result.is_complete:
        QuotaTree.objects.filter(pk=row.pk).update(applied_capacity=row.cluster.schedulable_capacity)
    return generation


def _want(item: kueue.QueueObject) -> Desired:
    kind = item.manifest["kind"]
    return Desired(
        manifest=item.manifest,
        subject=node_subject(item.node),
        is_adopted=item.is_adopted,
        is_kept=kind == NAMESPACE.name,
        replaced_on=IMMUTABLE_IN_LOCAL_QUEUE if kind == LOCAL_QUEUE.name else (),
    )


def _match(cluster: Cluster, owner: str, desired: list[Desired], *, now: datetime) -> MatchResult:
    """First the flavor that every queue refers to, then the tree's own objects.

    `now` is when the nodes were read: what is changed later than an object was looked at is not in it yet.
    """
    flavor = match_objects(
        cluster=cluster,
        owner=flavor_owner(cluster.pk),
        desired=[Desired(manifest=kueue.build_flavor(owner=flavor_owner(cluster.pk)), subject="quota-flavor")],
        prune_kinds=(RESOURCE_FLAVOR,),
        now=now,
    )
    if not flavor.is_complete:
        # A cluster that hangs has cost us its whole deadline already; the tree's objects fare no better.
        _mark_unreachable(cluster, owner, flavor.failure)
        return flavor
    own = match_objects(cluster=cluster, owner=owner, desired=desired, prune_kinds=PRUNED_KINDS, now=now)
    return _join(flavor, own)


def _mark_unreachable(cluster: Cluster, owner: str, message: str) -> None:
    rows = ManagedObject.objects.filter(cluster=cluster, owner=owner)
    rows.exclude(state=SyncState.UNREACHABLE).update(state=SyncState.UNREACHABLE, message=message, since=timezone.now())


def _join(first: MatchResult, second: MatchResult) -> MatchResult:
    return replace(
        second,
        outcomes=(*first.outcomes, *second.outcomes),
        pruned=(*first.pruned, *second.pruned),
        retry_after_seconds=max(first.retry_after_seconds, second.retry_after_seconds),
        is_complete=first.is_complete and second.is_complete,
        failure=first.failure or second.failure,
    )


def _record(row: QuotaTree, generation: int, result: MatchResult, *, started_at: datetime) -> None:
    record_result(row, generation=generation, result=result, now=started_at)
    if result.reason == "Waiting" and row.next_attempt_at is not None:
        # It is not the cluster that fails: something there has to finish, and may do so any moment. However long that takes, a
        # failure afterwards is among the first.
        row.attempts = min(row.attempts, MOST_WAITING_ATTEMPTS)
        row.next_attempt_at = min(row.next_attempt_at, timezone.now() + WAITING_PAUSE)
        row.save(update_fields=["attempts", "next_attempt_at"])
    healed = [f"{outcome.key}: {outcome.message}" for outcome in result.healed]
    if healed:
        with transaction.atomic():
            record_event(
                "quota-tree.drift-healed",
                by=None,
                about=row,
                summary=_describe_healing(row, [str(outcome.key) for outcome in result.healed]),
                details={"objects": healed},
            )
    publish({Topic.SYNC, Topic.QUOTAS}, cluster_id=row.cluster_id)


def _describe_healing(row: QuotaTree, names: list[str]) -> str:
    if len(names) == 1:
        return f"{row.name}: {names[0]}, which somebody had changed in {row.cluster.name}, was put back"
    return f"{row.name}: {len(names)} objects that somebody had changed in {row.cluster.name} were put back"


def _delete_from_cluster(row: QuotaTree) -> int:
    """Take everything of a tree out of its cluster; once nothing is left, forget the rows."""
    generation, cluster, started_at = row.generation, row.cluster, timezone.now()
    own = match_objects(
        cluster=cluster, owner=tree_owner(row.pk), desired=[], prune_kinds=PRUNED_KINDS, now=timezone.now()
    )
    result = own
    if own.is_complete and not QuotaTree.objects.filter(cluster=cluster).exclude(pk=row.pk).exists():
        flavor = match_objects(
            cluster=cluster,
            owner=flavor_owner(cluster.pk),
            desired=[],
            prune_kinds=(RESOURCE_FLAVOR,),
            now=timezone.now(),
        )
        result = _join(flavor, own)
    if result.is_complete and not result.outcomes:
        _forget(row)
    else:
        _record(row, generation, result, started_at=started_at)
    return generation


def _forget(row: QuotaTree) -> None:
    with transaction.atomic():
        try:
            locked = lock_tree(row.pk)
        except TreeMissingError:
            return  # a pass that outlived its lease was doubled, and the other one was quicker
        nodes = list(load_tree(locked).walk())
        record_event(
            "quota-tree.deleted",
            by=None,
            about=locked,
            summary=f"Quota tree {locked.name} is gone from {locked.cluster.name}",
            details={"nodes": [node.name for node in nodes]},
        )
        NamespaceBinding.objects.filter(node__tree=locked).delete()
        _delete_nodes(reversed([int(node.key) for node in nodes]))
        locked.delete()
    publish({Topic.SYNC, Topic.QUOTAS}, cluster_id=row.cluster_id)
    log.info("tree_deleted", tree=row.pk, cluster=row.cluster.name)


def _delete_nodes(ids: Iterable[int]) -> None:
    """Children first: a parent is protected by them."""
    for number in ids:
        QuotaNode.objects.filter(pk=number).delete()
