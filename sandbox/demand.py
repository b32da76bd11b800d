"""What the teams of a scenario ask for, and when: pure functions of the scenario, its seed and a running number.

The history is made of the same jobs as the live load, so both look alike. Times are in hours of lab time.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from sandbox.scenario.model import JobTemplate, Scenario, StandingKind, StandingTemplate, Team

# Even a team in its lowest ebb asks for something now and then.
LEAST_GPUS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """One job to submit. `fails_after_hours` is None for a job that succeeds."""

    team: Team
    user: str
    number: int
    template: JobTemplate
    pods: int
    hours: float
    fails_after_hours: float | None

    @property
    def gpus(self) -> int:
        return self.pods * self.template.shape.gpus

    @property
    def running_hours(self) -> float:
        return self.hours if self.fails_after_hours is None else self.fails_after_hours


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPlan:
    """A notebook or a service that is there all day."""

    team: Team
    user: str
    name: str
    template: StandingTemplate

    @property
    def gpus(self) -> int:
        return self.template.replicas * self.template.shape.gpus


def plan_job(scenario: Scenario, team: Team, number: int, *, seed: int) -> JobPlan:
    """The `number`-th job of a team. The same arguments give the same job."""
    chance = random.Random(f"{seed}/{team.name}/{number}")
    # Weights are shares of GPU-hours: a job that takes more of them has to come less often.
    fitting = [
        (job, [pods for pods in job.pods if pods * job.shape.gpus <= team.ceiling_gpus])
        for job in scenario.profiles[team.profile].jobs
    ]
    choices = [(job, pods) for job, pods in fitting if pods]
    if not choices:
        raise ValueError(f"no job of profile {team.profile} fits under the ceiling of {team.name}")
    rates = [
        job.weight / (sum(pods) / len(pods) * job.shape.gpus * (job.hours[0] + job.hours[1]) / 2)
        for job, pods in choices
    ]
    template, sizes = chance.choices(choices, weights=rates)[0]
    hours = chance.uniform(*template.hours)
    fails = chance.random() < template.failure_ratio
    return JobPlan(
        team=team,
        user=chance.choice(team.members),
        number=number,
        template=template,
        pods=chance.choice(sizes),
        hours=hours,
        fails_after_hours=hours * chance.uniform(0.3, 0.9) if fails else None,
    )


def asked_gpus(scenario: Scenario, team: Team, *, at_hours: float) -> float:
    """How many GPUs the jobs of a team shall keep busy at a time: its wave, less what its notebooks and services hold."""
    demand = team.demand
    wave = 0.5 - 0.5 * math.cos(2 * math.pi * (at_hours / demand.period_hours + demand.phase))
    standing = sum(plan.gpus for plan in plan_standing(scenario, team))
    return max(LEAST_GPUS, team.guaranteed_gpus * (demand.low + (demand.high - demand.low) * wave) - standing)


def hours_until_next(scenario: Scenario, plan: JobPlan, *, at_hours: float) -> float:
    """The pause after a job that makes its team's jobs add up to `asked_gpus`."""
    return plan.gpus * plan.running_hours / asked_gpus(scenario, plan.team, at_hours=at_hours)


def plan_standing(scenario: Scenario, team: Team) -> tuple[StandingPlan, ...]:
    """The notebooks and services that a team has all day."""
    plans: list[StandingPlan] = []
    for template in scenario.profiles[team.profile].standing:
        for index in range(template.count):
            user = team.members[(index + 1) % len(team.members)]
            is_notebook = template.kind is StandingKind.NOTEBOOK
            number = f"-{index}" if template.count > 1 else ""
            name = f"{template.name}-{user}" if is_notebook else f"{template.name}{number}"
            plans.append(StandingPlan(team=team, user=user, name=name, template=template))
    return tuple(plans)
