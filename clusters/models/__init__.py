"""Clusters, what was asked of them, and what is really there."""

from clusters.domain.states import WorkloadState
from clusters.models.cluster import Cluster, Connection
from clusters.models.intent import Intent
from clusters.models.inventory import (
    ObservedJob,
    ObservedNamespace,
    ObservedNode,
    ObservedPod,
    ObservedQueue,
    ObservedWorkload,
)
from clusters.models.sync import ManagedObject, SyncState

__all__ = [
    "Cluster",
    "Connection",
    "Intent",
    "ManagedObject",
    "ObservedJob",
    "ObservedNamespace",
    "ObservedNode",
    "ObservedPod",
    "ObservedQueue",
    "ObservedWorkload",
    "SyncState",
    "WorkloadState",
]
