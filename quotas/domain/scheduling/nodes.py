"""The accounts of one node: what it has, what it uses, what it may still take. All per fr, by the place in `FlavorResources`.

    local(n)  = max(0, subtree - lending limit)       the private part, never lent; 0 without a lending limit
    subtree   = nominal + Σ over children (subtree - local)
    usage     = Σ over children max(0, usage - local), for a queue that of the work that holds quota there

Usage travels upwards as it changes, so a reader never sums. Source: Kueue's resource_node.go, written out in reference 8.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Self

from quotas.domain.scheduling.spec import UNLIMITED, CohortSpec, QueueSpec

if TYPE_CHECKING:
    from quotas.domain.scheduling.descent import Standings
    from quotas.domain.scheduling.nominations import Nomination
    from quotas.domain.scheduling.pending import PendingWork
    from quotas.domain.scheduling.plans import Plan
    from quotas.domain.scheduling.prospects import Top
    from quotas.domain.scheduling.workloads import Amounts, Workload

NO_LIMIT: Final = 1 << 80
"""Above every amount that two saturated ones can add up to."""

NO_SHARE: Final = (0, 0.0)

Account = tuple[list[int], int, int, tuple[int, float]]
"""(usage, version, share version, share) of a node."""


class Node:
    """A cohort or a queue. `ceiling`: what it may use of others' quota and its own lent one, taken together."""

    __slots__ = (
        "_share",
        "_share_version",
        "ceiling",
        "height",
        "lendable",
        "local",
        "name",
        "nominal",
        "parent",
        "potential",
        "share_places",
        "subtree",
        "tree",
        "usage",
        "version",
        "weight",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.parent: Cohort | None = None
        self.tree: TreeRecord
        self.height = 0
        self.weight = 1.0
        self.nominal: list[int] = []
        self.subtree: list[int] = []
        self.local: list[int] = []
        self.ceiling: list[int] = []
        self.potential: list[int] = []
        self.usage: list[int] = []
        self.lendable: list[int] = []
        self.share_places: list[tuple[int, int]] = []
        self.version = 0
        self._share: tuple[int, float] = NO_SHARE
        self._share_version = -1

    def ancestors(self) -> Iterator[Cohort]:
        """From the parent to the root."""
        cohort = self.parent
        while cohort is not None:
            yield cohort
            cohort = cohort.parent

    def add(self, amounts: Amounts) -> None:
        """Count amounts as used here and, beyond the private part, above."""
        for place, given in amounts:
            node: Node = self
            amount = given
            while True:
                use = node.usage[place]
                node.usage[place] = use + amount
                node.version += 1
                private = node.local[place] - use
                if private > 0:
                    amount -= private
                parent = node.parent
                if amount <= 0 or parent is None:
                    break
                node = parent

    def remove(self, amounts: Amounts) -> None:
        """The reverse of `add`."""
        for place, given in amounts:
            node: Node = self
            amount = given
            while True:
                use = node.usage[place]
                node.usage[place] = use - amount
                node.version += 1
                stored_above = use - node.local[place]
                parent = node.parent
                if stored_above <= 0 or parent is None:
                    break
                if stored_above < amount:
                    amount = stored_above
                node = parent

    def available(self, place: int) -> int:
        """What a workload could get here now without evicting anybody; never below 0, though quota may have been lowered."""
        free = self.headroom(place)
        return free if free > 0 else 0

    def headroom(self, place: int) -> int:
        """What is available, and below 0 what is missing: counting a request as used lowers it by just that."""
        node: Node = self
        private_below, best = 0, NO_LIMIT
        while True:
            use = node.usage[place]
            parent = node.parent
            if parent is None:
                rest = private_below + node.subtree[place] - use
                return rest if rest < best else best
            drawn = use - node.local[place]
            if drawn < 0:
                private_below -= drawn
                drawn = 0
            rest = private_below + node.ceiling[place] - drawn
            if rest < best:
                best = rest
            node = parent

    def local_available(self, place: int) -> int:
        """The private part that is still free."""
        free = self.local[place] - self.usage[place]
        return free if free > 0 else 0

    def is_within(self, places: Iterable[int]) -> bool:
        """Whether the node uses no more than its own quota of any of these."""
        usage, subtree = self.usage, self.subtree
        # A loop, as it runs millions of times and a generator costs twice as much.
        for place in places:  # noqa: SIM110
            if usage[place] > subtree[place]:
                return False
        return True

    def find_level(self, place: int, amount: int) -> tuple[int, bool]:
        """The height of the lowest subtree whose own quota can hold `amount` more, and whether it lies below the root.

        The height is 0 for the queue's own quota, and that of the root when nothing can hold it. Kueue's borrowing level.
        """
        node: Node = self
        while True:
            parent = node.parent
            if parent is None or node.usage[place] + amount <= node.subtree[place]:
                return (0 if node is self else node.height), parent is not None
            private = node.local[place] - node.usage[place]
            if private > 0:
                amount -= private
            node = parent

    def share(self) -> tuple[int, float]:
        """The dominant resource share, in an order that compares: weight 0 while borrowing stands above every finite share.

        Ratios are those of Kueue: 1000 * borrowed / lendable as a float, the largest over the resources, divided by the weight.
        """
        if self._share_version != self.version:
            self._share = self._compute_share(self.usage)
            self._share_version = self.version
        return self._share

    def save(self) -> Account:
        return self.usage.copy(), self.version, self._share_version, self._share

    def restore(self, account: Account) -> None:
        """Back to what was saved, which may be done once."""
        self.usage, self.version, self._share_version, self._share = account

    def borrows(self) -> bool:
        usage, subtree = self.usage, self.subtree
        for place, _ in self.share_places:  # noqa: SIM110
            if usage[place] > subtree[place]:
                return True
        return False

    def share_without(self, amounts: Iterable[tuple[int, int]], *, but_with: Amounts = ()) -> tuple[int, float]:
        """The share that the node would have if it used so much less itself, and so much more."""
        usage = self.usage.copy()
        for place, amount in amounts:
            usage[place] -= amount
        for place, amount in but_with:
            usage[place] += amount
        return self._compute_share(usage)

    def _compute_share(self, usage: list[int]) -> tuple[int, float]:
        if self.parent is None:
            return NO_SHARE
        subtree = self.subtree
        borrowed: dict[int, int] = {}
        for place, resource in self.share_places:
            above = usage[place] - subtree[place]
            if above > 0:
                borrowed[resource] = borrowed.get(resource, 0) + above
        ratio = 0.0
        for resource, above in borrowed.items():
            lendable = self.parent.lendable[resource]
            if lendable > 0:
                ratio = max(ratio, above * 1000.0 / lendable)
        if ratio == 0.0:
            return NO_SHARE
        return (1, ratio) if self.weight == 0.0 else (0, ratio / self.weight)


class Trial:
    """Something is tried on the accounts; afterwards those that were kept are as before. Their shares come back with them and need not
    be counted again."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[Node, Account] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for node, account in self._kept.items():
            node.restore(account)

    def keep(self, node: Node) -> None:
        """Before a node changes for the first time: remember it, and those above."""
        changing: Node | None = node
        while changing is not None and changing not in self._kept:
            self._kept[changing] = changing.save()
            changing = changing.parent


class TreeRecord:
    """What is remembered of one whole tree.

    `ready`: its queues with work to be tried. `parked`: those that have set work aside. `is_due`: what was set aside will be released.
    `cycles`: how many there were. `generation` grows when quota or usage goes. `evicting`: how many of its workloads hold quota although
    they are on their way out. `tops`, `standings`, `looks`: what was measured of its nodes and found for its heads, true until quota is
    given or taken. What a cycle only holds for a while does not count: nothing is measured meanwhile.
    """

    __slots__ = (
        "cycles",
        "evicting",
        "generation",
        "is_due",
        "looks",
        "parked",
        "queues",
        "ready",
        "root",
        "specs",
        "standings",
        "tops",
    )

    def __init__(self, root: Queue | Cohort, specs: tuple[QueueSpec | CohortSpec, ...]) -> None:
        self.root = root
        self.specs = specs
        self.queues: list[Queue] = []
        self.ready: dict[Queue, None] = {}
        self.parked: dict[Queue, None] = {}
        self.is_due = False
        self.cycles = 0
        self.generation = 0
        self.evicting = 0
        self.tops: dict[Cohort, list[Top]] = {}
        self.standings: dict[tuple[int, ...], Standings] = {}
        self.looks: dict[tuple[Workload, int], Nomination | None] = {}

    def forget(self) -> None:
        """Quota was given or taken: measure anew."""
        self.tops.clear()
        self.standings.clear()
        self.looks.clear()

    @property
    def is_deep(self) -> bool:
        """Whether there are cohorts below the root."""
        return isinstance(self.root, Cohort) and bool(self.root.cohorts)


class Cohort(Node):
    """An inner node, with the quota that it holds itself."""

    __slots__ = ("cohorts", "queues", "spec")

    def __init__(self, spec: CohortSpec) -> None:
        super().__init__(spec.name)
        self.spec = spec
        self.cohorts: list[Cohort] = []
        self.queues: list[Queue] = []


class Queue(Node):
    """A ClusterQueue: its accounts, the work that holds quota in the order in which it would be evicted, and the work that waits.

    `evictable`: by priority, what was counted of its holders, true until they change.
    """

    __slots__ = ("borrowing_limits", "evictable", "holders", "pending", "plans", "spec")

    def __init__(self, spec: QueueSpec, pending: PendingWork) -> None:
        super().__init__(spec.name)
        self.spec = spec
        self.borrowing_limits: dict[int, int] = {}
        self.evictable: dict[int, list[int]] = {}
        self.plans: dict[int, Plan] = {}
        self.holders: list[tuple[int, int, int, str, Workload]] = []
        self.pending = pending


def saturate(amount: int) -> int:
    return amount if amount < UNLIMITED else UNLIMITED
