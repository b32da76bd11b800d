"""What a metrics source offers: which exporters, how they label their series, what is missing. Pure.

Vocabulary: the *scheme* is how series name host and pod; *honoured* means that the exporter's own pod labels were kept
(honorLabels on), *exported* that they were moved to `exported_*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Exporter(StrEnum):
    DCGM = "dcgm"
    HAMI = "hami"
    ACK = "ack"
    NONE = "none"


class PodLabels(StrEnum):
    """How a series names the pod that holds the GPU. `NONE`: no series does, be it that nothing runs or that nothing can tell."""

    EXPORTED = "exported"
    HONOURED = "honoured"
    MIXED = "mixed"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """The outcome of a probe. `devices` counts series, copies included."""

    version: str = ""
    exporter: str = Exporter.NONE
    devices: int = 0
    host_label: str = ""
    hosts_are_pods: bool = False
    pod_labels: str = PodLabels.NONE
    has_mig: bool = False
    has_shared: bool = False
    has_utilisation: bool = False
    has_profiling: bool = False
    has_xid: bool = False
    has_kube_state_metrics: bool = False
    has_kueue: bool = False
    has_kueue_resources: bool = False

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        return asdict(self)

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is missing, and what that costs, in sentences."""
        found = []
        if self.exporter == Exporter.NONE:
            found.append("No GPU exporter: there are no figures about utilisation, memory, power or errors.")
        elif self.exporter != Exporter.DCGM:
            found.append(
                f"Only the exporter {self.exporter} was found: its figures are not read yet, dcgm-exporter's are."
            )
        else:
            if not self.has_utilisation and not self.has_profiling:
                found.append("The exporter reports no utilisation: busy and idle GPUs can't be told apart.")
            if self.pod_labels == PodLabels.NONE:
                found.append("No series names the pod that holds its GPU: use can't be told per pod.")
            if not self.has_xid:
                found.append("The exporter reports no XID errors: failing cards show up late.")
        if not self.has_kube_state_metrics:
            found.append("No kube-state-metrics: the history of allocated GPUs is counted from telemetry.")
        if not self.has_kueue:
            found.append("No metrics of Kueue: there is no history of quotas.")
        elif not self.has_kueue_resources:
            found.append("Kueue's metrics.enableClusterQueueResources is off: there is no history of quota use.")
        return tuple(found)


def read_detected(stored: Mapping[str, Any]) -> Detected | None:  # Any: JSON
    """What an earlier probe stored; None when there was none. Fields of other releases are left out."""
    if not stored:
        return None
    known = {field.name for field in fields(Detected)}
    return Detected(**{name: value for name, value in stored.items() if name in known})


def judge_survey(counts: Mapping[str, int], *, version: str) -> Detected:
    """Make sense of the survey: `{figure: series}`, what is missing is 0 (see monitoring.promql.source_survey)."""

    def has(figure: str) -> bool:
        return counts.get(figure, 0) > 0

    exporter = (
        Exporter.DCGM
        if has("dcgm")
        else Exporter.HAMI
        if has("hami")
        else Exporter.ACK
        if has("ack")
        else Exporter.NONE
    )
    spellings = [name for name, figure in (("Hostname", "host_old"), ("hostname", "host_new")) if has(figure)]
    pods = [
        labels
        for labels, figure in ((PodLabels.EXPORTED, "pods_exported"), (PodLabels.HONOURED, "pods_honoured"))
        if has(figure)
    ]
    return Detected(
        version=version,
        exporter=exporter,
        devices=counts.get("dcgm", 0),
        host_label=", ".join(spellings),
        hosts_are_pods=has("hosts_are_pods"),
        pod_labels=PodLabels.MIXED if len(pods) == 2 else (pods or [PodLabels.NONE])[0],
        has_mig=has("mig"),
        has_shared=has("shared"),
        has_utilisation=has("util"),
        has_profiling=has("profiling"),
        has_xid=has("xid"),
        has_kube_state_metrics=has("pod_requests") or has("node_capacity"),
        has_kueue=has("kueue"),
        has_kueue_resources=has("kueue_resources"),
    )
