"""Synthetic series for a real Prometheus: one function per fixture case, each giving series as exporters write them.

Every data set has a day of its own in one Prometheus, so that one server answers for all of them. Values are constant over the
window unless a series says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MINUTE = 60
WINDOW_MINUTES = 100
FIRST_DAY = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)

UTIL = "DCGM_FI_DEV_GPU_UTIL"
USED = "DCGM_FI_DEV_FB_USED"
FREE = "DCGM_FI_DEV_FB_FREE"
ENGINE = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
XID = "DCGM_FI_DEV_XID_ERRORS"

Wave = Callable[[int], float | None]
"""The value at so many minutes before the end; None leaves the sample out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One series."""

    metric: str
    labels: Mapping[str, str]
    wave: Wave


def line(metric: str, value: float | Wave, **labels: str) -> Line:
    return Line(metric, labels, value if callable(value) else lambda minutes_ago: value)


def write_openmetrics(sets: Mapping[str, Sequence[Line]]) -> str:
    """All data sets as one OpenMetrics text; the set number n ends at `end_of(n)`."""
    rows = [
        f"{item.metric}{{{_labels(item.labels)}}} {value!r} {end.timestamp() - minutes * MINUTE:.0f}"
        for number, name in enumerate(sorted(sets))
        for end in (end_of(number),)
        for item in sets[name]
        for minutes in range(WINDOW_MINUTES, -1, -1)
        if (value := item.wave(minutes)) is not None
    ]
    return "\n".join([*rows, "# EOF", ""])


def end_of(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number)


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())


# --- exporters ---------------------------------------------------------------------------------------------------------------


def gpu(
    uuid: str,
    values: Mapping[str, float | Wave],
    labels: Mapping[str, str],
    *,
    index: int = 0,
    model: str = "NVIDIA A100",
) -> Iterator[Line]:
    """The series of one device: `values` by metric."""
    for metric, value in values.items():
        yield line(metric, value, gpu=str(index), UUID=uuid, modelName=model, **labels)


def node(name: str, gpus: Mapping[str, int], *, ready: str = "true") -> Iterator[Line]:
    """What kube-state-metrics says of a node, twice: two replicas of it are scraped."""
    for instance in ("ksm-0", "ksm-1"):
        for resource, count in gpus.items():
            for metric in ("kube_node_status_capacity", "kube_node_status_allocatable"):
                yield line(metric, count, node=name, resource=resource, instance=instance)
        for status in ("true", "false", "unknown"):
            yield line(
                "kube_node_status_condition",
                int(status == ready),
                node=name,
                condition="Ready",
                status=status,
                instance=instance,
            )
        yield line("kube_node_spec_unschedulable", 0, node=name, instance=instance)


def pod(
    namespace: str, name: str, *, node: str, gpus: int, phase: str = "Running", resource: str = "nvidia_com_gpu"
) -> Iterator[Line]:
    """What kube-state-metrics says of a pod, twice."""
    identity = {"namespace": namespace, "pod": name, "uid": f"uid-{name}"}
    for instance in ("ksm-0", "ksm-1"):
        yield line(
            "kube_pod_container_resource_requests",
            gpus,
            **identity,
            container="main",
            node=node,
            resource=resource,
            instance=instance,
        )
        for other in ("Pending", "Running", "Succeeded", "Failed", "Unknown"):
            yield line("kube_pod_status_phase", int(other == phase), **identity, phase=other, instance=instance)


def exported(pod: str, namespace: str) -> dict[str, str]:
    """How a holder is named with honorLabels off."""
    return {"exported_pod": pod, "exported_namespace": namespace, "exported_container": "main"}


# --- the cases ---------------------------------------------------------------------------------------------------------------

_EXPORTER_A = {"namespace": "gpu-operator", "pod": "dcgm-exporter-a1", "container": "exporter"}


def case_a(*, host: str = "node-a", free_pod: Mapping[str, str] | None = None) -> Iterator[Line]:
    """honorLabels off, label Hostname: one held card, one free."""
    at = {"Hostname": host, **_EXPORTER_A}
    held = exported("train-0", "team-a")
    yield from gpu("GPU-a0", {UTIL: 80, USED: 20000, FREE: 60000, ENGINE: 0.7}, {**at, **held})
    yield from gpu("GPU-a1", {UTIL: 0, USED: 0, FREE: 80000, ENGINE: 0}, {**at, **(free_pod or {})}, index=1)
    yield from node("node-a", {"nvidia_com_gpu": 2})
    yield from pod("team-a", "train-0", node="node-a", gpus=1)


def case_b() -> Iterator[Line]:
    """honorLabels on, label hostname: an idle notebook, and a free card that bears the exporter's pod."""
    notebook = {"namespace": "team-b", "pod": "notebook-0", "container": "notebook"}
    exporter = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-b1", "container": "nvidia-dcgm-exporter"}
    yield from gpu("GPU-b0", {UTIL: 0, USED: 10000, FREE: 70000, ENGINE: 0}, {"hostname": "node-b", **notebook})
    yield from gpu("GPU-b1", {UTIL: 0, USED: 0, FREE: 80000, ENGINE: 0}, {"hostname": "node-b", **exporter}, index=1)
    yield from node("node-b", {"nvidia_com_gpu": 2})
    yield from pod("team-b", "notebook-0", node="node-b", gpus=1)


