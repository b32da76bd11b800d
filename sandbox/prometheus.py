"""Prometheus and kube-state-metrics: what is scraped how, and their processes.

Every job has one target, and its `instance` is the name of the job: ports may change from start to start, and the history
that is imported before the first one shall continue in the same series.

Targets that appear while the sandbox runs (the GPU exporter) come through files that Prometheus watches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from aidashboard.stack.supervision import ProcessSpec

from .checking import answers
from .components import ENDED_AT_ONCE, Port, go_environment
from .layout import Layout
from .programs import Programs

SCRAPE_SECONDS = 5
RETENTION = "15d"

GPU_JOB = "gpu-metrics"
# Jobs whose targets come and go; each reads `targets/<job>.json`.
FILE_JOBS = (GPU_JOB,)

# What the boards of the product ask about; the rest of kube-state-metrics would triple the number of series.
_STATE_RESOURCES = ("jobs", "namespaces", "nodes", "pods", "resourcequotas", "deployments", "statefulsets")
_STATE_NODE_LABELS = (
    "nvidia.com/gpu.product",
    "nvidia.com/gpu.count",
    "nvidia.com/gpu.memory",
    "topology.kubernetes.io/zone",
)
_STATE_POD_LABELS = ("kueue.x-k8s.io/queue-name",)


def build_configuration(*, layout: Layout, port: Port, scrape_seconds: float = SCRAPE_SECONDS) -> str:
    """The text of prometheus.yml."""
    scrape: list[dict[str, Any]] = [  # Prometheus' own schema
        {
            "job_name": "kube-state-metrics",
            "honor_labels": True,
            "static_configs": [_target("kube-state-metrics", f"127.0.0.1:{port('kube-state-metrics')}")],
        },
        {
            "job_name": "kueue",
            "scheme": "https",
            "authorization": {"type": "Bearer", "credentials_file": str(kueue_token_path(layout))},
            # Kueue makes up this certificate at its start.
            "tls_config": {"insecure_skip_verify": True},
            "static_configs": [_target("kueue", f"127.0.0.1:{port('kueue-metrics')}")],
        },
    ]
    scrape += [
        {
            "job_name": job,
            # The exporter says itself which pod a GPU belongs to.
            "honor_labels": True,
            "file_sd_configs": [{"files": [str(targets_path(layout, job))], "refresh_interval": "5s"}],
        }
        for job in FILE_JOBS
    ]
    seconds = f"{round(scrape_seconds * 1000)}ms"
    settings = {"scrape_interval": seconds, "scrape_timeout": seconds, "evaluation_interval": seconds}
    return yaml.safe_dump({"global": settings, "scrape_configs": scrape}, sort_keys=False)


def write_target(layout: Layout, *, job: str, address: str, labels: Mapping[str, str]) -> None:
    """Make `address` (host:port) the target of a file job; a running Prometheus notices by itself."""
    if job not in FILE_JOBS:
        raise ValueError(f"{job} is no job with a target file; there are {', '.join(FILE_JOBS)}")
    path = targets_path(layout, job)
    scratch = path.with_suffix(".partial")
    scratch.write_text(json.dumps([_target(job, address, labels)]), encoding="utf-8")
    scratch.replace(path)


def _target(job: str, address: str, labels: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    return {"targets": [address], "labels": {"instance": job, **labels}}


def targets_path(layout: Layout, job: str) -> Path:
    return layout.prometheus_targets / f"{job}.json"


def kueue_token_path(layout: Layout) -> Path:
    return layout.prometheus / "kueue.token"


def build_prometheus(*, programs: Programs, layout: Layout, port: Port) -> ProcessSpec:
    address = f"127.0.0.1:{port('prometheus')}"
    return ProcessSpec(
        name="prometheus",
        command=(
            str(programs.prometheus),
            f"--config.file={layout.prometheus / 'prometheus.yml'}",
            f"--storage.tsdb.path={layout.prometheus_data}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--web.listen-address={address}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ),
        environment=go_environment(memory_mib=400),
        log_path=layout.log("prometheus"),
        is_ready=answers("prometheus", port=port),
        # Replaying the journal of a long run takes a while.
        ready_seconds=120,
        stop_seconds=15,
    )


def build_state_metrics(*, programs: Programs, layout: Layout, port: Port) -> ProcessSpec:
    name = "kube-state-metrics"
    return ProcessSpec(
        name=name,
        command=(
            str(programs.kube_state_metrics),
            f"--kubeconfig={layout.client_kubeconfig(name)}",
            "--host=127.0.0.1",
            f"--port={port(name)}",
            "--telemetry-host=127.0.0.1",
            f"--telemetry-port={port('kube-state-metrics-telemetry')}",
            f"--resources={','.join(_STATE_RESOURCES)}",
            f"--metric-labels-allowlist=nodes=[{','.join(_STATE_NODE_LABELS)}],pods=[{','.join(_STATE_POD_LABELS)}]",
            "--use-apiserver-cache",
        ),
        environment=go_environment(memory_mib=400),
        log_path=layout.log(name),
        is_ready=answers(name, port=port),
        ready_seconds=60,
        death_signal=ENDED_AT_ONCE,
        stop_seconds=5,
    )
