"""Why a workload waits, in plain words with numbers.

Vocabulary: a *cause* is what stands in the way, one of a closed set; it is *permanent* when waiting alone never helps. Kueue's
reasons say which; its messages and the tree's numbers say how much. Messages are no API: what can't be parsed is shown as it is.
Source: Kueue, Workload conditions (QuotaReserved, Admitted, Evicted), with the gate UnadmittedWorkloadsObservability and without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from aidashboard.kit.quantity import QuantityError, format_amount, parse_amount


class Cause(StrEnum):
    QUOTA_FULL = "quota_full"
    EXCEEDS_MAX = "exceeds_max"
    NO_FLAVOR = "no_flavor"
    NO_ROOM_ON_NODES = "no_room_on_nodes"
    WAITS_FOR_PREEMPTION = "waits_for_preemption"
    QUEUE_MISSING = "queue_missing"
    QUEUE_STOPPED = "queue_stopped"
    DEACTIVATED = "deactivated"
    ON_HOLD = "on_hold"
    GATED = "gated"
    WAITS_FOR_CHECKS = "waits_for_checks"
    WAITS_FOR_PODS = "waits_for_pods"
    NOT_EVALUATED = "not_evaluated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrower:
    """Another quota that holds more than its Min of the resource. `name` is empty when the viewer may not know who it is."""

    name: str
    amount: int

    def say(self, resource: str) -> str:
        amount = format_amount(resource, self.amount)
        return f"{self.name} borrows {amount}" if self.name else f"others borrow {amount}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafNumbers:
    """What the leaf has of each resource: `{resource: amount}`; a missing max is unlimited.

    `reachable` is what no request can ever be above: the smallest Max on the path, or what the cluster has. `available` is what
    the leaf can still get right now, borrowing included. Either is missing where it is not known.
    """

    name: str
    used: Mapping[str, int] = field(default_factory=dict)
    min: Mapping[str, int] = field(default_factory=dict)
    max: Mapping[str, int] = field(default_factory=dict)
    reachable: Mapping[str, int] = field(default_factory=dict)
    available: Mapping[str, int] = field(default_factory=dict)
    borrowers: Mapping[str, Sequence[Borrower]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFacts:
    """All that is known of a waiting workload. `position` 1 is the head of its queue; `largest_block` the most free GPUs on one
    node, None when the nodes are not known."""

    reason: str
    message: str
    requests: Mapping[str, int]
    since: datetime | None
    leaf: LeafNumbers | None
    position: int | None = None
    gpus_per_pod: int = 0
    largest_block: int | None = None
    was_evicted: bool = False
    eviction_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One figure behind the sentence, in kit.quantity units; `text` is it with its unit."""

    label: str
    resource: str
    amount: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why it waits. `unblocks` lists what would let it start, the likeliest first; `raw` is Kueue's own message."""

    cause: Cause
    sentence: str
    is_permanent: bool
    unblocks: tuple[str, ...]
    numbers: tuple[Number, ...]
    since: datetime | None
    position: int | None
    raw_reason: str
    raw: str


GPU: Final = "nvidia.com/gpu"
MOST_BORROWERS: Final = 3

