"""Make a cluster hold exactly the objects that an owner wants, and say per object how that went.

Reads what carries the owner's label (one list per kind), decides by `domain.matching`, applies in the given order, prunes in the
reverse one, and keeps a ManagedObject row per object. Safe to run twice at once and to break off anywhere: the next run goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from aidashboard.kit.errors import AppError
from aidashboard.kit.events import Topic, publish
from clusters.connections import open_client
from clusters.domain.differences import Difference
from clusters.domain.matching import (
    OWNER_LABEL,
    Action,
    Decision,
    Desired,
    DriftPolicy,
    Manifest,
    ObjectKey,
    build_release,
    build_wanted,
    decide,
    describe_deletion,
    digest_manifest,
    is_being_deleted,
    is_released_when_unwanted,
    key_of,
)
from clusters.kube.applying import apply_object, delete_object
from clusters.kube.errors import (
    ApplyConflictError,
    ClusterUnauthorizedError,
    ClusterUnreachableError,
    KubeError,
    ObjectMissingError,
    UnexpectedAnswerError,
)
from clusters.kube.kinds import Kind, find_kind
from clusters.kube.protocol import KubeApi
from clusters.kube.reading import find_object, list_objects
from clusters.models import Cluster, SyncState
from clusters.reconcile.rows import ManagedRows

# After one of these, asking for the next object would only wait again.
_WHOLE_CLUSTER: Final = (ClusterUnreachableError, ClusterUnauthorizedError, UnexpectedAnswerError)
_REASONS: Final = (
    (SyncState.UNREACHABLE, "Unreachable"),
    (SyncState.FAILED, "Failed"),
    (SyncState.CONFLICT, "Conflict"),
    (SyncState.DRIFTED, "Drifted"),
    (SyncState.WAITING, "Waiting"),
    (SyncState.SYNCING, "Syncing"),
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOutcome:
    """How it went with one object. `is_healed`: somebody's edit, shown in `differences`, was undone."""

    key: ObjectKey
    subject: str
    state: SyncState
    message: str = ""
    differences: tuple[Difference, ...] = ()
    is_healed: bool = False
    applied_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchResult:
    """`outcomes`: the wanted objects in their order, then those that are still on their way out. Not `is_complete` when the
    cluster as a whole could not be asked."""

    outcomes: tuple[ObjectOutcome, ...]
    pruned: tuple[ObjectKey, ...] = ()
    retry_after_seconds: float = 0
    is_complete: bool = True
    failure: str = ""

    @property
    def is_synced(self) -> bool:
        return self.is_complete and all(outcome.state is SyncState.SYNCED for outcome in self.outcomes)

    @property
    def healed(self) -> tuple[ObjectOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.is_healed)

    @property
    def reason(self) -> str:
        """One word: the gravest state that an object is in."""
        if self.failure:
            return "Unreachable"
        states = {outcome.state for outcome in self.outcomes}
        return next((word for state, word in _REASONS if state in states), "Synced")

    @property
    def message(self) -> str:
        """The first trouble in words, and how many more there are."""
        if self.failure:
            return self.failure
        gravest = next((state for state, word in _REASONS if word == self.reason), None)
        troubled = [outcome for outcome in self.outcomes if outcome.state is gravest]
        if not troubled:
            return ""
        more = f" (and {len(troubled) - 1} more)" if len(troubled) > 1 else ""
        return f"{troubled[0].key}: {troubled[0].message}{more}"


def match_objects(
    *,
    cluster: Cluster,
    owner: str,
    desired: Sequence[Desired],
    prune_kinds: Sequence[Kind],
    now: datetime,
    policy: DriftPolicy = DriftPolicy.HEAL,
) -> MatchResult:
    """Make the cluster hold `desired` and nothing else of `owner` among `prune_kinds`.

    `desired` is in the order of application; `prune_kinds` too, deletion goes backwards. Never raises for what a cluster does:
    an outcome per object tells. Call it without an open transaction.
    """
    rows = ManagedRows(cluster=cluster, owner=owner, now=now)
    rows.expect([(key_of(item.manifest), item.subject) for item in desired])
    try:
        run = _Run(api=open_client(cluster), owner=owner, policy=policy, rows=rows)
        result = run.match(desired, prune_kinds)
    except (KubeError, AppError) as error:
        result = _give_up(desired, error)
    is_changed = rows.write([(outcome.key, outcome) for outcome in result.outcomes], is_complete=result.is_complete)
    if is_changed or result.pruned:
        publish({Topic.SYNC}, cluster_id=cluster.pk)
    log.info(
        "objects_matched",
        cluster=cluster.name,
        owner=owner,
        objects=len(desired),
        pruned=len(result.pruned),
        healed=len(result.healed),
        outcome=result.reason,
    )
    return result


