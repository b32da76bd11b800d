"""THE PromQL: every query is a named function here, and people never send one.

The shapes that the queries are built of normalise what exporters really report, inline, because we may not add recording rules
to somebody's Prometheus: both spellings of the host label, pod labels with and without honorLabels, MIG instances, copies of one
series by shared pods and by replicas, blank values. Namespaces are put into the selectors here, on the server.

Vocabulary: a *device* is a GPU or one MIG instance of it; a query that gives several figures tells them apart by the label
`figure`. Units are those of the exporters, times 1048576 for memory: percent, bytes, watts, degrees Celsius.
Source: dcgm-exporter, kube-state-metrics and Kueue; tests/golden/promql.txt holds every text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from monitoring.domain.thresholds import DEFAULT_THRESHOLDS, Thresholds

UTIL: Final = "DCGM_FI_DEV_GPU_UTIL"
ENGINE: Final = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
MEMORY_USED: Final = "DCGM_FI_DEV_FB_USED"
MEMORY_FREE: Final = "DCGM_FI_DEV_FB_FREE"
POWER: Final = "DCGM_FI_DEV_POWER_USAGE"
TEMPERATURE: Final = "DCGM_FI_DEV_GPU_TEMP"
XID: Final = "DCGM_FI_DEV_XID_ERRORS"
ROW_REMAP: Final = "DCGM_FI_DEV_ROW_REMAP_FAILURE"

DEVICE_LABELS: Final = ("node", "UUID", "gpu", "GPU_I_ID", "GPU_I_PROFILE", "modelName")
FIGURE: Final = "figure"
MIB: Final = 1048576
# Old exporters print blanks as numbers: 2147483632 to 2147483647, 140737488355328 and upwards, 9.2e18 and upwards.
SMALLEST_BLANK: Final = 2147483632

GPU_COUNT_LABEL: Final = "nvidia.com/gpu.count"

_DEVICE: Final = ", ".join(DEVICE_LABELS)
_GPU_RESOURCES: Final = 'resource=~"nvidia_com_gpu|nvidia_com_mig_.+"'
_EXPORTER: Final = 'container!~"exporter|.*dcgm-exporter.*", pod!~".*dcgm-exporter.*"'
_RESOURCE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?(/[-A-Za-z0-9_.]{1,63})?")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A PromQL text under the name that logs and messages call it by."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """What can't be written so that it holds for every cluster; the probe finds it out.

    `hosts_are_pods`: the exporter's host label is the name of its pod, so that the node comes from kube_pod_info.
    """

    hosts_are_pods: bool = False


PLAIN: Final = Scheme()


# --- for the heat strip ------------------------------------------------------------------------------------------------------


def device_readings(scheme: Scheme = PLAIN) -> Query:
    """Per device: `used` in percent, `memory_used` and `memory_free` in bytes."""
    return Query(
        name="device_readings",
        text=_union(
            used=_util(scheme),
            memory_used=_memory(MEMORY_USED, scheme),
            memory_free=_memory(MEMORY_FREE, scheme),
        ),
    )


def device_conditions(scheme: Scheme = PLAIN) -> Query:
    """Per device: `power` in watts, `temperature`, `xid` the last code seen, `row_remap` 1 after a failure."""
    return Query(
        name="device_conditions",
        text=_union(
            power=_device(POWER, scheme),
            temperature=_device(TEMPERATURE, scheme),
            xid=_device(XID, scheme),
            row_remap=_device(ROW_REMAP, scheme),
        ),
    )


def device_holders(scheme: Scheme = PLAIN, *, namespaces: Iterable[str] | None = None) -> Query:
    """Per pod and device: the GPU memory that the pod uses. What has no pod label is held by nobody, as far as telemetry knows."""
    return Query(name="device_holders", text=f"{_pod(MEMORY_USED, scheme, namespaces=namespaces)} * {MIB}")


def device_recent_xids(scheme: Scheme = PLAIN, *, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Query:
    """Per device and code: the XIDs of the last hours, of which the caller keeps the fatal ones.

    A code stays in the gauge until the driver is reset, and a new code is a new series (its label err_code differs): so each
    series is looked at by itself, and an older 79 is not forgotten when a 31 follows it.
    """
    recent = f"(max_over_time({XID}[{thresholds.xid_memory_hours}h]) > 0)"
    return Query(name="device_recent_xids", text=f"max by ({_DEVICE}, err_code) ({_node(recent, scheme)})")


# --- totals and nodes --------------------------------------------------------------------------------------------------------


def cluster_allocation() -> Query:
    """One sample per figure, in GPUs: `allocated` by requests, `total` schedulable, `usable` on Ready, uncordoned nodes.

    Empty without kube-state-metrics. What is used comes from `device_readings`: a total and the list behind it are one query.
    """
    return Query(
        name="cluster_allocation",
        text=_union(
            allocated=f"sum({_pod_requests()}) or sum({_capacity()}) * 0",
            total=f"sum({_capacity()})",
            usable=f"sum({_usable_allocatable()})",
        ),
    )


def cluster_history(scheme: Scheme = PLAIN) -> Query:
    """The lines of the overview's charts: `used` in percent, `memory` as a ratio, `allocated` and `total` in GPUs."""
    return Query(
        name="cluster_history",
        text=_union(
            used=f"avg({_util(scheme)})",
            memory=f"sum({_memory(MEMORY_USED, scheme)}) / sum({_memory_total(scheme)})",
            allocated=_allocated(scheme),
            total=f"sum({_capacity()}) or count({_memory_total(scheme)})",
        ),
    )