def case_c(*, util: float | None = None) -> Iterator[Line]:
    """MIG: per-instance series only, GPU_UTIL absent (or `util`)."""
    at = {"Hostname": "node-c", "namespace": "gpu-operator", "pod": "dcgm-exporter-c1", "container": "exporter"}
    extra: dict[str, float | Wave] = {} if util is None else {UTIL: util}
    first = {"GPU_I_ID": "1", "GPU_I_PROFILE": "3g.40gb", **exported("mig-0", "team-a")}
    second = {"GPU_I_ID": "2", "GPU_I_PROFILE": "4g.40gb"}
    h100 = "NVIDIA H100"
    yield from gpu("GPU-c0", {ENGINE: 0.5, USED: 11000, FREE: 29000, **extra}, {**at, **first}, model=h100)
    yield from gpu("GPU-c0", {ENGINE: 0, USED: 0, FREE: 40000, **extra}, {**at, **second}, model=h100)
    yield from node("node-c", {"nvidia_com_mig_3g_40gb": 1, "nvidia_com_mig_4g_40gb": 1})
    yield from pod("team-a", "mig-0", node="node-c", gpus=1, resource="nvidia_com_mig_3g_40gb")


def case_d(*, has_device_series: bool = True) -> Iterator[Line]:
    """A time-sliced card: a copy per pod and the device's own series; without those the copies are equal."""
    at = {"Hostname": "node-d", "namespace": "gpu-operator", "pod": "dcgm-exporter-d1", "container": "exporter"}
    shares = {"infer-0": (40, 5000, "0"), "infer-1": (20, 3000, "1")}
    device: dict[str, float | Wave] = {UTIL: 60, USED: 8000, FREE: 16000, ENGINE: 0.5}
    if has_device_series:
        yield from gpu("GPU-d0", device, at, model="NVIDIA A10")
    for name, (util, used, vgpu) in shares.items():
        values: dict[str, float | Wave] = {**device, UTIL: util, USED: used} if has_device_series else device
        yield from gpu("GPU-d0", values, {**at, **exported(name, "team-b"), "vgpu": vgpu}, model="NVIDIA A10")
    yield from node("node-d", {"nvidia_com_gpu": 4})
    for name in shares:
        yield from pod("team-b", name, node="node-d", gpus=1)


def case_e() -> Iterator[Line]:
    """A node that is not ready and reports no telemetry."""
    yield from node("node-e", {"nvidia_com_gpu": 4}, ready="unknown")


def case_f() -> Iterator[Line]:
    """Requests of pods that ended or were never scheduled."""
    yield from pod("team-a", "done-0", node="node-a", gpus=2, phase="Succeeded")
    yield from pod("team-a", "crash-0", node="node-b", gpus=1, phase="Failed")
    yield from pod("team-b", "wait-0", node="", gpus=2, phase="Pending")


def reference_set() -> list[Line]:
    return [*case_a(), *case_b(), *case_c(), *case_d(), *case_e(), *case_f()]