@dataclass(slots=True, kw_only=True)
class _Run:
    """One pass over the objects of an owner."""

    api: KubeApi
    owner: str
    policy: DriftPolicy
    rows: ManagedRows
    live: dict[ObjectKey, Manifest] = field(default_factory=dict)
    retry_after_seconds: float = 0
    # A kind whose webhook or endpoint is out of order: each further try would wait for it again.
    broken_kinds: dict[str, KubeError] = field(default_factory=dict)

    def match(self, desired: Sequence[Desired], prune_kinds: Sequence[Kind]) -> MatchResult:
        kinds = {find_kind(item.manifest["apiVersion"], item.manifest["kind"]) for item in desired} | set(prune_kinds)
        for kind in kinds:
            self._read_owned(kind)
        outcomes = [self._match_one(item) for item in desired]
        wanted = {outcome.key for outcome in outcomes}
        left, pruned = self._prune(wanted, prune_kinds)
        return MatchResult(
            outcomes=(*outcomes, *left), pruned=tuple(pruned), retry_after_seconds=self.retry_after_seconds
        )

    def _read_owned(self, kind: Kind) -> None:
        try:
            objects = list_objects(self.api, kind, label_selector=f"{OWNER_LABEL}={self.owner}")
        except ObjectMissingError:
            return  # the cluster does not have the kind; applying one will say so
        for item in objects:
            # Items of a list come without their kind.
            live = {**item, "apiVersion": kind.api_version, "kind": kind.name}
            self.live[key_of(live)] = live

    def _match_one(self, desired: Desired) -> ObjectOutcome:
        key = key_of(desired.manifest)
        broken = self.broken_kinds.get(key.kind)
        stranger = self.rows.find_other_owner(key)
        if broken is not None:
            return self._outcome(key, desired, _state_of(broken), broken.message)
        if stranger:
            message = f"{key} is already kept for {stranger}: choose another name."
            return self._outcome(key, desired, SyncState.CONFLICT, message)
        try:
            return self._match_live(key, desired)
        except _WHOLE_CLUSTER:
            raise
        except KubeError as error:
            return self._fail(key, desired, error)

    def _match_live(self, key: ObjectKey, desired: Desired) -> ObjectOutcome:
        live = self.live.get(key) or find_object(
            self.api, find_kind(key.api_version, key.kind), key.name, namespace=key.namespace
        )
        decision = decide(
            desired=desired,
            live=live,
            owner=self.owner,
            applied_hash=self.rows.find_applied_hash(key),
            policy=self.policy,
        )
        match decision.action:
            case Action.REFUSE:
                return self._outcome(key, desired, SyncState.CONFLICT, decision.message)
            case Action.WAIT:
                return self._outcome(key, desired, SyncState.WAITING, decision.message)
            case Action.REPORT:
                return self._outcome(key, desired, SyncState.DRIFTED, decision.message, decision.differences)
            case Action.KEEP:
                return self._keep(key, desired)
            case Action.REPLACE:
                return self._replace(key, desired, decision, live)
            case Action.APPLY | Action.HEAL:
                return self._apply(key, desired, decision)

    def _keep(self, key: ObjectKey, desired: Desired) -> ObjectOutcome:
        return self._outcome(
            key,
            desired,
            SyncState.SYNCED,
            self.rows.find_healing_message(key),
            self.rows.find_differences(key),
            applied_hash=self.rows.find_applied_hash(key),
        )

    def _apply(self, key: ObjectKey, desired: Desired, decision: Decision) -> ObjectOutcome:
        wanted = build_wanted(desired, owner=self.owner)
        apply_object(self.api, wanted, force=decision.is_forced)
        is_healed = decision.action is Action.HEAL
        return self._outcome(
            key,
            desired,
            SyncState.SYNCED,
            decision.message if is_healed else "",
            decision.differences if is_healed else (),
            is_healed=is_healed,
            applied_hash=digest_manifest(wanted),
        )

    def _replace(self, key: ObjectKey, desired: Desired, decision: Decision, live: Manifest | None) -> ObjectOutcome:
        kind = find_kind(key.api_version, key.kind)
        uid = live["metadata"]["uid"] if live else ""
        left = delete_object(self.api, kind, key.name, namespace=key.namespace, uid=uid)
        if left is not None:
            return self._outcome(key, desired, SyncState.WAITING, f"{decision.message}. {describe_deletion(left)}")
        return self._apply(key, desired, Decision(action=Action.APPLY))

    def _fail(self, key: ObjectKey, desired: Desired, error: KubeError) -> ObjectOutcome:
        if error.is_retryable:
            self.broken_kinds[key.kind] = error
        self.retry_after_seconds = max(self.retry_after_seconds, error.retry_after_seconds or 0)
        conflicts = error.conflicts if isinstance(error, ApplyConflictError) else ()
        differences = tuple(
            Difference(path=conflict.field, wanted="set by AI Dashboard", found=f"set by {conflict.manager}")
            for conflict in conflicts
        )
        return self._outcome(key, desired, _state_of(error), error.message, differences)

    def _prune(self, wanted: set[ObjectKey], kinds: Sequence[Kind]) -> tuple[list[ObjectOutcome], list[ObjectKey]]:
        left: list[ObjectOutcome] = []
        pruned: list[ObjectKey] = []
        for kind in reversed(kinds):
            for key, live in self.live.items():
                if (key.api_version, key.kind) != (kind.api_version, kind.name) or key in wanted:
                    continue
                outcome = self._remove(key, kind, live)
                if outcome is None:
                    pruned.append(key)
                else:
                    left.append(outcome)
        return left, pruned

    def _remove(self, key: ObjectKey, kind: Kind, live: Manifest) -> ObjectOutcome | None:
        """Delete an object that nobody wants any more, or release it when it is not ours to delete. None once it is gone or free."""
        remains: Manifest | None = live
        try:
            if is_released_when_unwanted(live):
                apply_object(self.api, build_release(live))
                remains = None
            elif not is_being_deleted(live):
                remains = delete_object(self.api, kind, key.name, namespace=key.namespace, uid=live["metadata"]["uid"])
        except _WHOLE_CLUSTER:
            raise
        except KubeError as error:
            return ObjectOutcome(key=key, subject="", state=_state_of(error), message=error.message)
        if remains is None:
            return None
        return ObjectOutcome(key=key, subject="", state=SyncState.WAITING, message=describe_deletion(remains))

    def _outcome(
        self,
        key: ObjectKey,
        desired: Desired,
        state: SyncState,
        message: str = "",
        differences: tuple[Difference, ...] = (),
        *,
        is_healed: bool = False,
        applied_hash: str = "",
    ) -> ObjectOutcome:
        return ObjectOutcome(
            key=key,
            subject=desired.subject,
            state=state,
            message=message,
            differences=differences,
            is_healed=is_healed,
            applied_hash=applied_hash,
        )


def _state_of(error: KubeError | AppError) -> SyncState:
    if isinstance(error, AppError | ClusterUnreachableError | ClusterUnauthorizedError | UnexpectedAnswerError):
        return SyncState.UNREACHABLE
    if isinstance(error, ApplyConflictError):
        return SyncState.CONFLICT
    return SyncState.WAITING if error.is_retryable else SyncState.FAILED


def _give_up(desired: Sequence[Desired], error: KubeError | AppError) -> MatchResult:
    """Nothing can be said about any object but why."""
    outcomes = tuple(
        ObjectOutcome(key=key_of(item.manifest), subject=item.subject, state=_state_of(error), message=error.message)
        for item in desired
    )
    pause = error.retry_after_seconds if isinstance(error, KubeError) else None
    return MatchResult(outcomes=outcomes, retry_after_seconds=pause or 0, is_complete=False, failure=error.message)
