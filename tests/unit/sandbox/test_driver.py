"""What the teams ask for, how it becomes objects, and the bounds that hold."""

import pytest

from sandbox.api import JsonObject
from sandbox.demand import asked_gpus, hours_until_next, plan_job, plan_standing
from sandbox.driver.census import Census, count_jobs
from sandbox.driver.manifests import build_job, build_priority_classes, build_standing
from sandbox.driver.pacing import HEAD_START_HOURS, TeamPace
from sandbox.scenario import Scenario, Team, load_scenario

EMPTY = Census(jobs=0, pods=0, waiting={})


@pytest.fixture(scope="module")
def demo() -> Scenario:
    return load_scenario("demo")


def team_of(scenario: Scenario, name: str) -> Team:
    return next(team for team in scenario.teams if team.name == name)


def test_same_seed_gives_the_same_jobs(demo: Scenario):
    team = team_of(demo, "vision")
    first = [plan_job(demo, team, number, seed=3) for number in range(50)]
    assert first == [plan_job(demo, team, number, seed=3) for number in range(50)]
    assert first != [plan_job(demo, team, number, seed=4) for number in range(50)]


def test_gangs_reach_from_one_to_64_gpus_and_stay_under_the_ceiling(demo: Scenario):
    sizes = set()
    for team in demo.teams:
        plans = [plan_job(demo, team, number, seed=demo.seed) for number in range(300)]
        assert max(plan.gpus for plan in plans) <= team.ceiling_gpus
        sizes |= {plan.gpus for plan in plans}
    assert {1, 2, 4, 8, 16, 32, 64} <= sizes


def test_some_jobs_fail_before_their_time(demo: Scenario):
    plans = [plan_job(demo, team_of(demo, "vision"), number, seed=1) for number in range(400)]
    failing = [plan for plan in plans if plan.fails_after_hours is not None]
    assert 0.02 < len(failing) / len(plans) < 0.3
    assert all(plan.running_hours < plan.hours for plan in failing)


def test_demand_swings_between_low_and_high_less_what_stands(demo: Scenario):
    team = team_of(demo, "vision")
    standing = sum(plan.gpus for plan in plan_standing(demo, team))
    asked = [asked_gpus(demo, team, at_hours=minute / 60) for minute in range(150)]
    assert min(asked) == pytest.approx(team.guaranteed_gpus * team.demand.low - standing, abs=0.1)
    assert max(asked) == pytest.approx(team.guaranteed_gpus * team.demand.high - standing, abs=0.1)


def test_all_teams_together_ask_for_nearly_all_there_is_at_any_time(demo: Scenario):
    standing = sum(plan.gpus for team in demo.teams for plan in plan_standing(demo, team))
    for quarter in range(16):
        asked = sum(asked_gpus(demo, team, at_hours=quarter / 4) for team in demo.teams)
        assert 0.9 < (asked + standing) / demo.schedulable_gpus < 1.1


def test_some_team_asks_for_more_than_its_guarantee_while_another_asks_for_less(demo: Scenario):
    for quarter in range(16):
        ratios = [asked_gpus(demo, team, at_hours=quarter / 4) / team.guaranteed_gpus for team in demo.teams]
        assert max(ratios) > 1.2
        assert min(ratios) < 0.6


def test_pauses_make_jobs_add_up_to_what_is_asked(demo: Scenario):
    team = team_of(demo, "search")
    gpu_hours, hours = 0.0, 0.0
    for number in range(2000):
        plan = plan_job(demo, team, number, seed=1)
        gpu_hours += plan.gpus * plan.running_hours
        hours += hours_until_next(demo, plan, at_hours=1.0)
    assert gpu_hours / hours == pytest.approx(asked_gpus(demo, team, at_hours=1.0))


def test_job_carries_person_behaviour_duration_and_no_queue(demo: Scenario):
    plan = plan_job(demo, team_of(demo, "nlp"), 0, seed=demo.seed)
    job = build_job(plan, name="finetune-1", speed=20)
    metadata, spec = job["metadata"], job["spec"]
    pod = spec["template"]
    assert metadata["namespace"] == "nlp"
    assert metadata["annotations"] == {"aidashboard.io/user": plan.user}
    assert "kueue.x-k8s.io/queue-name" not in metadata["labels"]
    assert metadata["labels"]["kueue.x-k8s.io/priority-class"] == plan.template.priority.value
    assert pod["metadata"]["annotations"]["sandbox.aidashboard.io/behaviour"] == plan.template.behaviour.value
    delay = pod["metadata"]["annotations"]["pod-complete.stage.kwok.x-k8s.io/delay"]
    assert delay == f"{round(plan.hours * 180)}s"
    assert (spec["parallelism"], spec["completions"], spec["backoffLimit"]) == (plan.pods, plan.pods, 0)
    requests = pod["spec"]["containers"][0]["resources"]["requests"]
    assert requests["nvidia.com/gpu"] == str(plan.template.shape.gpus)
    assert {"cpu", "memory"} < set(requests)


