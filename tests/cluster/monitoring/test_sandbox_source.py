"""The sandbox's own Prometheus, as the product is connected to it: kube-state-metrics and Kueue under the names we ask for."""

from __future__ import annotations

from datetime import UTC, datetime

from aidashboard.stack.waiting import wait_until
from monitoring import promql
from monitoring.detection import detect
from monitoring.domain.sources import Detected
from monitoring.prometheus.client import PrometheusClient
from monitoring.promql import FIGURE
from sandbox.cluster import Sandbox
from tests.cluster.conftest import TestNamespace

GPU = "nvidia.com/gpu"


def look(sandbox: Sandbox) -> Detected:
    return detect(PrometheusClient(url=sandbox.prometheus_url, deadline_seconds=10), now=datetime.now(UTC))


def read_figures(sandbox: Sandbox, query: promql.Query) -> dict[str, float]:
    client = PrometheusClient(url=sandbox.prometheus_url, deadline_seconds=10)
    samples = client.query(query.text, at=datetime.now(UTC)).samples
    return {sample.labels[FIGURE]: sample.value for sample in samples}


def test_the_probe_finds_kube_state_metrics_and_the_version(sandbox: Sandbox) -> None:
    wait_until(lambda: look(sandbox).has_kube_state_metrics, seconds=60, describe="kube-state-metrics to be scraped")
    assert look(sandbox).version


def test_capacity_by_metrics_is_that_of_the_nodes(sandbox: Sandbox) -> None:
    def totals_are_there() -> bool:
        return read_figures(sandbox, promql.cluster_allocation()).get("total", 0) >= 32

    wait_until(totals_are_there, seconds=60, describe="the nodes in kube-state-metrics")


def test_the_figures_of_a_queue_arrive(sandbox: Sandbox, namespace: TestNamespace) -> None:
    name = namespace.name
    namespace.apply(
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "ResourceFlavor",
            "metadata": {"name": name, "labels": namespace.labels},
        },
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "ClusterQueue",
            "metadata": {"name": name, "labels": namespace.labels},
            "spec": {
                "cohortName": name,
                "namespaceSelector": {},
                "resourceGroups": [
                    {
                        "coveredResources": [GPU],
                        "flavors": [
                            {"name": name, "resources": [{"name": GPU, "nominalQuota": 4, "borrowingLimit": 4}]}
                        ],
                    }
                ],
            },
        },
    )
    wanted = {"used": 0.0, "min": 4.0, "max": 8.0, "pending": 0.0}
    wait_until(
        lambda: read_figures(sandbox, promql.queue_history([name], GPU)) == wanted,
        seconds=90,
        describe=lambda: f"{wanted}, there is {read_figures(sandbox, promql.queue_history([name], GPU))}",
    )