def node_usage(scheme: Scheme = PLAIN) -> Query:
    """Per node: `physical` GPUs, `memory_total`, `used` average in percent, `allocated` GPUs with zero included."""
    total = _memory_total(scheme)
    return Query(
        name="node_usage",
        text=_union(
            physical=f"count by (node) (count by (node, UUID) ({total}))",
            memory_total=f"sum by (node) ({total})",
            used=f"avg by (node) ({_util(scheme)})",
            allocated=f"{_node_allocated()} or on (node) {_capacity()} * 0",
        ),
    )


def node_problems(scheme: Scheme = PLAIN) -> Query:
    """Per node and reason (label `why`): everything that makes a GPU node unhealthy."""
    capacity, allocatable = _capacity(), _allocatable()
    reasons = {
        "allocatable below capacity": f"{capacity} - on (node) {allocatable} > 0",
        "not ready": f"({_not_ready()}) and on (node) {capacity} > 0",
        "cordoned": f"({_cordoned()}) and on (node) {capacity} > 0",
        "row remap failure": f"max by (node) ({_node(ROW_REMAP, scheme)}) == 1",
        "no telemetry": f"({capacity} > 0) unless on (node) {_memory_total(scheme)}",
    }
    return Query(
        name="node_problems",
        text=" or ".join(f'label_replace({text}, "why", "{why}", "", "")' for why, text in reasons.items()),
    )


def free_card_histogram() -> Query:
    """How many usable nodes have how many free GPUs: label `free`, value nodes."""
    allocated = f"({_node_allocated()} or on (node) {_allocatable()} * 0)"
    return Query(
        name="free_card_histogram", text=f'count_values("free", {_usable_allocatable()} - on (node) {allocated})'
    )


def node_history(node: str, scheme: Scheme = PLAIN) -> Query:
    """Per device of one node: utilisation in percent."""
    name = _check_name(node)
    if not scheme.hosts_are_pods:
        return Query(name="node_history", text=_util(scheme, host=name))
    here = f'label_replace(vector(1), "node", "{name}", "", "")'
    return Query(name="node_history", text=f"{_util(scheme)} and on (node) {here}")


# --- people's work -----------------------------------------------------------------------------------------------------------