_CAUSE_BY_REASON: Final = {
    "Deactivated": Cause.DEACTIVATED,
    "OnHold": Cause.ON_HOLD,
    "Misconfigured": Cause.QUEUE_MISSING,
    "NoMatchingFlavor": Cause.NO_FLAVOR,
    "Suspended": Cause.QUEUE_STOPPED,
    "AdmissionGated": Cause.GATED,
    "WaitingForPodsReady": Cause.WAITS_FOR_PODS,
    "ExceedsMaxQuota": Cause.EXCEEDS_MAX,
    "WaitingForQuota": Cause.QUOTA_FULL,
    "TopologyPlacementFailed": Cause.NO_ROOM_ON_NODES,
    "WaitingForPreemptedWorkloads": Cause.WAITS_FOR_PREEMPTION,
    "PendingEvaluation": Cause.NOT_EVALUATED,
    "UnsatisfiedAdmissionChecks": Cause.WAITS_FOR_CHECKS,
    "PendingDelayedTopologyRequests": Cause.WAITS_FOR_CHECKS,
}
# What older releases, and newer ones with the gate off, say only in their messages.
_CAUSE_BY_WORDS: Final = (
    ("doesn't exist", Cause.QUEUE_MISSING),
    ("not found", Cause.QUEUE_MISSING),
    ("namespace doesn't match", Cause.QUEUE_MISSING),
    ("is inactive", Cause.QUEUE_STOPPED),
    ("stopped", Cause.QUEUE_STOPPED),
    ("deactivated", Cause.DEACTIVATED),
    ("maximum capacity", Cause.EXCEEDS_MAX),
    ("insufficient quota", Cause.EXCEEDS_MAX),
    ("insufficient unused quota", Cause.QUOTA_FULL),
    ("no longer fits", Cause.QUOTA_FULL),
    ("untolerated taint", Cause.NO_FLAVOR),
    ("doesn't match node affinity", Cause.NO_FLAVOR),
    ("unavailable in clusterqueue", Cause.NO_FLAVOR),
    ("topology", Cause.NO_ROOM_ON_NODES),
    ("pending the preemption", Cause.WAITS_FOR_PREEMPTION),
    # Just evicted, not looked at again yet: the message still tells of the eviction.
    ("preempted to accommodate", Cause.NOT_EVALUATED),
)
_SHORTFALL: Final = re.compile(
    r"insufficient unused quota for (?P<resource>\S+) in flavor (?P<flavor>\S+), (?P<amount>\S+) more needed"
)
_CEILING: Final = re.compile(
    r"insufficient quota for (?P<resource>\S+) in flavor (?P<flavor>[^,\s]+),.*?maximum capacity \((?P<amount>[^)\s]+)\)"
)
_PERMANENT: Final = frozenset(
    {Cause.EXCEEDS_MAX, Cause.NO_FLAVOR, Cause.QUEUE_MISSING, Cause.DEACTIVATED, Cause.QUEUE_STOPPED, Cause.ON_HOLD}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """What a message of Kueue says is short: `missing` more needed, or a `ceiling` that the request is above."""

    resource: str
    missing: int | None = None
    ceiling: int | None = None


def explain_pending(facts: PendingFacts) -> Explanation:
    """Why this workload waits.

    Example: GPU request 8, leaf vision with Max 16 and 13 used -> "needs 8 GPUs; vision has 3 of its Max 16 left".
    """
    shortages = parse_shortages(facts.message)
    cause = find_cause(facts, shortages=shortages)
    resource = _find_binding_resource(facts, shortages=shortages)
    sentence, unblocks = _describe(cause, facts, resource=resource, shortages=shortages)
    if facts.was_evicted and facts.eviction_reason == "Preempted":
        sentence = f"was evicted to give capacity back; now it {sentence}"
    if facts.position is not None and facts.position > 1 and cause in {Cause.QUOTA_FULL, Cause.NOT_EVALUATED}:
        ahead = facts.position - 1
        sentence += f"; {ahead} {'workload is' if ahead == 1 else 'workloads are'} ahead of it in the queue"
    return Explanation(
        cause=cause,
        sentence=sentence,
        is_permanent=cause in _PERMANENT,
        unblocks=unblocks,
        numbers=_list_numbers(facts, resource=resource, shortages=shortages),
        since=facts.since,
        position=facts.position,
        raw_reason=facts.reason,
        raw=facts.message,
    )


def parse_shortages(message: str) -> tuple[Shortage, ...]:
    """The quantities in a message of Kueue's; empty when there are none that we understand.

    Example: "... insufficient unused quota for nvidia.com/gpu in flavor aidashboard, 2 more needed" -> 2 missing.
    """
    found: list[Shortage] = []
    for match in _SHORTFALL.finditer(message):
        amount = _parse(match["resource"], match["amount"])
        if amount is not None:
            found.append(Shortage(resource=match["resource"], missing=amount))
    for match in _CEILING.finditer(message):
        amount = _parse(match["resource"], match["amount"])
        if amount is not None:
            found.append(Shortage(resource=match["resource"], ceiling=amount))
    return tuple(found)


def find_cause(facts: PendingFacts, *, shortages: Sequence[Shortage]) -> Cause:
    """The cause, by Kueue's reason; by its message when the reason is one of the old, general ones.

    A full quota is refined by the numbers: a request above the leaf's Max can never fit, whatever others give back.
    """
    cause = _CAUSE_BY_REASON.get(facts.reason)
    if cause is None:
        words = facts.message.lower()
        # The ceiling wins: a message that names both parts is about several pod sets, and the worst one counts.
        cause = next((found for text, found in _CAUSE_BY_WORDS if text in words), None)
    if cause is None:
        cause = Cause.NOT_EVALUATED if not facts.message else Cause.UNKNOWN
    if cause in {Cause.QUOTA_FULL, Cause.NOT_EVALUATED, Cause.UNKNOWN} and _exceeds_max(facts):
        return Cause.EXCEEDS_MAX
    return cause


def _exceeds_max(facts: PendingFacts) -> bool:
    leaf = facts.leaf
    return leaf is not None and any(
        resource in leaf.reachable and amount > leaf.reachable[resource] for resource, amount in facts.requests.items()
    )


def _find_binding_resource(facts: PendingFacts, *, shortages: Sequence[Shortage]) -> str:
    """The resource that the sentence is about: what Kueue names, then what lacks most by the numbers, then GPUs."""
    named = [shortage.resource for shortage in shortages]
    if GPU in named:
        return GPU
    if named:
        return named[0]
    leaf = facts.leaf
    if leaf is not None:
        for resource, amount in sorted(facts.requests.items(), key=lambda item: item[0] != GPU):
            left = leaf.max.get(resource, amount + leaf.used.get(resource, 0)) - leaf.used.get(resource, 0)
            if amount > left or amount > leaf.available.get(resource, amount):
                return resource
    return GPU if facts.requests.get(GPU) else next(iter(sorted(facts.requests)), GPU)


def _describe(
    cause: Cause, facts: PendingFacts, *, resource: str, shortages: Sequence[Shortage]
) -> tuple[str, tuple[str, ...]]:
    """The sentence and what would unblock."""
    name = facts.leaf.name if facts.leaf else "its quota"
    need = words_of(resource, facts.requests.get(resource, 0))
    match cause:
        case Cause.QUOTA_FULL:
            return _describe_full(facts, resource=resource, shortages=shortages)
        case Cause.EXCEEDS_MAX:
            ceiling = _find_ceiling(facts, resource=resource, shortages=shortages)
            if ceiling is None:
                return f"needs {need}, more than {name} could ever get", ("ask for less", f"raise the Max of {name}")
            limit = words_of(resource, ceiling)
            return (
                f"needs {need}; {name} can never get more than {limit}",
                (f"ask for at most {limit}", f"raise the Max of {name} or of a quota above it"),
            )
        case Cause.NO_FLAVOR:
            return (
                "fits no kind of node that its quota covers: a node selector, a toleration or a resource is not offered",
                ("change the node selector, the tolerations or the resources of its pods",),
            )
        case Cause.NO_ROOM_ON_NODES:
            block = (
                "" if facts.largest_block is None else f"; the largest free block on one node is {facts.largest_block}"
            )
            per_pod = facts.gpus_per_pod or facts.requests.get(GPU, 0)
            return (
                f"has quota, but no node has room for {words_of(GPU, per_pod)} in one place{block}",
                ("wait until a node empties", "ask for fewer GPUs per pod"),
            )
        case Cause.WAITS_FOR_PREEMPTION:
            return "waits for the workloads that give its capacity back to end", ("nothing to do: they are ending",)
        case Cause.QUEUE_MISSING:
            return (
                "is sent to a queue that does not exist or does not serve its namespace",
                ("ask an administrator to bind the namespace to a quota", "correct the queue name of the job"),
            )
        case Cause.QUEUE_STOPPED:
            return "is in a queue that is stopped or not ready", ("ask an administrator why the queue is stopped",)
        case Cause.DEACTIVATED:
            return "was deactivated: it takes no part in the queue", ("activate it again",)
        case Cause.ON_HOLD:
            return "is on hold: it asks for nothing at the moment", ("scale it up",)
        case Cause.GATED:
            return "is held by an admission gate", ("the owner of the gate has to open it",)
        case Cause.WAITS_FOR_CHECKS:
            return "has its quota and waits for admission checks", ("nothing to do: the checks are running",)
        case Cause.WAITS_FOR_PODS:
            return "waits until the workload before it has all its pods ready", ("nothing to do: it is next",)
        case Cause.NOT_EVALUATED:
            return "waits for its turn: the scheduler has not looked at it yet", ("wait for the work ahead of it",)
        case Cause.UNKNOWN:
            return facts.message or facts.reason, ()


def _describe_full(facts: PendingFacts, *, resource: str, shortages: Sequence[Shortage]) -> tuple[str, tuple[str, ...]]:
    amount = facts.requests.get(resource, 0)
    need = words_of(resource, amount)
    leaf = facts.leaf
    missing = next((s.missing for s in shortages if s.resource == resource and s.missing is not None), None)
    if leaf is None:
        more = "" if missing is None else f": {words_of(resource, missing)} more must come free"
        return f"needs {need}, and its quota is full{more}", ("wait until other work in the quota ends",)
    used = leaf.used.get(resource, 0)
    ceiling = leaf.max.get(resource)
    if ceiling is not None and used + amount > ceiling:
        left = max(0, ceiling - used)
        return (
            f"needs {need}; {leaf.name} has {_bare(resource, left)} of its Max {_bare(resource, ceiling)} left",
            (
                f"{words_of(resource, used + amount - ceiling)} of {leaf.name}'s own running work end",
                f"raise the Max of {leaf.name} to {_bare(resource, used + amount)}",
            ),
        )
    guaranteed = max(0, leaf.min.get(resource, 0) - used)
    available = leaf.available.get(resource)
    if available is None and missing is not None:
        available = max(0, amount - missing)
    have = "" if available is None else f"{leaf.name} can get {_bare(resource, available)} right now"
    sentence = f"needs {need}; {have or f'{leaf.name} has {_bare(resource, guaranteed)} of its Min left'}"
    borrowers = sorted(leaf.borrowers.get(resource, ()), key=lambda item: (-item.amount, item.name))[:MOST_BORROWERS]
    if borrowers:
        sentence += ", while " + _join([item.say(resource) for item in borrowers])
    unblocks = [
        f"{item.name} gives back what it borrows" if item.name else "others give back what they borrow"
        for item in borrowers
    ]
    shortfall = missing if missing is not None else (amount - available if available is not None else None)
    if shortfall and shortfall > 0:
        unblocks.append(f"{words_of(resource, shortfall)} come free")
    if leaf.min.get(resource, 0) < used + amount:
        unblocks.append(f"raise the Min of {leaf.name} to {_bare(resource, used + amount)}, which makes it guaranteed")
    return sentence, tuple(unblocks) or ("wait until other work in the quota ends",)


def _find_ceiling(facts: PendingFacts, *, resource: str, shortages: Sequence[Shortage]) -> int | None:
    told = [s.ceiling for s in shortages if s.resource == resource and s.ceiling is not None]
    known = [facts.leaf.reachable[resource]] if facts.leaf and resource in facts.leaf.reachable else []
    return min([*told, *known], default=None)


def _list_numbers(facts: PendingFacts, *, resource: str, shortages: Sequence[Shortage]) -> tuple[Number, ...]:
    figures: list[tuple[str, int | None]] = [("needed", facts.requests.get(resource, 0))]
    if facts.leaf is not None:
        leaf = facts.leaf
        figures += [
            ("used", leaf.used.get(resource, 0)),
            ("min", leaf.min.get(resource, 0)),
            ("max", leaf.max.get(resource)),
            ("available", leaf.available.get(resource)),
        ]
    figures += [("missing", s.missing) for s in shortages if s.resource == resource]
    figures += [("ceiling", s.ceiling) for s in shortages if s.resource == resource]
    return tuple(
        Number(label=label, resource=resource, amount=amount, text=words_of(resource, amount))
        for label, amount in figures
        if amount is not None
    )


def words_of(resource: str, amount: int) -> str:
    """An amount as people say it: `8 GPUs`, `1 GPU`, `1500m cpu`, `16Gi memory`."""
    if resource == GPU:
        return f"{amount} GPU" if amount == 1 else f"{amount} GPUs"
    return f"{format_amount(resource, amount)} {resource}"


def _bare(resource: str, amount: int) -> str:
    return format_amount(resource, amount)


def _join(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _parse(resource: str, text: str) -> int | None:
    try:
        return parse_amount(resource, text.rstrip(",;."))
    except QuantityError:
        return None
