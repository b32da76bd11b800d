"""The quota tree as Kueue objects, `kueue.x-k8s.io/v1beta2`. Pure: tree and capacity in, manifests out.

For node n with children, S(n) is the sum of their Mins m. Per resource:

    leaf            ClusterQueue   nominalQuota m                       borrowingLimit M - m, omitted when M is unlimited
    inner           Cohort         nominalQuota m - S                   the same
    root            Cohort         min(M, capacity) - S, never below 0  not allowed

so that the subtree quota of every node is its Min and every admission stays within the Max of every node on the path. What is idle
is lent without limit; `reclaimWithinCohort: Any` brings it back, whatever the priorities.

A job may ask for any resource that the cluster has, so every leaf covers the resources of the tree, cpu, memory, and what the
nodes offer beyond; one that nobody gave a quota has Min 0 and no Max. Kueue lets a queue borrow only what it lists.

Source: Kueue, keps/79-hierarchical-cohorts; ClusterQueue and Cohort of the v1beta2 API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from aidashboard.kit.quantity import canonical_quantity
from clusters.domain.matching import MANAGED_BY, MANAGED_BY_LABEL, OWNER_LABEL
from quotas.domain.tree import Node, NodeKey, Tree, sort_resources
from quotas.domain.usage import find_root_supply

Manifest: TypeAlias = dict[str, Any]  # Any: JSON, on its way to the API server

API_VERSION: Final = "kueue.x-k8s.io/v1beta2"
FLAVOR_NAME: Final = "aidashboard"
LOCAL_QUEUE_NAME: Final = "default"  # Kueue gives it to every job without a queue label
PATH_ANNOTATION: Final = "aidashboard.io/path"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueObject:
    """A manifest and the node that it stands for. An adopted object existed before us: we add our label and nothing else."""

    manifest: Manifest
    node: NodeKey
    is_adopted: bool = False


def build_flavor(*, owner: str) -> Manifest:
    """The one ResourceFlavor, which means any node. All trees of a cluster share it."""
    return _object("ResourceFlavor", FLAVOR_NAME, owner=owner, spec={})


def build_objects(tree: Tree, *, capacity: Mapping[str, int] | None, owner: str) -> tuple[QueueObject, ...]:
    """Everything that enforces the tree, in the order of applying: Cohorts from the root down, ClusterQueues, Namespaces,
    LocalQueues. Quantities are spelled as the API server stores them."""
    resources = find_covered_resources(tree, capacity)
    nodes = list(tree.walk())
    leaves = [node for node in nodes if tree.is_leaf(node.key)]
    cohorts = [
        QueueObject(manifest=_build_cohort(tree, node, resources, capacity, owner), node=node.key)
        for node in nodes
        if not tree.is_leaf(node.key)
    ]
    queues = [
        QueueObject(manifest=_build_cluster_queue(tree, node, resources, owner), node=node.key) for node in leaves
    ]
    namespaces = [
        QueueObject(
            manifest=_build_namespace(binding.namespace, is_adopted=binding.is_adopted, owner=owner),
            node=node.key,
            is_adopted=binding.is_adopted,
        )
        for node in leaves
        for binding in node.namespaces
    ]
    local_queues = [
        QueueObject(manifest=_build_local_queue(binding.namespace, node, owner), node=node.key)
        for node in leaves
        for binding in node.namespaces
    ]
    return (*cohorts, *queues, *namespaces, *local_queues)


def find_covered_resources(tree: Tree, capacity: Mapping[str, int] | None) -> tuple[str, ...]:
    """What every leaf lists: the tree's resources, cpu, memory, and what else a pod can ask of the nodes.

    `pods` is left out unless the tree names it: covering it makes Kueue count pods against a quota.
    """
    offered = {name for name, amount in (capacity or {}).items() if amount > 0 and _can_be_requested(name)}
    return sort_resources({*tree.resources(), "cpu", "memory", *offered})


def _can_be_requested(resource: str) -> bool:
    """Whether a container can request the resource; nodes also report pods and attachable volumes."""
    return "/" in resource or resource in {"cpu", "memory", "ephemeral-storage"} or resource.startswith("hugepages-")


def _build_cohort(
    tree: Tree, node: Node, resources: tuple[str, ...], capacity: Mapping[str, int] | None, owner: str
) -> Manifest:
    entries = {}
    for resource in resources:
        guaranteed = tree.children_min(node.key, resource)
        if node.parent is None:
            supply = find_root_supply(tree, resource, capacity)
            own, room = max(0, (supply or 0) - guaranteed), None
        else:
            minimum, ceiling = tree.min_amount(node.key, resource), tree.max_amount(node.key, resource)
            own, room = max(0, minimum - guaranteed), None if ceiling is None else ceiling - minimum
        # A Cohort names what is not the default. The root names everything: a spec that becomes empty is stored as null by
        # server-side apply, and then refused.
        if own or room is not None or node.parent is None:
            entries[resource] = _quota(resource, nominal=own, room=room)
    spec: Manifest = {}
    if node.parent is not None:
        spec["parentName"] = tree.get(node.parent).queue_name
    if entries:
        spec["resourceGroups"] = _group(entries)
    return _object("Cohort", node.queue_name, owner=owner, spec=spec, path=tree.path(node.key))


def _build_cluster_queue(tree: Tree, node: Node, resources: tuple[str, ...], owner: str) -> Manifest:
    entries = {}
    for resource in resources:
        minimum, ceiling = tree.min_amount(node.key, resource), tree.max_amount(node.key, resource)
        room = None if ceiling is None else ceiling - minimum
        entries[resource] = _quota(resource, nominal=minimum, room=room)
    parent = tree.lineage(node.key)[-2]
    spec: Manifest = {
        "cohortName": parent.queue_name,
        "resourceGroups": _group(entries),
        "preemption": {
            "reclaimWithinCohort": "Any",
            "withinClusterQueue": "LowerPriority",
            "borrowWithinCohort": {"policy": "Never"},
        },
    }
    names = sorted(binding.namespace for binding in node.namespaces)
    if names:  # without a selector the queue takes nothing, and an empty `In` would be refused
        expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": names}
        spec["namespaceSelector"] = {"matchExpressions": [expression]}
    return _object("ClusterQueue", node.queue_name, owner=owner, spec=spec, path=tree.path(node.key))


def _build_namespace(name: str, *, is_adopted: bool, owner: str) -> Manifest:
    # An adopted namespace may belong to another tool, whose managed-by label stays as it is.
    labels = {OWNER_LABEL: owner} if is_adopted else {MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: owner}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _build_local_queue(namespace: str, node: Node, owner: str) -> Manifest:
    manifest = _object("LocalQueue", LOCAL_QUEUE_NAME, owner=owner, spec={"clusterQueue": node.queue_name})
    manifest["metadata"]["namespace"] = namespace
    return manifest


def _quota(resource: str, *, nominal: int, room: int | None) -> Manifest:
    quota = {"name": resource, "nominalQuota": canonical_quantity(resource, nominal)}
    if room is not None:
        quota["borrowingLimit"] = canonical_quantity(resource, room)
    return quota


def _group(entries: Mapping[str, Manifest]) -> list[Manifest]:
    flavor = {"name": FLAVOR_NAME, "resources": list(entries.values())}
    return [{"coveredResources": list(entries), "flavors": [flavor]}]


def _object(kind: str, name: str, *, owner: str, spec: Manifest, path: str = "") -> Manifest:
    metadata: Manifest = {"name": name, "labels": {MANAGED_BY_LABEL: MANAGED_BY, OWNER_LABEL: owner}}
    if path:
        metadata["annotations"] = {PATH_ANNOTATION: path}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
