"""Scenario files: which nodes a sandbox has, what is broken, who the people are and how busy they are.

`load_scenario("demo")` reads and checks one, `create_nodes(api, scenario)` makes its nodes. The people and their
guarantees are for whoever sets up the product; the load is for `sandbox.driver`, the faults are for `sandbox.gpus`.
"""

from sandbox.scenario.loading import SCENARIOS, load_scenario
from sandbox.scenario.model import GPU_RESOURCE, Behaviour, Department, Scenario, Team, User
from sandbox.scenario.nodes import build_nodes, create_nodes
from sandbox.scenario.reading import ScenarioError

__all__ = [
    "GPU_RESOURCE",
    "SCENARIOS",
    "Behaviour",
    "Department",
    "Scenario",
    "ScenarioError",
    "Team",
    "User",
    "build_nodes",
    "create_nodes",
    "load_scenario",
]
