"""One row per Kubernetes object that we keep in a cluster, and whether it is as asked."""

from __future__ import annotations

from django.db import models

from clusters.models.cluster import Cluster


class SyncState(models.TextChoices):
    """Synced: as asked. Drifted: somebody else changed it. Conflict: it exists and is not ours. Failed: the cluster refused."""

    SYNCED = "synced"
    SYNCING = "syncing"
    WAITING = "waiting"
    DRIFTED = "drifted"
    CONFLICT = "conflict"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


class ManagedObject(models.Model):
    """`owner` is the label value on the object (`quota-tree-3`), `subject` the row it stands for (`quota-node-17`).

    `differences` is a list of `{"path", "wanted", "found"}`: where it drifts, or, once healed, where it did. `applied_hash` is
    that of the manifest that the cluster last took from us: with it, an edit by hand is told from a change of ours.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="managed_objects")
    owner = models.CharField(max_length=80)
    subject = models.CharField(max_length=80)
    api_version = models.CharField(max_length=80)
    kind = models.CharField(max_length=80)
    namespace = models.CharField(max_length=253, blank=True)
    name = models.CharField(max_length=253)
    state = models.CharField(max_length=20, choices=SyncState.choices, default=SyncState.SYNCING)
    message = models.TextField(blank=True)
    differences = models.JSONField(default=list)
    since = models.DateTimeField()
    checked_at = models.DateTimeField(null=True)
    applied_hash = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("kind", "namespace", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["cluster", "api_version", "kind", "namespace", "name"], name="one_row_per_managed_object"
            ),
        )
        indexes = (
            models.Index(fields=["cluster", "owner"], name="managed_by_owner"),
            models.Index(fields=["cluster", "state"], name="managed_by_state"),
        )

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind} {place}"