def test_failing_job_fails_instead_of_completing(demo: Scenario):
    team = team_of(demo, "mlops")
    plan = next(
        plan for number in range(200) if (plan := plan_job(demo, team, number, seed=1)).fails_after_hours is not None
    )
    annotations = build_job(plan, name="x", speed=20)["spec"]["template"]["metadata"]["annotations"]
    assert "pod-fail.stage.kwok.x-k8s.io/delay" in annotations
    assert "pod-complete.stage.kwok.x-k8s.io/delay" not in annotations


def test_notebooks_are_stateful_sets_of_a_person_and_services_are_deployments(demo: Scenario):
    built = {}
    for team in demo.teams:
        for plan in plan_standing(demo, team):
            built[team.name, plan.name] = (plan, build_standing(plan))
    plan, notebook = built["speech", "notebook-ella"]
    assert (notebook["kind"], notebook["spec"]["replicas"], plan.user) == ("StatefulSet", 1, "ella")
    plan, service = built["assistants", "chat"]
    assert (service["kind"], service["spec"]["replicas"], plan.gpus) == ("Deployment", 3, 6)
    assert (
        service["spec"]["selector"]["matchLabels"].items() <= service["spec"]["template"]["metadata"]["labels"].items()
    )


def test_priority_classes_cover_what_templates_name(demo: Scenario):
    names = {manifest["metadata"]["name"] for manifest in build_priority_classes()}
    assert {job.priority.value for profile in demo.profiles.values() for job in profile.jobs} <= names


def job_item(namespace: str, *, pods: int = 1, suspend: bool = False, ended: str = "") -> JsonObject:
    conditions = [{"type": ended, "status": "True"}] if ended else []
    return {
        "metadata": {"namespace": namespace},
        "spec": {"parallelism": pods, "suspend": suspend},
        "status": {"conditions": conditions},
    }


def test_census_counts_what_has_not_ended():
    items = [
        job_item("a", pods=4),
        job_item("a", pods=8, suspend=True),
        job_item("b", pods=2, suspend=True),
        job_item("b", pods=2, ended="Complete"),
        job_item("b", pods=2, ended="Failed"),
    ]
    assert count_jobs(items, standing_pods=3) == Census(jobs=3, pods=17, waiting={"a": 1, "b": 1})


def test_what_could_not_be_submitted_is_forgotten(demo: Scenario):
    pace = TeamPace(demo, team_of(demo, "vision"), seed=1, now=0.0)
    jammed = Census(jobs=10, pods=20, waiting={"vision": demo.pace.max_waiting_per_team})
    assert pace.next_job(jammed, now=100.0) is None
    plan = pace.next_job(EMPTY, now=100.0)
    assert plan is not None
    pace.submitted(plan, now=100.0)
    assert pace.next_job(EMPTY, now=100.0) is None


def test_head_start_is_kept_while_it_is_being_submitted(demo: Scenario):
    pace = TeamPace(demo, team_of(demo, "vision"), seed=1, now=0.0)
    jammed = Census(jobs=10, pods=20, waiting={"vision": demo.pace.max_waiting_per_team})
    submitted = 0
    for _ in range(10):
        assert pace.next_job(jammed, now=0.1) is None
        plan = pace.next_job(EMPTY, now=0.1)
        if plan is not None:
            pace.submitted(plan, now=0.1)
            submitted += 1
    assert submitted > 2


def test_team_begins_with_what_its_head_start_would_have_brought(demo: Scenario):
    team = team_of(demo, "mlops")
    pace, submitted = TeamPace(demo, team, seed=1, now=0.0), []
    while (plan := pace.next_job(EMPTY, now=0.0)) is not None:
        pace.submitted(plan, now=0.0)
        submitted.append(plan)
    worth = sum(plan.gpus * plan.running_hours for plan in submitted[:-1])
    assert worth <= asked_gpus(demo, team, at_hours=0.0) * HEAD_START_HOURS


@pytest.mark.parametrize(
    "census",
    [
        Census(jobs=120, pods=0, waiting={}),
        Census(jobs=0, pods=260, waiting={}),
        Census(jobs=0, pods=0, waiting={"vision": 2}),
    ],
)
def test_nothing_is_submitted_beyond_a_bound(demo: Scenario, census: Census):
    assert TeamPace(demo, team_of(demo, "vision"), seed=1, now=0.0).next_job(census, now=5.0) is None


def test_nothing_is_submitted_before_its_time(demo: Scenario):
    pace = TeamPace(demo, team_of(demo, "vision"), seed=1, now=0.0)
    assert pace.next_job(EMPTY, now=-HEAD_START_HOURS - 0.1) is None
