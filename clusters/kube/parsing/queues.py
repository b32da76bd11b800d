"""Kueue's ClusterQueues, Cohorts, LocalQueues and ResourceFlavors, in one shape. Amounts are summed over flavors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from clusters.domain.matching import OWNER_LABEL
from clusters.kube.kinds import CLUSTER_QUEUE, COHORT, LOCAL_QUEUE, Kind
from clusters.kube.parsing.fields import (
    Amounts,
    JsonObject,
    add_amounts,
    ceil_amount,
    find_condition,
    items,
    number,
    read_metadata,
    text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """`parent`: the Cohort of a ClusterQueue or Cohort, the ClusterQueue of a LocalQueue. `owner`: the row of ours it stands for."""

    uid: str
    name: str
    resource_version: str
    created_at: datetime
    kind: str
    namespace: str
    parent: str
    owner: str
    is_active: bool
    reason: str
    message: str
    nominal: Amounts
    usage: Amounts
    reserved: Amounts
    borrowed: Amounts
    pending_workloads: int
    admitted_workloads: int


def parse_queue(item: JsonObject, kind: Kind) -> Queue:
    metadata = read_metadata(item)
    active = find_condition(item, "Active") or {}
    parent_field = {CLUSTER_QUEUE: "cohortName", COHORT: "parentName", LOCAL_QUEUE: "clusterQueue"}.get(kind, "")
    return Queue(
        uid=metadata.uid,
        name=metadata.name,
        resource_version=metadata.resource_version,
        created_at=metadata.created_at,
        kind=kind.name,
        namespace=metadata.namespace,
        parent=text(item, "spec", parent_field) if parent_field else "",
        owner=text(item, "metadata", "labels", OWNER_LABEL, longest=80),
        # Cohorts and flavors have no condition: what is there is in force. A queue without one is not yet known to Kueue.
        is_active=active.get("status", str(kind not in (CLUSTER_QUEUE, LOCAL_QUEUE))) == "True",
        reason=text(active, "reason", longest=120),
        message=text(active, "message"),
        nominal=_sum_nominal(item),
        usage=_sum_flavors(item, "flavorsUsage", "total"),
        reserved=_sum_flavors(item, "flavorsReservation", "total"),
        borrowed=_sum_flavors(item, "flavorsUsage", "borrowed"),
        pending_workloads=number(item, "status", "pendingWorkloads"),
        admitted_workloads=number(item, "status", "admittedWorkloads"),
    )


def _sum_nominal(item: JsonObject) -> Amounts:
    return add_amounts(
        _amount(resource, "nominalQuota")
        for group in items(item, "spec", "resourceGroups")
        for flavor in items(group, "flavors")
        for resource in items(flavor, "resources")
    )


def _sum_flavors(item: JsonObject, field: str, column: str) -> Amounts:
    return add_amounts(_amount(resource, column) for resource in _flavor_resources(item, field))


def _flavor_resources(item: JsonObject, field: str) -> Iterator[JsonObject]:
    for flavor in items(item, "status", field):
        yield from items(flavor, "resources")


def _amount(resource: JsonObject, column: str) -> Amounts:
    name = text(resource, "name")
    # Quantities are texts, but a quota written as a bare number comes back as one.
    amount = ceil_amount(name, str(resource.get(column, "0")))
    return {name: amount} if amount is not None else {}
