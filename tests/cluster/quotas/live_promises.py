"""What a quota tree promises, counted from Kueue's objects alone and without the engine: no Max is exceeded, no guarantee is withheld.

Words and formulas as in docs/apps/quotas.md; `local` is the part of a node's quota that it never lends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from quotas.domain.engine import CohortSpec, Policy, QueueingStrategy, QueueSpec, Quota, WorkState
from tests.cluster.quotas.live_cluster import LiveState

Pair = tuple[str, str]


@dataclass(slots=True)
class Account:
    """One node and one (flavor, resource)."""

    quota: Quota
    subtree: int = 0
    local: int = 0
    used: int = 0


@dataclass(slots=True)
class Books:
    """The accounts of all nodes for one (flavor, resource)."""

    state: LiveState
    pair: Pair
    accounts: dict[str, Account] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in list_nodes(self.state):
            self.accounts[node.name] = Account(quota=_find_quota(node, self.pair))
        for cohort in self.state.forest.cohorts:
            if cohort.parent is None:
                self._count(cohort.name)

    def _count(self, name: str) -> Account:
        account = self.accounts[name]
        account.subtree = account.quota.nominal
        for child in self._children(name):
            below = self._count(child)
            account.subtree += below.subtree - below.local
            account.used += max(0, below.used - below.local)
        for one in self.state.works:
            if one.work.queue == name and one.reservation is not None:
                account.used += one.reservation.usage.get(self.pair, 0)
        if account.quota.lending_limit is not None:
            account.local = max(0, account.subtree - account.quota.lending_limit)
        return account

    def _children(self, name: str) -> list[str]:
        return [node.name for node in list_nodes(self.state) if node.parent == name]

    def find_excesses(self) -> Iterator[str]:
        roots = {cohort.name for cohort in self.state.forest.cohorts if cohort.parent is None}
        for name, account in self.accounts.items():
            limit = 0 if name in roots else account.quota.borrowing_limit
            borrowed = max(0, account.used - account.local) - (account.subtree - account.local)
            if limit is not None and borrowed > limit:
                yield f"{name} uses {account.used} of {self.pair}, {borrowed - limit} above its Max"


def find_broken_promises(state: LiveState) -> list[str]:
    """Only of a tree in which no quota was ever lowered: that evicts nobody, so what is used may be above it."""
    pairs = sorted(
        {
            (flavor.flavor, resource)
            for node in list_nodes(state)
            for group in node.groups
            for flavor in group.flavors
            for resource in flavor.quotas
        }
    )
    books = {pair: Books(state, pair) for pair in pairs}
    broken = [complaint for one in books.values() for complaint in one.find_excesses()]
    queues = {queue.name: queue for queue in state.forest.queues}
    for one in state.works:
        queue = queues[one.work.queue]
        may_be_blocked = queue.strategy is QueueingStrategy.STRICT_FIFO  # by the first in line, which waits for more
        if one.reservation is None and queue.reclaim is Policy.ANY and not may_be_blocked:
            broken += [
                f"{one.work.name} waits, though {flavor} of {queue.name} is guaranteed and free"
                for flavor in sorted({flavor for flavor, _ in pairs})
                if _is_owed(one, queue, flavor, books)
            ]
    return broken


def list_nodes(state: LiveState) -> list[QueueSpec | CohortSpec]:
    return [*state.forest.queues, *state.forest.cohorts]


def _is_owed(state: WorkState, queue: QueueSpec, flavor: str, books: dict[Pair, Books]) -> bool:
    """Whether the queue's own quota has room for all of it."""
    (pod_set,) = state.work.pod_sets
    for resource, amount in pod_set.requests.items():
        account = books[flavor, resource].accounts[queue.name]
        if account.used + amount * pod_set.count > account.quota.nominal:
            return False
    return True


def _find_quota(node: QueueSpec | CohortSpec, pair: Pair) -> Quota:
    quotas = (
        flavor.quotas.get(pair[1]) for group in node.groups for flavor in group.flavors if flavor.flavor == pair[0]
    )
    return next((quota for quota in quotas if quota is not None), Quota(nominal=0))
