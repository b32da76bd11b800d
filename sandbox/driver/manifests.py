"""Plans as Kubernetes objects. Pure.

Nothing here names a queue: the LocalQueue `default` takes what carries no queue label.
Source: Kueue, default LocalQueue and priority classes; KWOK stages of this sandbox (how pods end).
"""

from __future__ import annotations

from typing import Final

from sandbox.api import JsonObject
from sandbox.demand import JobPlan, StandingPlan
from sandbox.gpus.inventory import BEHAVIOUR_ANNOTATION
from sandbox.kwok import COMPLETE_AFTER, FAIL_AFTER, FAIL_MESSAGE
from sandbox.scenario.model import GPU_RESOURCE, Behaviour, PodShape, Priority, StandingKind

USER_ANNOTATION: Final = "aidashboard.io/user"
DRIVER_LABEL: Final = "sandbox.aidashboard.io/driver"
PRIORITY_LABEL: Final = "kueue.x-k8s.io/priority-class"
POOL_LABEL: Final = "aidashboard.io/node-pool"

SHORTEST_SECONDS: Final = 20
KEPT_SECONDS: Final = 180  # a finished job stays this long, for people to see how it ended
# A pod that finds no place for so long gives its quota back.
PATIENCE_SECONDS: Final = 1200

PRIORITY_VALUES: Final = {Priority.LOW: 100, Priority.NORMAL: 1000, Priority.HIGH: 10000}


def build_priority_classes() -> tuple[JsonObject, ...]:
    return tuple(
        {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "WorkloadPriorityClass",
            "metadata": {"name": priority.value},
            "value": value,
            "description": f"{priority.value.capitalize()} priority in the queue of a team.",
        }
        for priority, value in PRIORITY_VALUES.items()
    )


def build_job(plan: JobPlan, *, name: str, speed: float) -> JsonObject:
    """`speed` turns the hours of the plan into seconds of the wall clock."""
    template = plan.template
    seconds = _real_seconds(plan.hours, speed)
    annotations = {COMPLETE_AFTER: f"{seconds}s"}
    if plan.fails_after_hours is not None:
        annotations = {
            FAIL_AFTER: f"{_real_seconds(plan.fails_after_hours, speed)}s",
            FAIL_MESSAGE: _failure_message(template.behaviour),
        }
    pod = _build_pod(
        template.shape,
        labels={DRIVER_LABEL: "true"},
        annotations={USER_ANNOTATION: plan.user, BEHAVIOUR_ANNOTATION: template.behaviour.value, **annotations},
    )
    pod["spec"]["restartPolicy"] = "Never"
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": plan.team.namespace,
            "labels": {DRIVER_LABEL: "true", PRIORITY_LABEL: template.priority.value},
            "annotations": {USER_ANNOTATION: plan.user},
        },
        "spec": {
            "parallelism": plan.pods,
            "completions": plan.pods,
            "completionMode": "Indexed",
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "activeDeadlineSeconds": seconds + PATIENCE_SECONDS,
            "template": pod,
        },
    }


def build_standing(plan: StandingPlan) -> JsonObject:
    """A notebook is a StatefulSet, a service a Deployment, as notebook controllers and people make them."""
    template = plan.template
    is_notebook = template.kind is StandingKind.NOTEBOOK
    app = {"app": plan.name}
    pod = _build_pod(
        template.shape,
        labels={DRIVER_LABEL: "true", **app},
        annotations={USER_ANNOTATION: plan.user, BEHAVIOUR_ANNOTATION: template.behaviour.value},
    )
    spec: JsonObject = {"replicas": template.replicas, "selector": {"matchLabels": app}, "template": pod}
    if is_notebook:
        spec["serviceName"] = plan.name
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet" if is_notebook else "Deployment",
        "metadata": {
            "name": plan.name,
            "namespace": plan.team.namespace,
            "labels": {DRIVER_LABEL: "true", PRIORITY_LABEL: template.priority.value},
            "annotations": {USER_ANNOTATION: plan.user},
        },
        "spec": spec,
    }


def _build_pod(shape: PodShape, *, labels: dict[str, str], annotations: dict[str, str]) -> JsonObject:
    amounts = {
        GPU_RESOURCE: str(shape.gpus),
        "cpu": str(shape.gpus * shape.cpu_per_gpu),
        "memory": f"{shape.gpus * shape.memory_gib_per_gpu}Gi",
    }
    spec: JsonObject = {
        "terminationGracePeriodSeconds": 2,
        "tolerations": [{"key": GPU_RESOURCE, "operator": "Exists", "effect": "NoSchedule"}],
        "containers": [
            {"name": "main", "image": shape.image, "resources": {"requests": amounts, "limits": dict(amounts)}}
        ],
    }
    if shape.prefers:
        # A wish, not a condition: a job that fits elsewhere shall not wait for its favourite cards.
        spec["affinity"] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": _wishes(shape.prefers)}}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


def _wishes(pools: tuple[str, ...]) -> list[JsonObject]:
    return [
        {
            "weight": max(1, 100 - 30 * place),
            "preference": {"matchExpressions": [{"key": POOL_LABEL, "operator": "In", "values": [pool]}]},
        }
        for place, pool in enumerate(pools)
    ]


def _real_seconds(hours: float, speed: float) -> int:
    return max(SHORTEST_SECONDS, round(hours * 3600 / speed))


def _failure_message(behaviour: Behaviour) -> str:
    if behaviour is Behaviour.FAILING_GPU:
        return "CUDA error: an illegal memory access was encountered"
    return "loss is NaN, giving up"
