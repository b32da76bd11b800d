"""What is really there, written by the observer alone. Amounts are integers in kit.quantity units, `{resource: int}`."""

from __future__ import annotations

from django.db import models

from clusters.domain.states import WorkloadState
from clusters.models.cluster import Cluster


class Observed(models.Model):
    """What every observed object has. `uid` is Kubernetes' own, unique in a cluster.

    `content_hash` is that of everything we keep of the object: a change that we do not keep (a heartbeat) writes no row.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="+")
    uid = models.CharField(max_length=64)
    name = models.CharField(max_length=253)
    resource_version = models.CharField(max_length=40)
    content_hash = models.CharField(max_length=32, blank=True)
    created_at = models.DateTimeField()
    observed_at = models.DateTimeField()

    class Meta:
        abstract = True
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["cluster", "uid"], name="%(class)s_uid_is_unique"),)


class ObservedNode(Observed):
    """A node. `reasons` lists in words why it can't take work: NotReady, cordoned, fewer GPUs allocatable than there are."""

    labels = models.JSONField(default=dict)
    taints = models.JSONField(default=list)
    capacity = models.JSONField(default=dict)
    allocatable = models.JSONField(default=dict)
    is_ready = models.BooleanField(default=False)
    is_cordoned = models.BooleanField(default=False)
    reasons = models.JSONField(default=list)
    ready_since = models.DateTimeField(null=True)
    internal_ip = models.CharField(max_length=64, blank=True)
    kubelet_version = models.CharField(max_length=60, blank=True)
    pool = models.CharField(max_length=120, blank=True)
    zone = models.CharField(max_length=120, blank=True)
    gpu_model = models.CharField(max_length=120, blank=True)
    gpu_capacity = models.PositiveIntegerField(default=0)
    gpu_allocatable = models.PositiveIntegerField(default=0)

    class Meta(Observed.Meta):
        abstract = False


class ObservedNamespace(Observed):
    labels = models.JSONField(default=dict)
    phase = models.CharField(max_length=30, blank=True)

    class Meta(Observed.Meta):
        abstract = False


class ObservedPod(Observed):
    """A pod that is bound to a node or belongs to a queue. Kept until Kubernetes deletes it; `is_terminating` once it is asked to go."""

    namespace = models.CharField(max_length=253, db_index=True)
    node_name = models.CharField(max_length=253, blank=True, db_index=True)
    phase = models.CharField(max_length=20)
    reason = models.CharField(max_length=120, blank=True)
    message = models.TextField(blank=True)
    is_terminating = models.BooleanField(default=False)
    is_queued = models.BooleanField(default=False)
    requests = models.JSONField(default=dict)
    gpu_request = models.PositiveIntegerField(default=0)
    owner_kind = models.CharField(max_length=80, blank=True)
    owner_name = models.CharField(max_length=253, blank=True)
    owner_uid = models.CharField(max_length=64, blank=True, db_index=True)
    started_at = models.DateTimeField(null=True)

    class Meta(Observed.Meta):
        abstract = False


class ObservedJob(Observed):
    """A batch/v1 Job."""

    namespace = models.CharField(max_length=253, db_index=True)
    queue_name = models.CharField(max_length=253, blank=True)
    submitted_by = models.CharField(max_length=253, blank=True)
    is_suspended = models.BooleanField(default=False)
    parallelism = models.PositiveIntegerField(default=1)
    active = models.PositiveIntegerField(default=0)
    ready = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)

    class Meta(Observed.Meta):
        abstract = False


class ObservedWorkload(Observed):
    """A Kueue Workload: a job with all its pods. `reason` and `message` are those of the condition that explains `state`."""

    namespace = models.CharField(max_length=253, db_index=True)
    owner_kind = models.CharField(max_length=80, blank=True)
    owner_name = models.CharField(max_length=253, blank=True)
    owner_uid = models.CharField(max_length=64, blank=True, db_index=True)
    submitted_by = models.CharField(max_length=253, blank=True)
    queue_name = models.CharField(max_length=253, blank=True)
    cluster_queue = models.CharField(max_length=253, blank=True, db_index=True)
    priority = models.IntegerField(default=0)
    state = models.CharField(
        max_length=20, choices=[(state.value, state.title()) for state in WorkloadState], db_index=True
    )
    reason = models.CharField(max_length=120, blank=True)
    message = models.TextField(blank=True)
    pod_count = models.PositiveIntegerField(default=1)
    requests = models.JSONField(default=dict)
    gpu_request = models.PositiveIntegerField(default=0)
    conditions = models.JSONField(default=list)
    state_since = models.DateTimeField(null=True)
    queued_at = models.DateTimeField(null=True)
    reserved_at = models.DateTimeField(null=True)
    admitted_at = models.DateTimeField(null=True)
    pods_ready_at = models.DateTimeField(null=True)
    evicted_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    evictions = models.PositiveIntegerField(default=0)

    class Meta(Observed.Meta):
        abstract = False
        indexes = (models.Index(fields=["cluster", "state"], name="workload_by_state"),)


class ObservedQueue(Observed):
    """A ClusterQueue, Cohort, LocalQueue or ResourceFlavor. `usage` and `borrowed` are `{resource: int}` summed over flavors."""

    kind = models.CharField(max_length=40, db_index=True)
    namespace = models.CharField(max_length=253, blank=True)
    parent = models.CharField(max_length=253, blank=True)
    owner = models.CharField(max_length=80, blank=True)
    is_active = models.BooleanField(default=True)
    reason = models.CharField(max_length=120, blank=True)
    message = models.TextField(blank=True)
    nominal = models.JSONField(default=dict)
    usage = models.JSONField(default=dict)
    reserved = models.JSONField(default=dict)
    borrowed = models.JSONField(default=dict)
    pending_workloads = models.PositiveIntegerField(default=0)
    admitted_workloads = models.PositiveIntegerField(default=0)

    class Meta(Observed.Meta):
        abstract = False
