"""The shape of workloads in the REST API; amounts are integers in the resource's own unit (milli-cores, bytes, cards)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from monitoring.api.serializers import ReadingSerializer
from monitoring.domain.gpus import IdleClass
from workloads.domain.explain import Cause
from workloads.domain.views import Step
from workloads.selectors import STATES

Untyped = serializers.Serializer[Any]  # Any: these show frozen dataclasses, which the stubs do not know


class LeafRefSerializer(Untyped):
    node_id = serializers.IntegerField(help_text="Number of the quota node.")
    tree_id = serializers.IntegerField(help_text="Number of the quota tree.")
    name = serializers.CharField(help_text="Name of the quota.")
    path = serializers.CharField(help_text="Names from the root, joined by dots.")
    queue_name = serializers.CharField(help_text="Name of its ClusterQueue.")


class PodCountsSerializer(Untyped):
    running = serializers.IntegerField(help_text="Pods that run.")
    pending = serializers.IntegerField(help_text="Pods that do not run yet.")
    succeeded = serializers.IntegerField(help_text="Pods that have ended well.")
    failed = serializers.IntegerField(help_text="Pods that have failed.")


class WorkloadSerializer(Untyped):
    uid = serializers.CharField(help_text="Kubernetes' id of the Kueue Workload.")
    cluster = serializers.CharField(help_text="Name of the cluster.")
    namespace = serializers.CharField(help_text="Namespace.")
    name = serializers.CharField(help_text="Name of the job or other object that a person made.")
    kind = serializers.CharField(help_text="Kind of that object, such as Job.")
    workload_name = serializers.CharField(help_text="Name of the Kueue Workload.")
    state = serializers.ChoiceField(choices=STATES, help_text="Where it stands.")
    reason = serializers.CharField(help_text="Kueue's reason for the state.")
    message = serializers.CharField(help_text="Kueue's message for the state.")
    since = serializers.DateTimeField(allow_null=True, help_text="Since when it is in this state.")
    leaf = LeafRefSerializer(
        allow_null=True, help_text="The quota it counts against; null when its namespace has none."
    )
    cluster_queue = serializers.CharField(help_text="ClusterQueue, empty while it is not known.")
    submitted_by = serializers.CharField(help_text="Who submitted it, as far as known.")
    priority = serializers.IntegerField(help_text="Higher goes first.")
    gpus = serializers.IntegerField(help_text="GPUs that all its pods request together.")
    requests = serializers.DictField(
        child=serializers.IntegerField(), help_text="All that its pods request, by resource."
    )
    pod_count = serializers.IntegerField(help_text="How many pods it wants.")
    pods = PodCountsSerializer(help_text="Its pods by phase.")
    nodes = serializers.ListField(child=serializers.CharField(), help_text="Nodes that its pods are on.")
    evictions = serializers.IntegerField(help_text="How often it had to give its quota back.")
    position = serializers.IntegerField(
        allow_null=True, help_text="Place in its queue, 1 is next; null when it does not wait."
    )
    created_at = serializers.DateTimeField(help_text="When it was made.")
    queued_at = serializers.DateTimeField(allow_null=True, help_text="When it began to wait.")
    admitted_at = serializers.DateTimeField(allow_null=True, help_text="When it was admitted.")
    finished_at = serializers.DateTimeField(allow_null=True, help_text="When it ended.")
    wait_seconds = serializers.FloatField(allow_null=True, help_text="From queued to admitted.")
    run_seconds = serializers.FloatField(allow_null=True, help_text="From admitted to finished.")
    observed_at = serializers.DateTimeField(help_text="How old all this is.")


class TimelineStepSerializer(Untyped):
    step = serializers.ChoiceField(choices=list(Step), help_text="The station.")
    at = serializers.DateTimeField(allow_null=True, help_text="When it was reached; null when it lies ahead.")
    after_seconds = serializers.FloatField(allow_null=True, help_text="How long after the station before.")


class WorkloadPodSerializer(Untyped):
    name = serializers.CharField(help_text="Name of the pod.")
    phase = serializers.CharField(help_text="Kubernetes' phase.")
    node = serializers.CharField(help_text="Node, empty while it has none.")
    gpus = serializers.IntegerField(help_text="GPUs that it requests.")
    reason = serializers.CharField(help_text="Why it does not run, in a word.")
    message = serializers.CharField(help_text="Why it does not run, in a sentence.")
    is_terminating = serializers.BooleanField(help_text="Whether it has been asked to go.")
    created_at = serializers.DateTimeField(help_text="When it was made.")
    started_at = serializers.DateTimeField(allow_null=True, help_text="When it started.")


class ConditionSerializer(Untyped):
    type = serializers.CharField(help_text="Kind of the condition.")
    status = serializers.CharField(help_text="True, False or Unknown.")
    reason = serializers.CharField(help_text="Kueue's reason.")
    message = serializers.CharField(help_text="Kueue's message.")
    since = serializers.CharField(help_text="Since when.")


class NumberSerializer(Untyped):
    label = serializers.CharField(  # type: ignore[assignment]  # a field called as an attribute of fields
        help_text="needed, used, min, max, available, missing or ceiling."
    )
    resource = serializers.CharField(help_text="The resource.")
    amount = serializers.IntegerField(help_text="The amount in the resource's own unit.")
    text = serializers.CharField(help_text="The amount in words.")


class ExplanationSerializer(Untyped):
    cause = serializers.ChoiceField(choices=list(Cause), help_text="What stands in the way.")
    sentence = serializers.CharField(help_text="The cause in a sentence; the workload is its subject.")
    is_permanent = serializers.BooleanField(help_text="Whether waiting alone never helps.")
    unblocks = serializers.ListField(
        child=serializers.CharField(), help_text="What would let it start, likeliest first."
    )
    numbers = NumberSerializer(many=True, help_text="The figures behind the sentence.")
    since = serializers.DateTimeField(allow_null=True, help_text="Since when it waits.")
    position = serializers.IntegerField(allow_null=True, help_text="Place in its queue, 1 is next.")
    raw_reason = serializers.CharField(help_text="Kueue's reason.")
    raw = serializers.CharField(help_text="Kueue's message.")


class WorkloadDetailSerializer(Untyped):
    workload = WorkloadSerializer(source="row", help_text="The workload as in the list.")
    timeline = TimelineStepSerializer(many=True, help_text="Its stations in order.")
    pods = WorkloadPodSerializer(many=True, help_text="Its pods.")
    conditions = ConditionSerializer(many=True, help_text="Its conditions.")
    explanation = ExplanationSerializer(allow_null=True, help_text="Why it waits; null when it does not.")


class StateCountsSerializer(Untyped):
    pending = serializers.IntegerField(help_text="Wait for quota.")
    reserved = serializers.IntegerField(help_text="Have quota and wait for checks.")
    admitted = serializers.IntegerField(help_text="May run.")
    evicted = serializers.IntegerField(help_text="Lost their quota and wait again.")
    finished = serializers.IntegerField(help_text="Have ended well.")
    failed = serializers.IntegerField(help_text="Have failed.")


class LeafRoomSerializer(Untyped):
    node_id = serializers.IntegerField(help_text="Number of the quota node.")
    name = serializers.CharField(help_text="Name of the quota.")
    path = serializers.CharField(help_text="Names from the root, joined by dots.")
    namespaces = serializers.ListField(child=serializers.CharField(), help_text="Namespaces to submit to.")
    min_gpus = serializers.IntegerField(help_text="Guaranteed GPUs.")
    max_gpus = serializers.IntegerField(allow_null=True, help_text="Most GPUs; null is unlimited.")
    used_gpus = serializers.IntegerField(help_text="GPUs in use.")
    free_within_min = serializers.IntegerField(help_text="Guaranteed GPUs that are not in use.")
    can_borrow = serializers.IntegerField(help_text="GPUs beyond the guarantee that are unused by others right now.")
    startable = serializers.IntegerField(help_text="Both together.")
    pending_gpus = serializers.IntegerField(help_text="GPUs that already wait in this quota.")


class StartOptionsSerializer(Untyped):
    sentence = serializers.CharField(help_text="What you can start now, in a sentence.")
    leaves = LeafRoomSerializer(many=True, help_text="The room in each of your quotas.")
    largest_block = serializers.IntegerField(help_text="The most free GPUs on one node.")
    free_gpus = serializers.IntegerField(help_text="Usable GPUs that nobody holds.")


class IdlePodSerializer(Untyped):
    namespace = serializers.CharField(help_text="Namespace of the pod.")
    pod = serializers.CharField(help_text="Name of the pod.")
    node = serializers.CharField(help_text="Node it is on.")
    idle_class = serializers.ChoiceField(
        choices=list(IdleClass), help_text="Whether it keeps memory, or reports nothing."
    )
    idle_gpus = serializers.IntegerField(help_text="How many of its GPUs were idle for the whole window.")
    gpus = serializers.IntegerField(help_text="How many GPUs it holds.")
    is_wholly_idle = serializers.BooleanField(help_text="Whether all of them were idle.")
    memory_used_bytes = serializers.IntegerField(allow_null=True, help_text="GPU memory that the idle ones keep.")
    peak_ratio = serializers.FloatField(allow_null=True, help_text="Highest utilisation in the window, 0 to 1.")
    window_minutes = serializers.IntegerField(help_text="Length of the window.")


class IdlePodsReadingSerializer(ReadingSerializer):
    value = IdlePodSerializer(
        many=True, allow_null=True, help_text="Idle pods, the largest first; null when not known."
    )
