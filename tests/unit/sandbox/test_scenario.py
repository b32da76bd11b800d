"""Scenario files: what is accepted, and how a mistake is named."""

from pathlib import Path

import pytest

from sandbox.scenario import GPU_RESOURCE, ScenarioError, build_nodes, load_scenario
from sandbox.scenario.model import Behaviour, StandingKind

MINIMAL = """
name: tiny
pools:
  - {name: p, count: 2, product: NVIDIA-L40S, gpus_per_node: 4, gpu_memory_mib: 46068, cpu: 8, memory: 64Gi, zones: {a: 2}}
"""

TEAM = """
users: {ada: Ada}
profiles:
  work:
    jobs:
      - {name: train, behaviour: steady-training, weight: 1, gpus_per_pod: 1, hours: [1, 2]}
departments:
  - name: lab
    title: Lab
    guaranteed: {nvidia.com/gpu: 4}
    ceiling: {nvidia.com/gpu: 8}
    teams:
      - name: alpha
        title: Alpha
        guaranteed: {nvidia.com/gpu: 4}
        ceiling: {nvidia.com/gpu: 8}
        members: [ada]
        profile: work
        demand: {low: 0, high: 2}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    return path


def test_demo_has_400_gpus_of_four_models_on_64_nodes_in_three_zones():
    demo = load_scenario("demo")
    nodes = list(build_nodes(demo))
    assert len(nodes) == 64
    assert demo.gpu_count == 400
    assert len({pool.product for pool in demo.pools}) == 4
    assert len({node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}) == 3


def test_demo_has_three_departments_twelve_teams_and_forty_users_with_a_team_each():
    demo = load_scenario("demo")
    assert len(demo.departments) == 3
    assert len(demo.teams) == 12
    assert len(demo.users) == 40
    assert {member for team in demo.teams for member in team.members} == {user.username for user in demo.users}


def test_demo_guarantees_fit_and_ceilings_invite_borrowing():
    demo = load_scenario("demo")
    assert sum(team.guaranteed_gpus for team in demo.teams) <= demo.schedulable_gpus < 400
    assert sum(team.ceiling_gpus for team in demo.teams) > 2 * demo.schedulable_gpus


def test_demo_plays_every_behaviour():
    demo = load_scenario("demo")
    played = {job.behaviour for profile in demo.profiles.values() for job in profile.jobs}
    played |= {standing.behaviour for profile in demo.profiles.values() for standing in profile.standing}
    assert played == set(Behaviour)
    kinds = {standing.kind for profile in demo.profiles.values() for standing in profile.standing}
    assert kinds == set(StandingKind)


def test_schedulable_gpus_leave_out_cordoned_and_not_ready_nodes_and_withdrawn_cards():
    tests = load_scenario("tests")
    # 4 x 8 + 2 x 4 whole cards; minus a node of 8 not ready, one of 4 cordoned, one card missing.
    assert tests.schedulable_gpus == 40 - 8 - 4 - 1


def test_node_shows_a_missing_card_as_allocatable_below_capacity():
    nodes = {node["metadata"]["name"]: node for node in build_nodes(load_scenario("tests"))}
    status = nodes["big-02"]["status"]
    assert (status["capacity"][GPU_RESOURCE], status["allocatable"][GPU_RESOURCE]) == ("8", "7")
    assert nodes["big-02"]["metadata"]["annotations"]["sandbox.aidashboard.io/missing-gpus"] == "7"


def test_node_has_both_addresses_and_the_labels_of_feature_discovery():
    node = next(build_nodes(load_scenario("demo")))
    assert [address["type"] for address in node["status"]["addresses"]] == ["InternalIP", "Hostname"]
    labels = node["metadata"]["labels"]
    assert labels["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
    assert (labels["nvidia.com/gpu.count"], labels["nvidia.com/gpu.memory"]) == ("8", "81559")


def test_mig_node_offers_instances_instead_of_cards():
    nodes = {node["metadata"]["name"]: node for node in build_nodes(load_scenario("tests"))}
    capacity = nodes["sliced-00"]["status"]["capacity"]
    assert capacity["nvidia.com/mig-3g.40gb"] == "4"
    assert GPU_RESOURCE not in capacity


def test_cordoned_and_not_ready_nodes_are_marked():
    nodes = {node["metadata"]["name"]: node for node in build_nodes(load_scenario("tests"))}
    assert nodes["small-01"]["spec"] == {"unschedulable": True}
    assert nodes["big-03"]["metadata"]["labels"]["node-not-ready.stage.kwok.x-k8s.io"] == "true"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not YAML"),
        ("[]", "the file is []: must be a mapping"),
        ("name: tiny", "pools is missing: is required"),
        (MINIMAL + "speed: 3\n", "speed is 3: is not known here; known are name, pools"),
        (MINIMAL.replace("count: 2", "count: -1"), "pools[0].count is -1: must be a whole number of 1 or more"),
        (MINIMAL.replace("count: 2", "count: two"), "pools[0].count is 'two': must be a whole number"),
        (MINIMAL.replace("memory: 64Gi", "memory: 64Gb"), "pools[0].memory is '64Gb': '64Gb' is not a Kubernetes quantity"),
        (MINIMAL.replace("{a: 2}", "{a: 1}"), "pools[0].zones is {'a': 1}: must add up to count, which is 2"),
        (MINIMAL.replace("name: p,", "name: Big One,"), "pools[0].name is 'Big One': must be lower-case letters"),
        (MINIMAL + "faults: {cordoned: [p-07]}\n", "faults.cordoned[0] is 'p-07': must be a node of one of the pools"),
        (MINIMAL + "faults: {cards: [{node: p-00, gpu: 4}]}\n", "faults.cards[0].gpu is 4: must be a whole number of 0 or more"),
        (MINIMAL + TEAM.replace("[ada]", "[bob]"), "members[0] is 'bob': must be a username listed under users"),
        (MINIMAL + TEAM.replace("profile: work", "profile: rest"), "teams[0].profile is 'rest': must be one of work"),
        (MINIMAL + TEAM.replace("steady-training", "lazy"), "jobs[0].behaviour is 'lazy': must be one of steady-training"),
        (MINIMAL + TEAM.replace("[1, 2]", "[2, 1]"), "jobs[0].hours is [2, 1]: the low number must not be above the high"),
        (MINIMAL + TEAM.replace("guaranteed: {nvidia.com/gpu: 4}\n    ceiling", "guaranteed: {nvidia.com/gpu: 2}\n    ceiling"),
         "departments[0].guaranteed is {'nvidia.com/gpu': '2'}: nvidia.com/gpu must be at least what its teams"),
        (MINIMAL.replace("count: 2", "count: 1").replace("a: 2", "a: 1").replace("gpus_per_node: 4", "gpus_per_node: 2") + TEAM,
         "guarantees 4 GPUs, but only 2 can be scheduled"),
    ],
)  # fmt: skip
def test_mistake_is_named_with_file_path_value_and_rule(tmp_path: Path, text: str, message: str):
    path = write(tmp_path, text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert str(path) in caught.value.message
    assert message in caught.value.message


def test_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "none.yaml")


def test_scenario_without_people_is_fine(tmp_path: Path):
    scenario = load_scenario(write(tmp_path, MINIMAL))
    assert scenario.teams == ()
    assert scenario.schedulable_gpus == 8
