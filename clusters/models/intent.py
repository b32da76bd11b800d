"""What every row that asks something of a cluster carries."""

from __future__ import annotations

from django.db import models


class Intent(models.Model):
    """A wish with its outcome: in step when `observed_generation` has caught up with `generation`.

    `conditions` holds a list of `{"type", "status", "reason", "message", "since"}`, one per type, as Kubernetes conditions do.
    The lease keeps two workers from reconciling one row at once; it runs out by itself when a worker dies.
    """

    generation = models.PositiveBigIntegerField(default=1)
    observed_generation = models.PositiveBigIntegerField(default=0)
    synced_at = models.DateTimeField(null=True)
    deleting_at = models.DateTimeField(null=True)
    conditions = models.JSONField(default=list)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    lease_holder = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    @property
    def is_behind(self) -> bool:
        return self.observed_generation < self.generation
