"""Starts the product at once and the sandbox beside it; the page shows how far that is. Ctrl-C stops both."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from typing import Final

from aidashboard.demo.cluster import DemoCluster, DemoStoppedError
from aidashboard.demo.progress import Progress, ProgressReporter
from aidashboard.stack.locking import DataDirLock
from aidashboard.stack.options import StackOptions
from aidashboard.stack.signals import StopRequested, stop_signals
from aidashboard.stack.stack import Stack
from sandbox.scenario import Scenario, load_scenario

SEED: Final = "aidashboard.demo.seed"
ADMIN: Final = "admin"

Logins = dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPaths:
    """The demo's own files in the data folder, beside those of the stack."""

    data_dir: Path

    @property
    def logins(self) -> Path:
        return self.data_dir / "secrets" / "demo-logins.json"

    @property
    def product_kubeconfig(self) -> Path:
        return self.data_dir / "secrets" / "demo-kubeconfig"

    @property
    def progress(self) -> Path:
        return self.data_dir / "demo-progress.json"

    @property
    def sandbox(self) -> Path:
        return self.data_dir / "sandbox"

    @property
    def summary(self) -> Path:
        """For programs: `demo.json`, complete when everything is ready."""
        return self.data_dir / "demo.json"


class Demo:
    """One run of the demo: the stack in the foreground, its cluster in a thread."""

    def __init__(self, options: StackOptions, *, scenario_name: str, report: Callable[[str], None]) -> None:
        self._scenario_name = scenario_name
        self.scenario: Scenario = load_scenario(scenario_name)
        self._paths = DemoPaths(data_dir=options.data_dir)
        variables = {**options.variables, "AIDASHBOARD_PROGRESS_FILE": str(self._paths.progress)}
        self._stack = Stack(replace(options, variables=variables), report=report)
        self._report = report
        self._stopping = Event()

    def run(self) -> int:
        """Until Ctrl-C. Raises: EnvironmentValueError, DataDirBusyError, ServerSetUpError, ProcessStartError."""
        self._forget_last_run()
        thread = Thread(target=self._run_cluster, name="cluster")
        with stop_signals():
            try:
                with self._stack:
                    self._run_stack(thread)
            except StopRequested:
                self._report("Stopping the cluster; its data stays.")
            finally:
                self._stopping.set()
                while thread.is_alive():
                    with suppress(StopRequested):  # further ones change nothing: the cluster is stopping already
                        thread.join()
                self._forget()
        self._report("The demo has stopped.")
        return 0

    def _run_stack(self, thread: Thread) -> None:
        reporter = ProgressReporter(self._paths.progress)
        reporter.report(Progress(phase="start", message="Starting"))
        logins = self._ensure_logins()
        self._seed("people")
        self._report(summarise(self._stack.url, logins))
        thread.start()
        try:
            self._stack.run_until_stopped()
        finally:
            self._stopping.set()

    # --- the cluster's thread -------------------------------------------------------------------------------------------------

    def _run_cluster(self) -> None:
        reporter = ProgressReporter(self._paths.progress)
        cluster = DemoCluster(
            self._paths.sandbox, scenario_name=self._scenario_name, report=reporter.report, stopping=self._stopping
        )
        try:
            self._bring_up(cluster, reporter)
            cluster.watch()
        except DemoStoppedError:
            return
        except Exception as error:  # the loop's edge: whatever it is, the page and the terminal must say it
            if not self._stopping.is_set():
                reporter.report(Progress(phase="failed", message=f"The sandbox cluster could not be started: {error}"))
        finally:
            cluster.stop()

    def _bring_up(self, cluster: DemoCluster, reporter: ProgressReporter) -> None:
        cluster.start()
        reporter.report(Progress(phase="fill", message="Registering the cluster and drawing the quota tree"))
        write_private(self._paths.product_kubeconfig, cluster.product_kubeconfig())
        try:
            self._seed(
                "cluster",
                *("--kubeconfig", str(self._paths.product_kubeconfig)),
                *("--prometheus-url", cluster.sandbox.prometheus_url),
            )
        finally:
            self._paths.product_kubeconfig.unlink()  # its token is good for a month
        cluster.start_teams()
        self._write_summary(cluster)
        reporter.report(Progress(phase="ready", message="The cluster is ready"))
        self._report(f"  kubectl --kubeconfig {cluster.sandbox.kubeconfig} get clusterqueues")

    # --- inside -----------------------------------------------------------------------------------------------------------------

    def _forget_last_run(self) -> None:
        """A demo that was killed has left files that say it is ready. Under the folder's lock: another may be running.

        Raises: DataDirBusyError.
        """
        if not self._paths.data_dir.exists():
            return
        lock = DataDirLock(self._paths.data_dir)
        lock.acquire()
        try:
            self._forget()
        finally:
            lock.release()

    def _forget(self) -> None:
        self._paths.summary.unlink(missing_ok=True)
        self._paths.progress.unlink(missing_ok=True)

    def _seed(self, step: str, *arguments: str) -> None:
        common = ("--scenario", self._scenario_name, "--logins", str(self._paths.logins))
        self._stack.run_module("demo-seed", SEED, step, *common, *arguments)

    def _ensure_logins(self) -> Logins:
        """Made once per data folder, so that a second start keeps them."""
        if self._paths.logins.exists():
            return dict(json.loads(self._paths.logins.read_text(encoding="utf-8")))
        researcher = self.scenario.teams[0].members[-1]
        logins = {
            role: {"username": username, "password": secrets.token_urlsafe(9)}
            for role, username in (("admin", ADMIN), ("researcher", researcher))
        }
        write_private(self._paths.logins, json.dumps(logins))
        return logins

    def _write_summary(self, cluster: DemoCluster) -> None:
        summary = {
            "url": self._stack.url,
            **self._ensure_logins(),
            "kubeconfig": str(cluster.sandbox.kubeconfig),
            "prometheus_url": cluster.sandbox.prometheus_url,
            "cluster": "sandbox",
        }
        write_private(self._paths.summary, json.dumps(summary, indent=1))


def summarise(url: str, logins: Logins) -> str:
    """What a person at the terminal needs first."""
    rows = [("Pages", url)]
    rows += [(role.capitalize(), f"{login['username']} / {login['password']}") for role, login in logins.items()]
    lines = [f"  {name + ':':13}{value}" for name, value in rows]
    return "\n".join(
        ["AI Dashboard is up. The cluster follows; the page shows how far it is.", *lines, "  Stop:        Ctrl-C"]
    )


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable by nobody else."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    scratch = path.with_name(f".{path.name}.partial")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)
