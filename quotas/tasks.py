"""Celery's door to reconciling quota trees. Tasks take ids, may run twice at once, and lose nothing when they are lost."""

from __future__ import annotations

from celery import Task, shared_task
from django.dispatch import receiver
from django.utils import timezone

from clusters.signals import retry_requested
from quotas import reconcile


@shared_task(name="quotas.reconcile_tree", bind=True, time_limit=300, soft_time_limit=240)
def reconcile_tree(self: Task[[int], None], tree_id: int) -> None:
    """Make the cluster match a tree."""
    reconcile.reconcile_tree(tree_id, holder=f"{self.request.hostname}:{self.request.id}")


@shared_task(name="quotas.sweep_behind", time_limit=30, expires=5)
def sweep_behind() -> None:
    """Reconcile every tree that is behind: a lost nudge, a failed attempt whose pause is over, capacity that changed."""
    for tree_id in reconcile.list_behind(now=timezone.now()):
        # The next sweep asks again: while no worker is there, requests must not pile up.
        reconcile_tree.apply_async((tree_id,), expires=10)


@shared_task(name="quotas.sweep_drift", time_limit=60, expires=60)
def sweep_drift() -> None:
    """Compare every tree with its cluster: somebody may have edited or deleted an object by hand."""
    for tree_id in reconcile.list_all(now=timezone.now()):
        reconcile_tree.apply_async((tree_id,), expires=60)


@receiver(retry_requested)
def retry_owner(*, owner: str, **_: object) -> None:
    """A person wants an object of a tree tried again now."""
    for tree_id in reconcile.list_owned_by(owner):
        reconcile_tree.delay(tree_id)
