"""What validation has to know beyond the tree itself: facts that come from rows, gathered by `quotas.selectors`.

A fact that is None is not known (the cluster was never observed); the rules that need it then stay silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from quotas.domain.tree import NodeKey


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldWorkload:
    """A workload that holds quota: its name as `namespace/name` and its amounts."""

    name: str
    requests: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeFacts:
    """Amounts are in kit.quantity units.

    `bound_elsewhere` maps a namespace to the path of the leaf of another tree that has it, `queues_elsewhere` a queue name to the
    path of the node of another tree; `trees_elsewhere` are the names of the cluster's other trees. `foreign_queues` are
    ClusterQueues and Cohorts in the cluster that are not ours. `running_pods` are names by namespace, `held` the workloads that
    hold quota in a leaf.
    """

    capacity: Mapping[str, int] | None = None
    namespaces: frozenset[str] | None = None
    groups: frozenset[str] | None = None
    bound_elsewhere: Mapping[str, str] = field(default_factory=dict)
    queues_elsewhere: Mapping[str, str] = field(default_factory=dict)
    trees_elsewhere: frozenset[str] = frozenset()
    foreign_queues: frozenset[str] = frozenset()
    running_pods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    held: Mapping[NodeKey, tuple[HeldWorkload, ...]] = field(default_factory=dict)
