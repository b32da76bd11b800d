"""A head with what was found for it."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotas.domain.scheduling.assignment import Assignment, Mode
from quotas.domain.scheduling.victims import Target
from quotas.domain.scheduling.workloads import Workload


@dataclass(slots=True)
class Nomination:
    workload: Workload
    assignment: Assignment
    targets: list[Target] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, int, int, str]:
        """Who is processed first, without fair sharing: who borrows least, then priority, then age."""
        level = 0 if self.assignment.mode is Mode.NO_FIT else self.assignment.level
        return level, -self.workload.priority, self.workload.queue_time, self.workload.uid
