"""What a cluster says of its queues and their work, as the engine's values: Kueue's objects in, specs and states out.

Pure. The objects are raw JSON of `kueue.x-k8s.io/v1beta2` as the API server gives it. What is missing has Kueue's default, quantities
finer than the unit are rounded up as Kueue does, and times are whole seconds since 1970: conditions carry no more.

The fair-sharing mode is no object's: whoever knows Kueue's configuration gives it to the engine as an option.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from aidashboard.kit.quantity import parse_quantity
from clusters.kube.parsing.fields import (
    Amounts,
    JsonObject,
    amounts,
    ceil_amount,
    find_condition,
    flag,
    items,
    mapping,
    number,
    parse_moment,
    text,
)
from clusters.kube.parsing.requests import sum_pod_requests
from quotas.domain.scheduling.spec import (
    PODS,
    CohortSpec,
    FlavorQuotas,
    FlavorSpec,
    ForestSpec,
    Fungibility,
    NodeRequirement,
    PodSet,
    Policy,
    QueueingStrategy,
    QueueSpec,
    Quota,
    Reservation,
    ResourceGroup,
    StopPolicy,
    Taint,
    TaintEffect,
    Toleration,
    Work,
    WorkState,
)

QueueNames = Mapping[tuple[str, str], str]
"""The ClusterQueue of each LocalQueue, by (namespace, name)."""

_QUEUED_AGAIN_FROM: Final = frozenset({"PodsReadyTimeout", "AdmissionCheck"})
"""Reasons of an eviction after which the eviction, not the creation, gives the place in the queue."""

_GATE: Final = "kueue.x-k8s.io/admission-gated-by"


def read_forest(
    *, cluster_queues: Iterable[JsonObject], cohorts: Iterable[JsonObject], flavors: Iterable[JsonObject] = ()
) -> ForestSpec:
    """Raises: ValueError for a policy or strategy that the engine doesn't know, QuantityError for a weight that is none."""
    return ForestSpec(
        queues=tuple(_read_queue(item) for item in cluster_queues),
        cohorts=tuple(_read_cohort(item) for item in cohorts),
        flavors=tuple(_read_flavor(item) for item in flavors),
    )


def read_queue_names(local_queues: Iterable[JsonObject]) -> QueueNames:
    return {
        (text(item, "metadata", "namespace"), text(item, "metadata", "name")): text(item, "spec", "clusterQueue")
        for item in local_queues
    }


def read_works(
    workloads: Iterable[JsonObject], queue_names: QueueNames, *, is_at_rest: bool = False
) -> Iterator[WorkState]:
    """Everything that holds quota or waits for it. `is_at_rest`: what waits has been judged, and was set aside."""
    for item in workloads:
        state = read_work(item, queue_names, is_at_rest=is_at_rest)
        if state is not None:
            yield state


def read_work(item: JsonObject, queue_names: QueueNames, *, is_at_rest: bool = False) -> WorkState | None:
    """None for a workload that takes no part: finished, deactivated, or held back by a gate."""
    if _holds(item, "Finished") or not flag(item, "spec", "active", default=True):
        return None
    reservation = _read_reservation(item) if _holds(item, "QuotaReserved") else None
    if reservation is None and text(item, "metadata", "annotations", _GATE):
        return None
    namespace = text(item, "metadata", "namespace")
    named = queue_names.get((namespace, text(item, "spec", "queueName")), "")
    created_at = _seconds(item["metadata"]["creationTimestamp"])
    work = Work(
        name=f"{namespace}/{text(item, 'metadata', 'name')}",
        queue=text(item, "status", "admission", "clusterQueue") or named,
        pod_sets=tuple(_read_pod_set(item, pod_set) for pod_set in items(item, "spec", "podSets")),
        created_at=created_at,
        uid=text(item, "metadata", "uid"),
        priority=number(item, "spec", "priority"),
        queue_time=_read_queue_time(item),
    )
    return WorkState(work=work, reservation=reservation, is_parked=is_at_rest and reservation is None)


# --- queues, cohorts, flavors


