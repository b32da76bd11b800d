"""When a team submits its next job: often enough to keep what it asks for busy, never more than the bounds allow. Pure."""

from __future__ import annotations

from typing import Final

from sandbox.demand import JobPlan, hours_until_next, plan_job
from sandbox.driver.census import Census
from sandbox.scenario.model import Pace, Scenario, Team

# Starting as if the team had been at work for a while, so that the cluster is full within a minute and not within hours.
HEAD_START_HOURS: Final = 2.5
# Long enough for the head start to be submitted, a few jobs at a time.
SETTLING_HOURS: Final = 0.3


class TeamPace:
    """The place of one team in its own sequence of jobs. Times are hours of lab time."""

    def __init__(self, scenario: Scenario, team: Team, *, seed: int, now: float) -> None:
        self.team = team
        self._scenario = scenario
        self._seed = seed
        self._number = 0
        self._next_at = now - HEAD_START_HOURS
        self._settled_at = now + SETTLING_HOURS

    def next_job(self, census: Census, *, now: float) -> JobPlan | None:
        """The job that is due, or None: nothing is, or a bound is reached. Call `submitted` when it was."""
        if self._next_at > now:
            return None
        plan = plan_job(self._scenario, self.team, self._number, seed=self._seed)
        if _is_bounded(self._scenario.pace, census, plan):
            # What could not be asked for is forgotten, or a long jam would end in a flood.
            if now > self._settled_at:
                self._next_at = now
            return None
        return plan

    def submitted(self, plan: JobPlan, *, now: float) -> None:
        self._number += 1
        self._next_at += hours_until_next(self._scenario, plan, at_hours=now)


def _is_bounded(pace: Pace, census: Census, plan: JobPlan) -> bool:
    return (
        census.waiting.get(plan.team.namespace, 0) >= pace.max_waiting_per_team
        or census.jobs >= pace.max_jobs
        or census.pods + plan.pods > pace.max_pods
    )
