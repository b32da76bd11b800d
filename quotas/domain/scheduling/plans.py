"""What a shape of work asks of a queue, worked out once: per pod set and resource group the flavors to try and the amounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quotas.domain.scheduling.frs import FlavorResources
from quotas.domain.scheduling.matching import may_use
from quotas.domain.scheduling.spec import PODS, FlavorSpec, PodSet, QueueSpec, ResourceGroup


@dataclass(frozen=True, slots=True)
class FlavorOption:
    """`demands`: (place of the fr, amount) of the resources of the group. `is_eligible`: the pods can land there."""

    index: int
    name: str
    is_eligible: bool
    demands: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class GroupDemand:
    """`resources` in the order of the demands; they get one flavor together."""

    resources: tuple[str, ...]
    options: tuple[FlavorOption, ...]


@dataclass(frozen=True, slots=True)
class PodSetDemand:
    """`uncovered`: a resource asked for that no group of the queue knows."""

    name: str
    count: int
    groups: tuple[GroupDemand, ...]
    uncovered: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`only_usage`: what it comes to when there is no choice between flavors, every amount under its place; else None.
    `is_servable`: every pod set may use some flavor of every group, and the queue covers all that it asks for."""

    pod_sets: tuple[PodSetDemand, ...]
    only_usage: tuple[tuple[int, int], ...] | None
    is_servable: bool


def make_plan(
    spec: QueueSpec,
    pod_sets: tuple[PodSet, ...],
    flavors: Mapping[str, FlavorSpec],
    frs: FlavorResources,
    counts: Sequence[int] | None = None,
) -> Plan:
    """`counts`: pods per pod set instead of what they ask for, in partial admission."""
    numbers = counts if counts is not None else [pod_set.count for pod_set in pod_sets]
    demands = tuple(
        _make_pod_set(spec, pod_set, count, flavors, frs) for pod_set, count in zip(pod_sets, numbers, strict=True)
    )
    is_servable = all(
        demand.uncovered is None and all(any(option.is_eligible for option in group.options) for group in demand.groups)
        for demand in demands
    )
    return Plan(demands, _find_only_usage(demands), is_servable)


def _find_only_usage(demands: tuple[PodSetDemand, ...]) -> tuple[tuple[int, int], ...] | None:
    usage: dict[int, int] = {}
    for demand in demands:
        for group in demand.groups:
            if len(group.options) != 1:
                return None
            for place, amount in group.options[0].demands:
                usage[place] = usage.get(place, 0) + amount
    return tuple(usage.items())


def _make_pod_set(
    spec: QueueSpec, pod_set: PodSet, count: int, flavors: Mapping[str, FlavorSpec], frs: FlavorResources
) -> PodSetDemand:
    covered = {resource for group in spec.groups for resource in group.resources}
    requests = {resource: amount * count for resource, amount in pod_set.requests.items()}
    if PODS in covered:
        requests[PODS] = count
    uncovered = min((name for name, amount in requests.items() if amount and name not in covered), default=None)
    groups = []
    for group in spec.groups:
        resources = tuple(sorted(group.resources & requests.keys()))
        if resources:
            groups.append(_make_group(group, resources, requests, pod_set, flavors, frs))
    return PodSetDemand(pod_set.name, count, tuple(groups), uncovered)


def _make_group(
    group: ResourceGroup,
    resources: tuple[str, ...],
    requests: Mapping[str, int],
    pod_set: PodSet,
    flavors: Mapping[str, FlavorSpec],
    frs: FlavorResources,
) -> GroupDemand:
    options = []
    for index, quotas in enumerate(group.flavors):
        flavor = flavors.get(quotas.flavor) or FlavorSpec(name=quotas.flavor)
        demands = tuple((frs.place(flavor.name, resource), requests[resource]) for resource in resources)
        options.append(FlavorOption(index, flavor.name, may_use(pod_set, flavor), demands))
    return GroupDemand(resources, tuple(options))