def case_g() -> Iterator[Line]:
    """XID codes that stick, change and appear; the change is 5 minutes before the end."""
    cards: list[list[tuple[int, Wave]]] = [
        [(31, _always(31))],
        [(0, _before(0)), (79, _after(79))],
        [(31, _before(31)), (79, _after(79))],
        [(79, _after(79))],
        [(79, _before(79)), (31, _after(31))],
    ]
    for index, codes in enumerate(cards):
        at = {"Hostname": "node-g", "gpu": str(index), "UUID": f"GPU-g{index}", "modelName": "NVIDIA H100"}
        for metric, value in ((UTIL, 0), (USED, 0), (FREE, 80000)):
            yield line(metric, value, **at)
        for code, wave in codes:
            yield line(XID, wave, err_code=str(code), **at)


def _always(value: float) -> Wave:
    return lambda minutes_ago: value


def _before(value: float) -> Wave:
    return lambda minutes_ago: value if minutes_ago > 5 else None


def _after(value: float) -> Wave:
    return lambda minutes_ago: value if minutes_ago <= 5 else None


def case_h() -> Iterator[Line]:
    """Blanks that old exporters print as numbers."""
    temperatures = [9223372036854775794.0, 45.0, 2147483647.0, 140737488355328.0]
    for index, celsius in enumerate(temperatures):
        values: dict[str, float | Wave] = {UTIL: 1, USED: 10, FREE: 10, "DCGM_FI_DEV_GPU_TEMP": celsius}
        yield from gpu(f"GPU-h{index}", values, {"Hostname": "node-h"}, index=index, model="NVIDIA V100")


def case_i() -> Iterator[Line]:
    """Kueue's series from two replicas."""
    for instance in ("kueue-0", "kueue-1"):
        queue = {"cluster_queue": "nlp", "instance": instance}
        gpus = {**queue, "cohort": "root", "flavor": "aidashboard", "resource": "nvidia.com/gpu"}
        yield line("kueue_cluster_queue_resource_usage", 6, **gpus)
        yield line("kueue_cluster_queue_nominal_quota", 4, **gpus)
        yield line("kueue_cluster_queue_borrowing_limit", 4, **gpus)
        yield line("kueue_pending_workloads", 3, status="active", **queue)
        yield line("kueue_pending_workloads", 2, status="inadmissible", **queue)
        unlimited = {**gpus, "cluster_queue": "vision"}
        yield line("kueue_cluster_queue_resource_usage", 1, **unlimited)
        yield line("kueue_cluster_queue_nominal_quota", 4, **unlimited)
        yield line("kueue_cluster_queue_borrowing_limit", float("inf"), **unlimited)


def case_idle() -> Iterator[Line]:
    """The companions of case B: pods that are idle, or only look so."""
    waves: dict[str, list[Wave]] = {
        "idle": [lambda ago: 0.0],
        "spike": [lambda ago: 40.0 if ago == 20 else 0.0],
        "young": [lambda ago: 0.0 if ago <= 30 else None],
        "gappy": [lambda ago: None if 10 <= ago < 40 else 0.0],
        "shortgap": [lambda ago: None if 10 <= ago < 19 else 0.0],
        "two": [lambda ago: 0.0, lambda ago: 90.0],
    }
    for name, cards in waves.items():
        for index, wave in enumerate(cards):
            held = {"hostname": f"node-{name}", "namespace": "team-b", "pod": name, "container": "main"}
            memory = 100 if name == "shortgap" else 10000
            uuid = f"GPU-{name}-{index}"
            yield from gpu(uuid, {UTIL: wave, USED: memory, FREE: 70000}, held, index=index)


def case_hosts_are_pods() -> Iterator[Line]:
    """Case A where the host label is the exporter's pod; kube_pod_info knows its node."""
    yield from case_a(host="dcgm-exporter-a1")
    yield line("kube_pod_info", 1, namespace="gpu-operator", pod="dcgm-exporter-a1", node="node-a")


SETS: dict[str, list[Line]] = {
    "reference": reference_set(),
    "a2-hosts-are-pods": list(case_hosts_are_pods()),
    "a3-empty-exported-pod": list(case_a(free_pod={"exported_pod": ""})),
    "a3-empty-pod": list(case_a(free_pod={"pod": "", "container": ""})),
    "c-util-zero": list(case_c(util=0)),
    "d2-copies-only": list(case_d(has_device_series=False)),
    "g-xid": list(case_g()),
    "h-blanks": list(case_h()),
    "i-kueue": list(case_i()),
    "idle": list(case_idle()),
}
