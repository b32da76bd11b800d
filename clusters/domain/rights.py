"""The rights that the product needs in a cluster: the same as deploy/rbac/aidashboard.yaml (a test holds them together)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

_READ: Final = ("get", "list", "watch")
_KEEP: Final = (*_READ, "create", "patch", "delete")
_KUEUE: Final = "kueue.x-k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One verb on one resource, in every namespace. A subresource is written `pods/log`."""

    verb: str
    group: str
    resource: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}.{self.group}" if self.group else f"{self.verb} {self.resource}"


def _rights(verbs: Iterable[str], group: str, *resources: str) -> tuple[Right, ...]:
    return tuple(Right(verb=verb, group=group, resource=resource) for resource, verb in product(resources, verbs))


REQUIRED_RIGHTS: Final[tuple[Right, ...]] = (
    *_rights(_READ, "", "nodes", "pods"),
    *_rights(_READ, "batch", "jobs"),
    *_rights(_READ, _KUEUE, "workloads"),
    *_rights(("get",), "", "pods/log"),
    *_rights((*_READ, "create", "patch"), "", "namespaces"),
    *_rights(_KEEP, _KUEUE, "clusterqueues", "cohorts", "localqueues", "resourceflavors"),
)


def list_missing(rules: Iterable[Mapping[str, Any]]) -> list[Right]:  # Any: JSON
    """The required rights that the resource rules of a SelfSubjectRulesReview do not show.

    Such a review need not be complete: what is missing here has to be asked for one by one.
    """
    granted = list(rules)
    return [right for right in REQUIRED_RIGHTS if not any(_grants(rule, right) for rule in granted)]


def _grants(rule: Mapping[str, Any], right: Right) -> bool:  # Any: JSON
    if rule.get("resourceNames"):
        return False
    return (
        _holds(rule.get("verbs"), right.verb)
        and _holds(rule.get("apiGroups"), right.group)
        and _holds(rule.get("resources"), right.resource)
    )


def _holds(entries: object, wanted: str) -> bool:
    return isinstance(entries, list) and (wanted in entries or "*" in entries)
