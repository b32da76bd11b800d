"""The demo's cluster: builds what is missing, starts the sandbox, makes its nodes, their telemetry and the teams that use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final

from aidashboard.demo.progress import Progress
from sandbox.build import BuildProgress
from sandbox.cluster import Sandbox
from sandbox.scenario import load_scenario
from sandbox.simulation import prepare_history, start_simulation, start_teams

RBAC: Final = Path(__file__).resolve().parent.parent.parent / "deploy" / "rbac"
NAMESPACE: Final = "aidashboard-system"
SERVICE_ACCOUNT: Final = "aidashboard"
TOKEN_SECONDS: Final = 30 * 24 * 3600


class DemoStoppedError(Exception):
    """The demo was stopped while its cluster was still being built."""


class DemoCluster:
    """A sandbox with a scenario on it. `report` hears how far it is."""

    def __init__(
        self, directory: Path, *, scenario_name: str, report: Callable[[Progress], None], stopping: Event
    ) -> None:
        self._scenario_name = scenario_name
        self.scenario = load_scenario(scenario_name)
        self.sandbox = Sandbox(directory, report=self._report_build)
        self._report = report
        self._stopping = stopping

    def start(self) -> None:
        """Bring up the control plane, the nodes and their telemetry. Afterwards the product can be told of it.

        Raises: BuildError, StartError, DataDirBusyError with a message for people.
        """
        sandbox = self.sandbox
        self._report(Progress(phase="start", message="Preparing the cluster"))
        prepare_history(sandbox, self.scenario)
        self._report(Progress(phase="start", message="Starting the cluster: API server, scheduler, Kueue, Prometheus"))
        sandbox.start()
        self._report(Progress(phase="fill", message=f"Adding {self.scenario.gpu_count} simulated GPUs"))
        start_simulation(sandbox, self.scenario)
        for manifest in sorted(RBAC.glob("*.yaml")):
            sandbox.apply(manifest.read_text(encoding="utf-8"))

    def product_kubeconfig(self) -> str:
        """The kubeconfig that the product is registered with: a ServiceAccount that holds deploy/rbac, nothing more."""
        return self.sandbox.token_kubeconfig(NAMESPACE, SERVICE_ACCOUNT, seconds=TOKEN_SECONDS)

    def start_teams(self) -> None:
        """Let the teams of the scenario submit work; they wait by themselves until their queues exist."""
        start_teams(self.sandbox, self._scenario_name)

    def watch(self) -> None:
        """Restart what crashes until the demo stops."""
        self.sandbox.watch(self._stopping)

    def stop(self) -> None:
        self.sandbox.stop()

    def _report_build(self, progress: BuildProgress) -> None:
        """Called about once a second while something is built: also the place to give up."""
        if self._stopping.is_set():
            raise DemoStoppedError
        self._report(
            Progress(
                phase="build",
                message=f"Building {progress.program}" if progress.index else "Waiting for another build",
                program=progress.program,
                index=progress.index,
                count=progress.count,
                seconds_left=progress.seconds_left,
            )
        )
