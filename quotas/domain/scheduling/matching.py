"""Which flavors the pods of a workload may use: taints and tolerations, node selectors and required node affinity.

A pod is held only to the label keys that the flavor has: what a flavor says nothing about may still be true of its nodes.
Source: Kueue's flavor assigner; operators as in Kubernetes' NodeSelectorRequirement.
"""

from __future__ import annotations

from quotas.domain.scheduling.spec import FlavorSpec, NodeRequirement, PodSet, Taint, TaintEffect, Toleration


def may_use(pod_set: PodSet, flavor: FlavorSpec) -> bool:
    """Whether pods like these can land on nodes of this flavor."""
    tolerations = (*pod_set.tolerations, *flavor.tolerations)
    return not any(_repels(taint, tolerations) for taint in flavor.taints) and _is_selected(pod_set, flavor)


def _repels(taint: Taint, tolerations: tuple[Toleration, ...]) -> bool:
    if taint.effect is TaintEffect.PREFER_NO_SCHEDULE:
        return False
    return not any(_tolerates(toleration, taint) for toleration in tolerations)


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.exists or (toleration.key != "" and toleration.value == taint.value)


def _is_selected(pod_set: PodSet, flavor: FlavorSpec) -> bool:
    labels = flavor.labels
    if any(key in labels and labels[key] != value for key, value in pod_set.node_selector.items()):
        return False
    terms = [[one for one in term if one.key in labels] for term in pod_set.affinity]
    if not all(terms):
        return True
    return not terms or any(all(_holds(one, labels[one.key]) for one in term) for term in terms)


def _holds(requirement: NodeRequirement, value: str) -> bool:
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return True
        case "Gt" | "Lt":
            return _compares(requirement, value)
    return False


def _compares(requirement: NodeRequirement, value: str) -> bool:
    try:
        number, bound = int(value), int(requirement.values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if requirement.operator == "Gt" else number < bound