def idle_evidence(
    scheme: Scheme = PLAIN,
    *,
    namespaces: Iterable[str] | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Query:
    """Per pod and device, over the idle window: `peak` utilisation in percent, how many `samples` there are, `memory` in bytes.

    The peak looks at every scraped sample, so that a short burst counts; the samples are counted on a fixed step, so that a gap
    shows whatever the scrape interval is.
    """
    window = f"{thresholds.idle_window_minutes}m"
    util = f"{_pod(UTIL, scheme, namespaces=namespaces, matchers=_WHOLE)} or {_pod(ENGINE, scheme, namespaces=namespaces)} * 100"
    return Query(
        name="idle_evidence",
        text=_union(
            peak=f"{_pod(UTIL, scheme, namespaces=namespaces, matchers=_WHOLE, peak=window)}"
            f" or {_pod(ENGINE, scheme, namespaces=namespaces, peak=window)} * 100",
            samples=f"count_over_time(({util})[{window}:{thresholds.idle_step_seconds}s])",
            memory=f"{_pod(MEMORY_USED, scheme, namespaces=namespaces)} * {MIB}",
        ),
    )


def namespace_history(*, namespaces: Iterable[str] | None = None) -> Query:
    """Per namespace: the GPUs that its pods hold."""
    return Query(name="namespace_history", text=f"sum by (namespace) ({_pod_requests(namespaces=namespaces)})")


def pods_history(namespace: str, pods: Sequence[str], scheme: Scheme = PLAIN) -> Query:
    """Per pod of one namespace: utilisation in percent, the mean over its devices."""
    names = _alternatives(pods)
    util = (
        f"{_pod(UTIL, scheme, namespaces=[namespace], pods=names, matchers=_WHOLE)}"
        f" or {_pod(ENGINE, scheme, namespaces=[namespace], pods=names)} * 100"
    )
    return Query(name="pods_history", text=f"avg by (namespace, pod) ({util})")


def queue_history(queues: Sequence[str], resource: str) -> Query:
    """Of these queues together, for one resource: `used`, `min`, `max`, and `pending` workloads (of every resource).

    Every replica of Kueue exports the same series, hence the max before the sum. An unset limit is +Inf from Kueue 0.19 on.
    """
    chosen = f'cluster_queue=~"{_alternatives(queues)}"'

    def amount(metric: str) -> str:
        return f'sum(max by (cluster_queue, flavor, resource) ({metric}{{{chosen}, resource="{_check_resource(resource)}"}}))'

    return Query(
        name="queue_history",
        text=_union(
            used=amount("kueue_cluster_queue_resource_usage"),
            min=amount("kueue_cluster_queue_nominal_quota"),
            max=f"{amount('kueue_cluster_queue_nominal_quota')} + {amount('kueue_cluster_queue_borrowing_limit')}",
            pending=f'sum(max by (cluster_queue, status) (kueue_pending_workloads{{{chosen}, status=~"active|inadmissible"}}))',
        ),
    )


# --- the probe ---------------------------------------------------------------------------------------------------------------


def source_survey() -> Query:
    """What there is: the number of series per kind of figure, of which `monitoring.detection` makes sense."""
    hosts = f'label_replace({MEMORY_USED}, "host", "$1", "Hostname", "(.+)")'
    hosts = f'label_replace({hosts}, "host", "$1", "hostname", "(.+)")'
    return Query(
        name="source_survey",
        text=_union(
            dcgm=f"count({MEMORY_USED})",
            host_old=f'count({MEMORY_USED}{{Hostname!=""}})',
            host_new=f'count({MEMORY_USED}{{hostname!=""}})',
            hosts_are_pods=f'count({hosts} and on (host) label_replace(kube_pod_info, "host", "$1", "pod", "(.+)"))',
            pods_exported=f'count({MEMORY_USED}{{exported_pod!=""}})',
            pods_honoured=f'count({MEMORY_USED}{{exported_pod="", pod!="", {_EXPORTER}}})',
            pods_of_exporter=f'count({MEMORY_USED}{{pod=~".*dcgm-exporter.*"}})',
            mig=f'count({MEMORY_USED}{{GPU_I_ID!=""}})',
            shared=f'count({MEMORY_USED}{{vgpu!=""}})',
            util=f"count({UTIL})",
            profiling=f"count({ENGINE})",
            xid=f"count({XID})",
            hami='count({__name__=~"hami_vgpu_memory_used_bytes|vGPU_device_memory_usage_in_bytes"})',
            ack="count(nvidia_gpu_memory_used_bytes)",
            pod_requests=f"count(kube_pod_container_resource_requests{{{_GPU_RESOURCES}}})",
            node_capacity=f"count(kube_node_status_capacity{{{_GPU_RESOURCES}}})",
            kueue="count(kueue_pending_workloads)",
            kueue_resources="count(kueue_cluster_queue_nominal_quota)",
        ),
    )


# --- shapes ------------------------------------------------------------------------------------------------------------------

_WHOLE: Final = 'GPU_I_ID=""'
"""MIG instances report no GPU_UTIL, or 0: their activity is GR_ENGINE_ACTIVE."""


def _node(expression: str, scheme: Scheme) -> str:
    """The same series with the label `node`, whichever way the host is spelled."""
    label = "exporter_pod" if scheme.hosts_are_pods else "node"
    named = f'label_replace({expression}, "{label}", "$1", "Hostname", "(.+)")'
    named = f'label_replace({named}, "{label}", "$1", "hostname", "(.+)")'
    if not scheme.hosts_are_pods:
        return named
    pods = 'max by (exporter_pod, node) (label_replace(kube_pod_info, "exporter_pod", "$1", "pod", "(.+)"))'
    return f"({named} * on (exporter_pod) group_left (node) {pods})"


def _gauge(selector: str) -> str:
    """A gauge without the numbers that stand for "blank"."""
    return f"({selector} < {SMALLEST_BLANK})"


def _device(metric: str, scheme: Scheme, *, matchers: str = "", host: str = "") -> str:
    """One value per device, however many copies pods and replicas make of it; those of one host when it is given."""
    parts = [matchers] if matchers else []
    if host:
        spellings = [[f'Hostname="{host}"'], ['Hostname=""', f'hostname="{host}"']]
        selector = " or ".join(_gauge(_select(metric, [*spelling, *parts])) for spelling in spellings)
        selector = f"({selector})"
    else:
        selector = _gauge(_select(metric, parts))
    return f"max by ({_DEVICE}) ({_node(selector, scheme)})"


def _select(metric: str, matchers: Sequence[str]) -> str:
    return f"{metric}{{{', '.join(matchers)}}}" if matchers else metric


def _pod(
    metric: str,
    scheme: Scheme,
    *,
    namespaces: Iterable[str] | None = None,
    pods: str = "",
    matchers: str = "",
    peak: str = "",
) -> str:
    """One value per pod and device, the pod being the one that holds it and never the exporter's own.

    With honorLabels off the holder is in `exported_pod`; with it on in `pod`, where a free GPU shows the exporter.
    """
    chosen = None if namespaces is None else _alternatives(namespaces)

    def selector(pod_label: str, namespace_label: str, *more: str) -> str:
        parts = [f'{pod_label}=~"{pods}"' if pods else f'{pod_label}!=""', *more]
        if chosen is not None:
            parts.append(f'{namespace_label}=~"{chosen}"')
        if matchers:
            parts.append(matchers)
        text = f"{metric}{{{', '.join(parts)}}}"
        return f"(max_over_time({text}[{peak}]) < {SMALLEST_BLANK})" if peak else _gauge(text)

    exported = selector("exported_pod", "exported_namespace")
    exported = f'label_replace({exported}, "pod", "$1", "exported_pod", "(.+)")'
    exported = f'label_replace({exported}, "namespace", "$1", "exported_namespace", "(.+)")'
    honoured = selector("pod", "namespace", 'exported_pod=""', _EXPORTER)
    return f"max by (namespace, pod, {_DEVICE}) ({_node(f'({exported} or {honoured})', scheme)})"


def _util(scheme: Scheme, *, host: str = "") -> str:
    """Utilisation in percent: GPU_UTIL of whole cards, the engine's activity where there is none or where it means nothing."""
    whole = _device(UTIL, scheme, matchers=_WHOLE, host=host)
    return f"({whole} or {_device(ENGINE, scheme, host=host)} * 100)"


def _memory(metric: str, scheme: Scheme) -> str:
    return f"({_device(metric, scheme)} * {MIB})"


def _memory_total(scheme: Scheme) -> str:
    """Used + free. Reserved memory is left out: only some exporters report it."""
    return f"(({_device(MEMORY_USED, scheme)} + {_device(MEMORY_FREE, scheme)}) * {MIB})"


def _ksm(metric: str, matchers: str, *, namespaces: Iterable[str] | None = None) -> str:
    """A series of kube-state-metrics under the labels of the object it speaks of, scraped with honorLabels or without."""
    if namespaces is None:
        selector = f"{metric}{{{matchers}}}"
    else:
        chosen = _alternatives(namespaces)
        exported = f'{matchers}, exported_namespace=~"{chosen}"'
        honoured = f'{matchers}, exported_namespace="", namespace=~"{chosen}"'
        selector = f"({metric}{{{exported}}} or {metric}{{{honoured}}})"
    for label in ("namespace", "pod", "container"):
        selector = f'label_replace({selector}, "{label}", "$1", "exported_{label}", "(.+)")'
    return selector


def _pod_requests(*, namespaces: Iterable[str] | None = None) -> str:
    """GPUs per scheduled pod that has not ended, from its requests: a starting pod counts, one without a node does not."""
    names = None if namespaces is None else tuple(namespaces)
    requests = _ksm("kube_pod_container_resource_requests", f'{_GPU_RESOURCES}, node!=""', namespaces=names)
    phase = _ksm("kube_pod_status_phase", 'phase=~"Pending|Running"', namespaces=names)
    return (
        f"sum by (namespace, pod, node) (max by (namespace, pod, uid, container, node, resource) ({requests}) "
        f"* on (namespace, pod, uid) group_left () max by (namespace, pod, uid) ({phase} == 1))"
    )


def _node_allocated() -> str:
    return f"sum by (node) ({_pod_requests()})"


def _capacity() -> str:
    return f"sum by (node) (max by (node, resource) (kube_node_status_capacity{{{_GPU_RESOURCES}}}))"


def _allocatable() -> str:
    return f"sum by (node) (max by (node, resource) (kube_node_status_allocatable{{{_GPU_RESOURCES}}}))"


def _not_ready() -> str:
    return 'max by (node) (kube_node_status_condition{condition="Ready", status="true"}) == 0'


def _cordoned() -> str:
    return "max by (node) (kube_node_spec_unschedulable) == 1"


def _usable_allocatable() -> str:
    """Allocatable GPUs of the nodes that are Ready and not cordoned."""
    return f"({_allocatable()} unless on (node) ({_not_ready()}) unless on (node) ({_cordoned()}))"


def _allocated(scheme: Scheme) -> str:
    """GPUs that pods hold, by their requests; without kube-state-metrics, the devices whose telemetry names a pod."""
    held = f"count(count by (UUID, GPU_I_ID) ({_pod(MEMORY_USED, scheme)}))"
    return f"sum({_pod_requests()}) or sum({_capacity()}) * 0 or {held}"


def _union(**figures: str) -> str:
    """One query for several figures, told apart by the label `figure`: one round trip, one moment in time."""
    return " or ".join(f'label_replace({text}, "{FIGURE}", "{name}", "", "")' for name, text in figures.items())


def _alternatives(names: Iterable[str]) -> str:
    """A regular expression that matches exactly these names of Kubernetes objects, and nothing when there are none.

    Raises: ValueError for what can't be such a name; nothing unchecked gets into a query.
    """
    return "|".join(_check_name(name).replace(".", "[.]") for name in sorted(set(names))) or "-"


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a Kubernetes object")
    return name


def _check_resource(resource: str) -> str:
    if not _RESOURCE.fullmatch(resource):
        raise ValueError(f"{resource!r} is no name of a resource")
    return resource
