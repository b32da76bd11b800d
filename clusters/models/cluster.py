"""The registry of clusters and what the observer knows of each."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models


class Connection(models.TextChoices):
    """How the last attempt to talk to the API server ended."""

    UNKNOWN = "unknown"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"


NAME_VALIDATOR = RegexValidator(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z",
    "use lower-case letters, digits and hyphens, with a letter or digit at both ends",
)


class Cluster(models.Model):
    """A Kubernetes cluster, reached by a URL and a credential that is encrypted at rest.

    The amounts in `total_capacity` and `schedulable_capacity` are `{resource: int}` in kit.quantity units; schedulable is the
    allocatable of Ready, uncordoned nodes less what pods outside Kueue hold.
    """

    name = models.CharField(max_length=63, unique=True, validators=[NAME_VALIDATOR])
    display_name = models.CharField(max_length=120, blank=True)
    api_server_url = models.URLField(max_length=500)
    certificate_authority = models.TextField(blank=True)
    tls_server_name = models.CharField(max_length=253, blank=True)
    credential = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)

    connection = models.CharField(max_length=20, choices=Connection.choices, default=Connection.UNKNOWN)
    connection_message = models.TextField(blank=True)
    connection_since = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    kubernetes_version = models.CharField(max_length=60, blank=True)
    kueue_version = models.CharField(max_length=60, blank=True)
    total_capacity = models.JSONField(default=dict)
    schedulable_capacity = models.JSONField(default=dict)

    observer_holder = models.CharField(max_length=100, blank=True)
    observer_lease_until = models.DateTimeField(null=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
