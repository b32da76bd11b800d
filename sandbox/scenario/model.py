"""What a scenario says, as values: the nodes and their faults, the people and their guarantees, and how busy they are.

Vocabulary: a *pool* is a row of equal nodes; a *fault* is something wrong with a node or a card from the start; a
*team* is a leaf of the quota tree with one namespace of the same name; a *profile* is the mix of jobs that a team
submits; *lab time* is the time the teams live in, which the driver plays faster than the clock on the wall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

GPU_RESOURCE = "nvidia.com/gpu"


class Behaviour(StrEnum):
    """How the containers of a job use their GPUs."""

    STEADY_TRAINING = "steady-training"
    INPUT_STARVED = "input-starved"
    BURSTY_INFERENCE = "bursty-inference"
    HOARDING_NOTEBOOK = "hoarding-notebook"
    FAILING_GPU = "failing-gpu"


class StandingKind(StrEnum):
    NOTEBOOK = "notebook"
    SERVICE = "service"


class Priority(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taint:
    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePool:
    """Shape of `zones`: {zone: number of nodes}, adding up to `count`. Node names are `<pool>-00`, `<pool>-01`, ..."""

    name: str
    count: int
    product: str
    gpus_per_node: int
    gpu_memory_mib: int
    cpu: str
    memory: str
    zones: Mapping[str, int]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    mig_profiles: tuple[str, ...] = ()

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{index:02d}" for index in range(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFault:
    """One card with a fault. `xid` 0 means none; `double_bit_errors` counts uncorrectable ECC errors.

    `is_missing`: the card fell off the bus and reports nothing. `is_withdrawn`: it reports, but is not allocatable.
    """

    node: str
    gpu: int
    xid: int = 0
    double_bit_errors: int = 0
    is_missing: bool = False
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    cordoned: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    cards: tuple[CardFault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodShape:
    """What one pod of a workload asks for, and which pools it would rather run in (all, when empty)."""

    gpus: int
    cpu_per_gpu: int
    memory_gib_per_gpu: int
    image: str
    prefers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTemplate:
    """One kind of job of a profile. `weight` is its share of the GPU-hours that the team asks for.

    Units: `hours` of lab time. `pods` lists the gang sizes to choose from.
    """

    name: str
    behaviour: Behaviour
    weight: float
    pods: tuple[int, ...]
    shape: PodShape
    hours: tuple[float, float]
    priority: Priority
    failure_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingTemplate:
    """Workloads that are there all day: notebooks, one per person, and services. `count` of them live at a time.

    Units: `hours` of real time, after which one is deleted and another takes its place.
    """

    name: str
    kind: StandingKind
    behaviour: Behaviour
    count: int
    replicas: int
    shape: PodShape
    hours: float
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    name: str
    jobs: tuple[JobTemplate, ...]
    standing: tuple[StandingTemplate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How many GPUs a team asks for over time, as multiples of its guaranteed GPUs.

    It swings between `low` and `high` once in `period_hours` of lab time; `phase` (0..1) is where the wave starts.
    """

    low: float
    high: float
    period_hours: float
    phase: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A leaf of the quota tree. Its namespace has the team's name. `guaranteed` is the Min, `ceiling` the Max."""

    name: str
    title: str
    guaranteed: Mapping[str, str]
    ceiling: Mapping[str, str]
    owners: tuple[str, ...]
    members: tuple[str, ...]
    profile: str
    demand: Demand

    @property
    def namespace(self) -> str:
        return self.name

    @property
    def guaranteed_gpus(self) -> int:
        return int(self.guaranteed.get(GPU_RESOURCE, "0"))

    @property
    def ceiling_gpus(self) -> int:
        return int(self.ceiling.get(GPU_RESOURCE, "0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Department:
    name: str
    title: str
    guaranteed: Mapping[str, str]
    ceiling: Mapping[str, str]
    teams: tuple[Team, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    username: str
    full_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How the driver plays: `speed` hours of lab time in one real hour; the ceilings bound the load on the machine."""

    speed: float
    max_jobs: int
    max_pods: int
    max_waiting_per_team: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    name: str
    seed: int
    driver_version: str
    pools: tuple[NodePool, ...]
    faults: Faults
    users: tuple[User, ...]
    departments: tuple[Department, ...]
    profiles: Mapping[str, Profile]
    pace: Pace

    @property
    def teams(self) -> tuple[Team, ...]:
        return tuple(team for department in self.departments for team in department.teams)

    @property
    def gpu_count(self) -> int:
        """Cards that the nodes were bought with, broken ones included."""
        return sum(pool.count * pool.gpus_per_node for pool in self.pools)

    @property
    def schedulable_gpus(self) -> int:
        """Whole cards that a pod can get: on nodes that are ready and not cordoned, without the withdrawn ones."""
        out = {*self.faults.cordoned, *self.faults.not_ready}
        total = 0
        for pool in self.pools:
            if not pool.mig_profiles:
                total += sum(
                    pool.gpus_per_node - self.withdrawn_gpus(node) for node in pool.node_names if node not in out
                )
        return total

    def withdrawn_gpus(self, node: str) -> int:
        """How far the node's allocatable GPUs lie below its capacity."""
        return sum(1 for fault in self.faults.cards if fault.node == node and (fault.is_missing or fault.is_withdrawn))