def _read_queue(item: JsonObject) -> QueueSpec:
    spec = mapping(item, "spec")
    threshold = mapping(spec, "preemption", "borrowWithinCohort").get("maxPriorityThreshold")
    return QueueSpec(
        name=item["metadata"]["name"],
        parent=text(spec, "cohortName") or None,
        groups=_read_groups(spec),
        weight=_read_weight(spec),
        within_queue=Policy(text(spec, "preemption", "withinClusterQueue") or Policy.NEVER),
        reclaim=Policy(text(spec, "preemption", "reclaimWithinCohort") or Policy.NEVER),
        borrow=Policy(text(spec, "preemption", "borrowWithinCohort", "policy") or Policy.NEVER),
        borrow_threshold=threshold if isinstance(threshold, int) else None,
        strategy=QueueingStrategy(text(spec, "queueingStrategy") or QueueingStrategy.BEST_EFFORT_FIFO),
        stop=_read_stop(item),
        when_can_borrow=Fungibility(text(spec, "flavorFungibility", "whenCanBorrow") or Fungibility.MAY_STOP_SEARCH),
        when_can_preempt=Fungibility(text(spec, "flavorFungibility", "whenCanPreempt") or Fungibility.TRY_NEXT_FLAVOR),
        prefers_preemption_over_borrowing=text(spec, "flavorFungibility", "preference") == "PreemptionOverBorrowing",
    )


def _read_stop(item: JsonObject) -> StopPolicy:
    """A queue that Kueue calls inactive, for want of a flavor for instance, admits nothing, like one that people stopped."""
    stop = StopPolicy(text(item, "spec", "stopPolicy") or StopPolicy.NONE)
    active = find_condition(item, "Active")
    is_inactive = active is not None and active.get("status") == "False"
    return StopPolicy.HOLD if is_inactive and stop is StopPolicy.NONE else stop


def _read_cohort(item: JsonObject) -> CohortSpec:
    spec = mapping(item, "spec")
    return CohortSpec(
        name=item["metadata"]["name"],
        parent=text(spec, "parentName") or None,
        groups=_read_groups(spec),
        weight=_read_weight(spec),
    )


def _read_weight(spec: JsonObject) -> float:
    weight = mapping(spec, "fairSharing").get("weight")
    return 1.0 if weight is None else float(parse_quantity(str(weight)))


def _read_groups(spec: JsonObject) -> tuple[ResourceGroup, ...]:
    return tuple(
        ResourceGroup(
            flavors=tuple(
                FlavorQuotas(
                    flavor=text(flavor, "name"),
                    quotas={text(row, "name"): _read_quota(row) for row in items(flavor, "resources")},
                )
                for flavor in items(group, "flavors")
            )
        )
        for group in items(spec, "resourceGroups")
    )


def _read_quota(row: JsonObject) -> Quota:
    return Quota(
        nominal=_read_limit(row, "nominalQuota") or 0,
        borrowing_limit=_read_limit(row, "borrowingLimit"),
        lending_limit=_read_limit(row, "lendingLimit"),
    )


def _read_limit(row: JsonObject, field: str) -> int | None:
    value = row.get(field)
    return None if value is None else ceil_amount(text(row, "name"), str(value))


def _read_flavor(item: JsonObject) -> FlavorSpec:
    spec = mapping(item, "spec")
    return FlavorSpec(
        name=item["metadata"]["name"],
        labels={key: str(value) for key, value in mapping(spec, "nodeLabels").items()},
        taints=tuple(
            Taint(key=text(taint, "key"), value=text(taint, "value"), effect=TaintEffect(text(taint, "effect")))
            for taint in items(spec, "nodeTaints")
        ),
        tolerations=_read_tolerations(spec),
    )


# --- work


