"""A real Prometheus with the fixture series in it, one for the run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import requests

from aidashboard.stack.ports import free_port
from aidashboard.stack.supervision import ProcessSpec, Supervisor
from monitoring.prometheus.client import PrometheusClient
from monitoring.promql import Query
from sandbox.build import build
from tests.cluster.monitoring import series


@dataclass(frozen=True, slots=True)
class FilledPrometheus:
    """Answers for every data set at the set's own moment."""

    url: str
    client: PrometheusClient

    def moment(self, name: str) -> datetime:
        return series.end_of(sorted(series.SETS).index(name))

    def ask(self, name: str, query: Query) -> list[tuple[dict[str, str], float]]:
        """The samples of a query on the data set `name`."""
        vector = self.client.query(query.text, at=self.moment(name))
        return [(dict(sample.labels), sample.value) for sample in vector.samples]


@pytest.fixture(scope="session")
def filled_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledPrometheus]:
    programs = build()
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "series.txt").write_text(series.write_openmetrics(series.SETS))
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 15s}\n")
    subprocess.run(
        [programs.promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "series.txt", folder / "data"],
        check=True,
        capture_output=True,
    )
    supervisor = Supervisor()
    url = start_prometheus(supervisor, program=programs.prometheus, folder=folder)
    yield FilledPrometheus(url, PrometheusClient(url=url, deadline_seconds=20))
    supervisor.stop_all()


def start_prometheus(supervisor: Supervisor, *, program: Path, folder: Path) -> str:
    """Start Prometheus on `folder`/data and give its address."""
    address = f"127.0.0.1:{free_port()}"
    supervisor.start(
        ProcessSpec(
            name="prometheus",
            command=(
                str(program),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={address}",
            ),
            log_path=folder / "prometheus.log",
            is_ready=lambda: _is_ready(f"http://{address}/-/ready"),
        )
    )
    return f"http://{address}"


def _is_ready(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False
