"""The queries on a real Prometheus, against the figures that the fixture cases must give."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from monitoring import assembly, promql
from monitoring.detection import detect
from monitoring.domain.gpus import GpuDevice, GpuSnapshot, PodRef
from monitoring.domain.idle import HolderFacts, IdleReport, judge_idle
from monitoring.prometheus.client import PrometheusClient
from monitoring.prometheus.parsing import Sample
from monitoring.promql import PLAIN, Query, Scheme
from tests.cluster.monitoring.conftest import FilledPrometheus

MIB = 1048576
HOSTS_ARE_PODS = Scheme(hosts_are_pods=True)


def read_snapshot(prometheus: FilledPrometheus, name: str, scheme: Scheme = PLAIN) -> GpuSnapshot:
    return assembly.build_snapshot(
        samples(prometheus, name, promql.device_readings(scheme)),
        conditions=samples(prometheus, name, promql.device_conditions(scheme)),
        holders=samples(prometheus, name, promql.device_holders(scheme)),
        xids=samples(prometheus, name, promql.device_recent_xids(scheme)),
    )


def samples(prometheus: FilledPrometheus, name: str, query: Query) -> list[Sample]:
    return [Sample(labels=labels, value=value) for labels, value in prometheus.ask(name, query)]


def by_uuid(snapshot: GpuSnapshot) -> dict[tuple[str, str], GpuDevice]:
    return {(device.uuid, device.mig_instance): device for device in snapshot.devices}


def test_totals_of_the_reference_set(filled_prometheus: FilledPrometheus) -> None:
    snapshot = read_snapshot(filled_prometheus, "reference")
    totals = assembly.build_totals(snapshot, samples(filled_prometheus, "reference", promql.cluster_allocation()))

    assert totals.used_ratio == pytest.approx(0.27143, abs=1e-5)
    assert totals.weighted_used_ratio == pytest.approx(0.23208, abs=1e-5)
    assert totals.memory_used_bytes == 49000 * MIB
    assert totals.memory_total_bytes == 424000 * MIB
    assert totals.memory_used_ratio == pytest.approx(0.11557, abs=1e-5)
    assert totals.memory_allocated_bytes == 224000 * MIB
    assert totals.gpus_allocated == 5
    assert totals.gpus_total == 14
    assert totals.gpus_usable == 10
    assert totals.physical_gpus == 6
    assert totals.devices == 7


def test_nodes_of_the_reference_set(filled_prometheus: FilledPrometheus) -> None:
    usage = assembly.build_node_usage(samples(filled_prometheus, "reference", promql.node_usage()))

    assert {name: node.gpus_allocated for name, node in usage.items()} == {
        "node-a": 1,
        "node-b": 1,
        "node-c": 1,
        "node-d": 2,
        "node-e": 0,
    }
    used = {name: node.used_ratio and round(node.used_ratio, 3) for name, node in usage.items()}
    assert used == {"node-a": 0.4, "node-b": 0.0, "node-c": 0.25, "node-d": 0.6, "node-e": None}
    memory = {name: node.memory_total_bytes and node.memory_total_bytes // MIB for name, node in usage.items()}
    assert memory == {"node-a": 160000, "node-b": 160000, "node-c": 80000, "node-d": 24000, "node-e": None}
    assert usage["node-e"].physical_gpus is None, "no telemetry is not 0"


def test_a_node_that_is_not_ready_and_silent_has_both_reasons(filled_prometheus: FilledPrometheus) -> None:
    problems = assembly.build_node_problems(samples(filled_prometheus, "reference", promql.node_problems()))
    assert [(problem.node, problem.reasons) for problem in problems] == [("node-e", ("no telemetry", "not ready"))]


def test_free_cards_are_counted_on_usable_nodes_only(filled_prometheus: FilledPrometheus) -> None:
    histogram = {
        labels["free"]: nodes for labels, nodes in filled_prometheus.ask("reference", promql.free_card_histogram())
    }
    assert histogram == {"1": 3, "2": 1}


def test_the_history_of_the_cluster_agrees_with_its_totals(filled_prometheus: FilledPrometheus) -> None:
    figures = {
        labels["figure"]: value for labels, value in filled_prometheus.ask("reference", promql.cluster_history())
    }
    assert figures["used"] == pytest.approx(27.143, abs=1e-3)
    assert figures["memory"] == pytest.approx(0.11557, abs=1e-5)
    assert (figures["allocated"], figures["total"]) == (5, 14)


def test_a_history_has_a_value_per_step(filled_prometheus: FilledPrometheus) -> None:
    end = filled_prometheus.moment("reference")
    start = end - timedelta(minutes=30)
    matrix = filled_prometheus.client.query_range(promql.cluster_history().text, start=start, end=end, step_seconds=120)
    history = assembly.build_history(
        matrix,
        start=start,
        end=end,
        step_seconds=120,
        name_line=lambda labels: labels.get("figure"),
        convert=lambda line, value: round(value, 3),
    )
    assert len(history.at) == 16
    assert history.lines["used"] == (27.143,) * 16
    assert history.lines["allocated"] == (5.0,) * 16


def test_without_kube_state_metrics_allocation_is_counted_from_telemetry(filled_prometheus: FilledPrometheus) -> None:
    figures = {labels["figure"]: value for labels, value in filled_prometheus.ask("idle", promql.cluster_history())}
    assert figures["allocated"] == figures["total"] == 7, "six pods, one of them with two cards"


def test_devices_of_the_reference_set(filled_prometheus: FilledPrometheus) -> None:
    devices = by_uuid(read_snapshot(filled_prometheus, "reference"))

    train = devices["GPU-a0", ""]
    assert (train.node, train.used_ratio, train.memory_used_ratio) == ("node-a", 0.8, 0.25)
    assert train.pods == (PodRef(namespace="team-a", pod="train-0"),)
    assert devices["GPU-a1", ""].pods == (), "the exporter's own pod is no workload"
    assert devices["GPU-b0", ""].pods == (PodRef(namespace="team-b", pod="notebook-0"),)
    assert devices["GPU-b1", ""].pods == (), "a free card bears the exporter's pod when labels are honoured"
    mig = devices["GPU-c0", "1"]
    assert (mig.used_ratio, mig.memory_used_ratio, mig.mig_profile) == (0.5, 0.275, "3g.40gb")
    shared = devices["GPU-d0", ""]
    assert (shared.used_ratio, shared.memory_used_bytes) == (0.6, 8000 * MIB)
    assert {pod.pod for pod in shared.pods} == {"infer-0", "infer-1"}


@pytest.mark.parametrize("name", ["a3-empty-exported-pod", "a3-empty-pod"])
def test_an_empty_pod_label_is_nobody(filled_prometheus: FilledPrometheus, name: str) -> None:
    devices = by_uuid(read_snapshot(filled_prometheus, name))
    assert devices["GPU-a0", ""].pods == (PodRef(namespace="team-a", pod="train-0"),)
    assert devices["GPU-a1", ""].pods == ()


def test_a_host_label_that_names_a_pod_is_mapped_to_its_node(filled_prometheus: FilledPrometheus) -> None:
    client = PrometheusClient(url=filled_prometheus.url)
    assert detect(client, now=filled_prometheus.moment("a2-hosts-are-pods")).hosts_are_pods
    assert not detect(client, now=filled_prometheus.moment("reference")).hosts_are_pods

    devices = by_uuid(read_snapshot(filled_prometheus, "a2-hosts-are-pods", HOSTS_ARE_PODS))
    assert {device.node for device in devices.values()} == {"node-a"}
    allocation = samples(filled_prometheus, "a2-hosts-are-pods", promql.cluster_allocation())
    totals = assembly.build_totals(GpuSnapshot(devices=tuple(devices.values())), allocation)
    assert totals.used_ratio == pytest.approx(0.4)
    assert totals.gpus_allocated == 1


def test_mig_activity_counts_even_where_gpu_util_reads_zero(filled_prometheus: FilledPrometheus) -> None:
    devices = by_uuid(read_snapshot(filled_prometheus, "c-util-zero"))
    assert devices["GPU-c0", "1"].used_ratio == 0.5


def test_equal_copies_of_a_shared_card_are_one_card(filled_prometheus: FilledPrometheus) -> None:
    snapshot = read_snapshot(filled_prometheus, "d2-copies-only")
    (card,) = snapshot.devices
    assert (card.used_ratio, card.memory_used_bytes, len(card.pods)) == (0.6, 8000 * MIB, 2)


def test_only_fatal_xids_mark_a_card(filled_prometheus: FilledPrometheus) -> None:
    devices = by_uuid(read_snapshot(filled_prometheus, "g-xid"))
    fatal = {uuid: device.fatal_xid for (uuid, _), device in devices.items()}
    assert fatal == {"GPU-g0": None, "GPU-g1": 79, "GPU-g2": 79, "GPU-g3": 79, "GPU-g4": 79}
    assert devices["GPU-g0", ""].last_xid == 31


def test_blank_values_are_not_reported(filled_prometheus: FilledPrometheus) -> None:
    devices = by_uuid(read_snapshot(filled_prometheus, "h-blanks"))
    temperatures = {uuid: device.temperature_celsius for (uuid, _), device in devices.items()}
    assert temperatures == {"GPU-h0": None, "GPU-h1": 45.0, "GPU-h2": None, "GPU-h3": None}


def test_queue_figures_count_one_replica_of_kueue(filled_prometheus: FilledPrometheus) -> None:
    figures = filled_prometheus.ask("i-kueue", promql.queue_history(["nlp"], "nvidia.com/gpu"))
    assert {labels["figure"]: value for labels, value in figures} == {"used": 6, "min": 4, "max": 8, "pending": 5}

    unlimited = filled_prometheus.ask("i-kueue", promql.queue_history(["vision"], "nvidia.com/gpu"))
    assert {labels["figure"]: value for labels, value in unlimited}["max"] == math.inf


@pytest.mark.parametrize(
    ("namespaces", "pods"),
    [
        (["team-a"], {"train-0", "mig-0"}),
        (["team-b"], {"notebook-0", "infer-0", "infer-1"}),
        (["team"], set()),
        ([], set()),
    ],
)
def test_namespaces_limit_what_is_asked_for(
    filled_prometheus: FilledPrometheus, namespaces: list[str], pods: set[str]
) -> None:
    holders = filled_prometheus.ask("reference", promql.device_holders(namespaces=namespaces))
    assert {labels["pod"] for labels, _ in holders} == pods
    evidence = filled_prometheus.ask("reference", promql.idle_evidence(namespaces=namespaces))
    assert {labels["pod"] for labels, _ in evidence} == pods
    history = filled_prometheus.ask("reference", promql.namespace_history(namespaces=namespaces))
    assert {labels["namespace"] for labels, _ in history} == (set(namespaces) if pods else set())


def test_pods_show_their_own_share_of_a_shared_card(filled_prometheus: FilledPrometheus) -> None:
    shares = filled_prometheus.ask("reference", promql.pods_history("team-b", ["infer-0", "infer-1"]))
    assert {labels["pod"]: value for labels, value in shares} == {"infer-0": 40, "infer-1": 20}


def test_the_history_of_a_node_is_that_of_its_devices(filled_prometheus: FilledPrometheus) -> None:
    def lines(name: str, node: str, scheme: Scheme = PLAIN) -> dict[str, float]:
        return {
            labels["gpu"]: value for labels, value in filled_prometheus.ask(name, promql.node_history(node, scheme))
        }

    assert lines("reference", "node-a") == {"0": 80, "1": 0}
    assert lines("reference", "node-b") == {"0": 0, "1": 0}, "spelled hostname"
    assert lines("a2-hosts-are-pods", "node-a", HOSTS_ARE_PODS) == {"0": 80, "1": 0}


def read_idle(prometheus: FilledPrometheus, name: str, *pods: tuple[str, str, int]) -> IdleReport:
    holders = {
        PodRef(namespace=namespace, pod=pod): HolderFacts(
            pod=PodRef(namespace=namespace, pod=pod), node="node", gpus=gpus, started_at=None
        )
        for namespace, pod, gpus in pods
    }
    evidence = assembly.build_evidence(samples(prometheus, name, promql.idle_evidence()))
    return judge_idle(evidence, holders=holders, now=prometheus.moment(name))


def test_the_idle_rule_on_its_companion_series(filled_prometheus: FilledPrometheus) -> None:
    names = ("idle", "spike", "young", "gappy", "shortgap", "two")
    pods = [("team-b", name, 2 if name == "two" else 1) for name in names]
    report = read_idle(filled_prometheus, "idle", *pods)

    found = {pod.pod: (pod.idle_gpus, pod.gpus, pod.is_wholly_idle, pod.idle_class.value) for pod in report.pods}
    assert found == {
        "idle": (1, 1, True, "idle_held"),
        "shortgap": (1, 1, True, "idle_empty"),
        "two": (1, 2, False, "idle_held"),
    }


def test_the_notebook_of_the_reference_set_is_idle_and_holds_memory(filled_prometheus: FilledPrometheus) -> None:
    report = read_idle(
        filled_prometheus, "reference", ("team-a", "train-0", 1), ("team-b", "notebook-0", 1), ("team-c", "silent-0", 2)
    )
    found = {pod.pod: pod.idle_class.value for pod in report.pods}
    assert found == {"notebook-0": "idle_held", "silent-0": "no_telemetry"}
    assert report.devices == {("GPU-b0", "")}, "a free card is not idle"
