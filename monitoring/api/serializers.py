"""The shape of metrics in the REST API.

A *reading* is an envelope: the value, when it was true, and why there is none or why it is old. `value` null is "not known", a 0
inside it is a zero.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from monitoring.domain.gpus import GpuState
from monitoring.domain.ranges import TimeRange
from monitoring.domain.telemetry import Reading, Telemetry, UnavailableReason

GPU_STATES = [state.value for state in GpuState]

Untyped = serializers.Serializer[Any]  # Any: these show frozen dataclasses, which the stubs do not know


class ProblemSerializer(Untyped):
    reason = serializers.ChoiceField(choices=list(UnavailableReason), help_text="Stable name of the reason.")
    message = serializers.CharField(help_text="The reason in a sentence.")


class ReadingSerializer(Untyped):
    """What every reading has besides its value; subclasses add `value`."""

    as_of = serializers.DateTimeField(allow_null=True, help_text="When the value was true; null when there is none.")
    is_stale = serializers.BooleanField(help_text="Whether the source stopped answering since; `problem` says why.")
    problem = ProblemSerializer(allow_null=True, help_text="Why there is no value, or why it is old.")
    warnings = serializers.ListField(child=serializers.CharField(), help_text="What is missing from the value.")


def show_reading(reading: Reading[Any], value: object = None) -> dict[str, Any]:  # Any: whatever the serializer shows
    """The envelope of a reading; `value` replaces the reading's own."""
    if isinstance(reading, Telemetry):
        return {
            "value": reading.value if value is None else value,
            "as_of": reading.as_of,
            "is_stale": reading.is_stale,
            "problem": reading.problem,
            "warnings": reading.warnings,
        }
    return {"value": None, "as_of": None, "is_stale": False, "problem": reading, "warnings": ()}


class FreeNodesSerializer(Untyped):
    free = serializers.IntegerField(help_text="Free GPUs on each of the nodes.")
    nodes = serializers.IntegerField(help_text="How many nodes have so many.")


class NodeProblemSerializer(Untyped):
    node = serializers.CharField(help_text="Name of the node.")
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why it is unhealthy.")


class CapacitySerializer(Untyped):
    gpu_nodes = serializers.IntegerField(help_text="Nodes with GPUs.")
    gpu_nodes_allocated = serializers.IntegerField(help_text="Nodes on which some pod holds GPUs.")
    gpu_nodes_usable = serializers.IntegerField(help_text="Nodes that are Ready and not cordoned.")
    gpu_nodes_unhealthy = serializers.IntegerField(help_text="Nodes with a reason why they can't take work.")
    gpus_total = serializers.IntegerField(help_text="GPUs of all nodes.")
    gpus_usable = serializers.IntegerField(help_text="Allocatable GPUs of usable nodes.")
    gpus_allocated = serializers.IntegerField(help_text="GPUs that live pods request.")
    gpus_free = serializers.IntegerField(help_text="Usable GPUs that no pod requests.")
    largest_block = serializers.IntegerField(help_text="The most free GPUs on one usable node.")
    free_histogram = FreeNodesSerializer(many=True, help_text="Usable nodes by free GPUs, the largest blocks first.")
    problems = NodeProblemSerializer(many=True, help_text="Unhealthy nodes with their reasons.")


class ClusterTotalsSerializer(Untyped):
    used_ratio = serializers.FloatField(allow_null=True, help_text="Average utilisation over devices, 0 to 1.")
    weighted_used_ratio = serializers.FloatField(allow_null=True, help_text="Utilisation weighed by memory, 0 to 1.")
    memory_used_bytes = serializers.IntegerField(allow_null=True, help_text="GPU memory in use.")
    memory_total_bytes = serializers.IntegerField(allow_null=True, help_text="GPU memory, used and free.")
    memory_allocated_bytes = serializers.IntegerField(
        allow_null=True, help_text="Whole memory of the devices that pods hold."
    )
    memory_used_ratio = serializers.FloatField(allow_null=True, help_text="Used share of the memory, 0 to 1.")
    devices = serializers.IntegerField(help_text="GPUs and MIG instances that report.")
    physical_gpus = serializers.IntegerField(help_text="Cards that report.")
    gpus_allocated = serializers.IntegerField(allow_null=True, help_text="GPUs that pods hold, as metrics see it.")
    gpus_total = serializers.IntegerField(allow_null=True, help_text="Schedulable GPUs, as metrics see it.")
    gpus_usable = serializers.IntegerField(allow_null=True, help_text="Those on Ready, uncordoned nodes.")


class TotalsReadingSerializer(ReadingSerializer):
    value = ClusterTotalsSerializer(allow_null=True, help_text="The totals; null when they are not known.")


class PodRefSerializer(Untyped):
    namespace = serializers.CharField(help_text="Namespace of the pod.")
    pod = serializers.CharField(help_text="Name of the pod.")


