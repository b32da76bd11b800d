"""The time line of a workload, from the moments that the observer kept."""

from __future__ import annotations

from datetime import datetime

from clusters.models import ObservedWorkload
from workloads.domain.views import Step, TimelineStep


def build_timeline(row: ObservedWorkload) -> tuple[TimelineStep, ...]:
    """The stations in the order they were reached, then those still ahead (`at` None). An eviction is there only if there was one."""
    moments: list[tuple[Step, datetime | None]] = [
        (Step.CREATED, row.created_at),
        (Step.QUEUED, row.queued_at),
        (Step.RESERVED, row.reserved_at),
        (Step.ADMITTED, row.admitted_at),
        (Step.PODS_READY, row.pods_ready_at),
        (Step.FINISHED, row.finished_at),
    ]
    if row.evicted_at is not None:
        moments.append((Step.EVICTED, row.evicted_at))
    # The sort is stable: stations of the same second stay in their natural order.
    reached = sorted(((step, at) for step, at in moments if at is not None), key=lambda item: item[1])
    steps: list[TimelineStep] = []
    before: datetime | None = None
    for step, at in reached:
        after = None if before is None else (at - before).total_seconds()
        steps.append(TimelineStep(step=step, at=at, after_seconds=after))
        before = at
    if row.finished_at is None:
        steps += [TimelineStep(step=step, at=None, after_seconds=None) for step, at in moments if at is None]
    return tuple(steps)
