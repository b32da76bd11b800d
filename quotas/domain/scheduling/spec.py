"""What the scheduler is given: the forest of cohorts and queues, the flavors, and work, as values.

Words are Kueue's (`kueue.x-k8s.io/v1beta2`). Amounts are exact integers: cpu in milli-units, everything else in base units; one
scale for quotas and requests is all that the rules ask for. An *fr* is a pair (flavor, resource), the thing that is counted.
Times are integers of one clock, seconds in a live cluster; the engine never reads a clock of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

UNLIMITED: Final = 2**63 - 1
"""Kueue's arithmetic saturates here, and takes it for "no limit"."""

PODS: Final = "pods"
"""The resource of which every pod asks for one, where a queue covers it."""


class SpecError(ValueError):
    """The forest is not one: a name twice, a cycle, a resource in two groups or left out of a flavor, or a quota that cannot be. Names
    the object and the rule."""


class Policy(StrEnum):
    """Who may be evicted, in `withinClusterQueue`, `reclaimWithinCohort` and `borrowWithinCohort`."""

    NEVER = "Never"
    LOWER_PRIORITY = "LowerPriority"
    LOWER_OR_NEWER_EQUAL_PRIORITY = "LowerOrNewerEqualPriority"
    ANY = "Any"


class QueueingStrategy(StrEnum):
    BEST_EFFORT_FIFO = "BestEffortFIFO"
    STRICT_FIFO = "StrictFIFO"


class StopPolicy(StrEnum):
    NONE = "None"
    HOLD = "Hold"
    HOLD_AND_DRAIN = "HoldAndDrain"


class Fungibility(StrEnum):
    """Whether a scan of flavors goes on after one that borrows or preempts."""

    MAY_STOP_SEARCH = "MayStopSearch"
    TRY_NEXT_FLAVOR = "TryNextFlavor"


class TaintEffect(StrEnum):
    NO_SCHEDULE = "NoSchedule"
    NO_EXECUTE = "NoExecute"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """`borrowing_limit` None: borrows without limit. `lending_limit` None: everything idle is lent."""

    nominal: int
    borrowing_limit: int | None = None
    lending_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavorQuotas:
    flavor: str
    quotas: Mapping[str, Quota]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceGroup:
    """Resources that get one flavor together; the flavors in the order in which they are tried."""

    flavors: tuple[FlavorQuotas, ...]

    @property
    def resources(self) -> frozenset[str]:
        return frozenset(resource for flavor in self.flavors for resource in flavor.quotas)


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSpec:
    """`parent` None: a root. `weight` is that of fair sharing."""

    name: str
    parent: str | None = None
    groups: tuple[ResourceGroup, ...] = ()
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSpec:
    """A ClusterQueue. The defaults are Kueue's."""

    name: str
    parent: str | None = None
    groups: tuple[ResourceGroup, ...] = ()
    weight: float = 1.0
    within_queue: Policy = Policy.NEVER
    reclaim: Policy = Policy.NEVER
    borrow: Policy = Policy.NEVER
    borrow_threshold: int | None = None
    strategy: QueueingStrategy = QueueingStrategy.BEST_EFFORT_FIFO
    stop: StopPolicy = StopPolicy.NONE
    when_can_borrow: Fungibility = Fungibility.MAY_STOP_SEARCH
    when_can_preempt: Fungibility = Fungibility.TRY_NEXT_FLAVOR
    prefers_preemption_over_borrowing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    key: str
    effect: TaintEffect
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration:
    """`key` and `effect` empty: any. `exists`: whatever the value."""

    key: str = ""
    value: str = ""
    effect: str = ""
    exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FlavorSpec:
    """A ResourceFlavor; one without labels and taints need not be given."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRequirement:
    """One expression of a node affinity term: `operator` is In, NotIn, Exists, DoesNotExist, Gt or Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSet:
    """Equal pods. `requests` are those of one pod; `min_count` below `count` allows partial admission.

    `affinity`: the terms of a required node affinity; one of them must hold, none at all means no requirement.
    """

    requests: Mapping[str, int]
    name: str = "main"
    count: int = 1
    min_count: int | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: tuple[tuple[NodeRequirement, ...], ...] = ()
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A Workload as submitted. `queue_time` is the eviction time where that counts instead of the creation (see reference 8.4)."""

    name: str
    queue: str
    pod_sets: tuple[PodSet, ...]
    created_at: int
    uid: str
    priority: int = 0
    queue_time: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Quota that a workload holds: the amount of every fr, and since when. `is_evicting`: its pods are still going away."""

    usage: Mapping[tuple[str, str], int]
    reserved_at: int
    is_evicting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkState:
    """Where a workload stands. Without a reservation it is pending; `is_parked`: set aside until something changes in its tree."""

    work: Work
    reservation: Reservation | None = None
    is_parked: bool = False
    is_sticky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the scheduler is set up. The defaults are those of Kueue 0.19.

    `recomputes_overlaps`: a head whose victims another head of the cycle has claimed is judged again at once, instead of in the next cycle
    (Kueue's gate RecomputeAssignmentUponPreemptionTargetsOverlap: off in 0.19, on in 0.20).
    `keeps_sticky_preemptors`: a workload that has issued evictions stays first in its queue (Kueue does).
    `minimum_run`: nothing is evicted before it has held its quota that long (ours; Kueue has no such rule).
    """

    fair_sharing: bool = False
    recomputes_overlaps: bool = False
    keeps_sticky_preemptors: bool = True
    minimum_run: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForestSpec:
    """Every cohort, queue and flavor of a cluster. A parent that is only named counts as a root cohort without quota."""

    queues: tuple[QueueSpec, ...]
    cohorts: tuple[CohortSpec, ...] = ()
    flavors: tuple[FlavorSpec, ...] = ()