def _read_pod_set(item: JsonObject, pod_set: JsonObject) -> PodSet:
    spec = mapping(pod_set, "template", "spec")
    terms = items(
        spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"
    )
    minimum = pod_set.get("minCount")
    return PodSet(
        name=text(pod_set, "name"),
        count=_count_left(item, pod_set),
        min_count=minimum if isinstance(minimum, int) else None,
        requests=_read_pod_requests(item, pod_set),
        node_selector={key: str(value) for key, value in mapping(spec, "nodeSelector").items()},
        affinity=tuple(tuple(_read_requirement(one) for one in items(term, "matchExpressions")) for term in terms),
        tolerations=_read_tolerations(spec),
    )


def _read_pod_requests(item: JsonObject, pod_set: JsonObject) -> Amounts:
    """Of one pod: what Kueue itself counted if it says so, which knows limit ranges, overheads and transformations; else the template.

    `pods` is not among them: the engine adds it where a queue covers it, as Kueue does.
    """
    name = text(pod_set, "name")
    for entry in items(item, "status", "admission", "podSetAssignments"):
        if text(entry, "name") == name:
            return _divide(
                amounts(mapping(entry, "resourceUsage")), number(entry, "count", default=_count(pod_set))
            ) or sum_pod_requests(mapping(pod_set, "template", "spec"))
    for entry in items(item, "status", "resourceRequests"):
        if text(entry, "name") == name:
            return _divide(amounts(mapping(entry, "resources")), _count_left(item, pod_set)) or sum_pod_requests(
                mapping(pod_set, "template", "spec")
            )
    return sum_pod_requests(mapping(pod_set, "template", "spec"))


def _divide(total: Amounts, count: int) -> Amounts:
    if count <= 0:
        return {}
    return {resource: amount // count for resource, amount in total.items() if resource != PODS}


def _read_reservation(item: JsonObject) -> Reservation:
    """Pods that are done (`reclaimablePods`) no longer count."""
    pod_sets = {text(pod_set, "name"): pod_set for pod_set in items(item, "spec", "podSets")}
    usage: dict[tuple[str, str], int] = {}
    for entry in items(item, "status", "admission", "podSetAssignments"):
        pod_set = pod_sets.get(text(entry, "name"), {})
        count = number(entry, "count", default=_count(pod_set))
        left = min(count, _count_left(item, pod_set))
        for resource, amount in amounts(mapping(entry, "resourceUsage")).items():
            flavor = text(entry, "flavors", resource)
            if flavor:
                kept = amount if left == count else amount // count * left
                usage[flavor, resource] = usage.get((flavor, resource), 0) + kept
    reserved = find_condition(item, "QuotaReserved") or {}
    return Reservation(
        usage=usage,
        reserved_at=_seconds(text(reserved, "lastTransitionTime")),
        is_evicting=_holds(item, "Evicted"),
    )


def _count(pod_set: JsonObject) -> int:
    return number(pod_set, "count", default=1)


def _count_left(item: JsonObject, pod_set: JsonObject) -> int:
    done = sum(
        number(entry, "count")
        for entry in items(item, "status", "reclaimablePods")
        if text(entry, "name") == text(pod_set, "name")
    )
    return max(0, _count(pod_set) - done)


def _read_queue_time(item: JsonObject) -> int | None:
    evicted = find_condition(item, "Evicted")
    if evicted is None or evicted.get("status") != "True" or evicted.get("reason") not in _QUEUED_AGAIN_FROM:
        return None
    return _seconds(text(evicted, "lastTransitionTime"))


def _read_requirement(expression: JsonObject) -> NodeRequirement:
    values = expression.get("values")
    return NodeRequirement(
        key=text(expression, "key"),
        operator=text(expression, "operator"),
        values=tuple(str(value) for value in values) if isinstance(values, list) else (),
    )


def _read_tolerations(spec: JsonObject) -> tuple[Toleration, ...]:
    return tuple(
        Toleration(
            key=text(one, "key"),
            value=text(one, "value"),
            effect=text(one, "effect"),
            exists=text(one, "operator") == "Exists",
        )
        for one in items(spec, "tolerations")
    )


def _holds(item: JsonObject, type_: str) -> bool:
    condition = find_condition(item, type_)
    return condition is not None and condition.get("status") == "True"


def _seconds(moment: str) -> int:
    return int(parse_moment(moment).timestamp())
