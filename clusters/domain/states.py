"""The closed sets of words about what is in a cluster."""

from __future__ import annotations

from enum import StrEnum


class WorkloadState(StrEnum):
    """Where a Kueue Workload stands. Reserved: it has quota and waits for checks; evicted: it lost its quota and waits again."""

    PENDING = "pending"
    RESERVED = "reserved"
    ADMITTED = "admitted"
    EVICTED = "evicted"
    FINISHED = "finished"
    FAILED = "failed"
