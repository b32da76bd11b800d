"""A scenario on a sandbox: its nodes, a day of history, the GPU exporter, and the teams that keep it busy.

Each part is a process of the sandbox's own supervisor and stops with it.
"""

from __future__ import annotations

import sys

from aidashboard.stack.supervision import ProcessSpec

from .checking import is_answering
from .cluster import Sandbox
from .history import write_history
from .prometheus import GPU_JOB
from .scenario import Scenario, create_nodes

EXPORTER = "gpu-exporter"
TEAMS = "teams"


def prepare_history(sandbox: Sandbox, scenario: Scenario) -> bool:
    """Write a day of figures before the very first start; True when there was none yet."""
    if sandbox.prometheus_data.exists():
        return False
    write_history(
        scenario,
        data=sandbox.prometheus_data,
        promtool=sandbox.programs.promtool,
        memory=sandbox.layout.gpu_memory,
    )
    return True


def start_simulation(sandbox: Sandbox, scenario: Scenario) -> None:
    """Create the nodes that are missing, and serve their telemetry. The sandbox must be running."""
    create_nodes(sandbox.api, scenario)
    port = sandbox.port(GPU_JOB)
    sandbox.supervisor.start(
        ProcessSpec(
            name=EXPORTER,
            command=(
                *(sys.executable, "-m", "sandbox.gpus"),
                *("--kubeconfig", str(sandbox.kubeconfig), "--port", str(port)),
                *("--memory", str(sandbox.layout.gpu_memory)),
            ),
            log_path=sandbox.layout.log(EXPORTER),
            is_ready=lambda: is_answering(f"http://127.0.0.1:{port}/metrics"),
            ready_seconds=30,
        )
    )
    sandbox.add_target(GPU_JOB, f"127.0.0.1:{port}")


def start_teams(sandbox: Sandbox, scenario_name: str) -> None:
    """Let the teams of a scenario submit work; they wait by themselves until their queues exist."""
    sandbox.supervisor.start(
        ProcessSpec(
            name=TEAMS,
            command=(
                *(sys.executable, "-m", "sandbox.driver"),
                *("--kubeconfig", str(sandbox.kubeconfig), "--scenario", scenario_name),
            ),
            log_path=sandbox.layout.log(TEAMS),
        )
    )