class GpuDeviceSerializer(Untyped):
    uuid = serializers.CharField(help_text="UUID of the card.")
    model = serializers.CharField(help_text="Product name.")
    mig_instance = serializers.CharField(help_text="Number of the MIG instance, empty for a whole card.")
    mig_profile = serializers.CharField(help_text="Profile of the MIG instance, such as 3g.40gb.")
    used_ratio = serializers.FloatField(allow_null=True, help_text="Utilisation, 0 to 1.")
    memory_used_bytes = serializers.IntegerField(allow_null=True, help_text="Memory in use.")
    memory_total_bytes = serializers.IntegerField(allow_null=True, help_text="Memory, used and free.")
    power_watts = serializers.FloatField(allow_null=True, help_text="Power draw.")
    temperature_celsius = serializers.FloatField(allow_null=True, help_text="Temperature of the GPU.")
    last_xid = serializers.IntegerField(allow_null=True, help_text="Last XID code that the driver reported.")
    fatal_xid = serializers.IntegerField(allow_null=True, help_text="Recent XID code that marks the card as broken.")
    pods = PodRefSerializer(many=True, help_text="The pods that hold the device.")


class GpuCellSerializer(Untyped):
    gpu = serializers.CharField(help_text="Index on the node.")
    state = serializers.ChoiceField(choices=GPU_STATES, help_text="What the GPU does.")
    why = serializers.CharField(help_text="What makes it unhealthy, or why it says nothing; empty otherwise.")
    device = GpuDeviceSerializer(allow_null=True, help_text="Its telemetry; null when it reports none.")


class NodeStripSerializer(Untyped):
    node = serializers.CharField(source="node.name", help_text="Name of the node.")
    pool = serializers.CharField(source="node.pool", help_text="Node pool.")
    zone = serializers.CharField(source="node.zone", help_text="Zone of the node.")
    gpu_model = serializers.CharField(source="node.gpu_model", help_text="Product name of its GPUs.")
    is_ready = serializers.BooleanField(source="node.is_ready", help_text="Whether the node is Ready.")
    is_cordoned = serializers.BooleanField(source="node.is_cordoned", help_text="Whether the node is cordoned.")
    gpus_allocated = serializers.IntegerField(allow_null=True, help_text="GPUs that live pods on it request.")
    cells = GpuCellSerializer(many=True, help_text="Its GPUs by index.")


class GpusReadingSerializer(ReadingSerializer):
    value = NodeStripSerializer(
        many=True, help_text="The GPU nodes of the inventory, also while there is no telemetry."
    )


class HistorySerializer(Untyped):
    at = serializers.ListField(child=serializers.DateTimeField(), help_text="The moments, oldest first.")
    lines = serializers.DictField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="Values by line, one per moment; null is a gap.",
    )
    step_seconds = serializers.IntegerField(help_text="Distance of two moments.")


class HistoryReadingSerializer(ReadingSerializer):
    value = HistorySerializer(allow_null=True, help_text="The history; null when it is not known.")


class SpanSerializer(Untyped):
    span = serializers.ChoiceField(
        choices=list(TimeRange), default=TimeRange.DAY, help_text="How far to look back from now."
    )


class DetectedSerializer(Untyped):
    version = serializers.CharField(help_text="Version of Prometheus; empty when it does not tell.")
    exporter = serializers.CharField(help_text="GPU exporter: dcgm, hami, ack or none.")
    devices = serializers.IntegerField(help_text="Series of GPU memory, copies included.")
    host_label = serializers.CharField(help_text="How series spell the host.")
    hosts_are_pods = serializers.BooleanField(help_text="Whether the host label is the name of the exporter's pod.")
    pod_labels = serializers.CharField(help_text="How series name the pod: exported, honoured, mixed or none.")
    has_mig = serializers.BooleanField(help_text="Whether there are MIG instances.")
    has_shared = serializers.BooleanField(help_text="Whether GPUs are shared by pods.")
    has_kube_state_metrics = serializers.BooleanField(help_text="Whether kube-state-metrics is scraped.")
    has_kueue = serializers.BooleanField(help_text="Whether Kueue is scraped.")
    gaps = serializers.ListField(child=serializers.CharField(), help_text="What is missing, and what that costs.")


class SourceSerializer(Untyped):
    url = serializers.CharField(help_text="Address of Prometheus; empty when there is none.")
    has_token = serializers.BooleanField(help_text="Whether a bearer token is sent. The token itself is never shown.")
    probed_at = serializers.DateTimeField(allow_null=True, help_text="When it was last asked what it has.")
    message = serializers.CharField(help_text="Why the last probe failed; empty when it did not.")
    detected = DetectedSerializer(allow_null=True, help_text="What the last good probe found.")


class SourceSetSerializer(Untyped):
    url = serializers.CharField(max_length=500, help_text="Address of Prometheus, or of anything that speaks its API.")
    bearer_token = serializers.CharField(
        max_length=4096,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Token to send; left out keeps the stored one for the same address, empty removes it.",
    )
