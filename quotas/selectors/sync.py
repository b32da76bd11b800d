"""Whether the cluster is as a tree asks, per node and for the tree as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from clusters.domain.conditions import SYNCED, Status, find_condition
from clusters.models import ManagedObject, SyncState
from quotas.models import QuotaNode, QuotaTree

# The first that any object of a node has is the state of the node.
WORST_FIRST: Final = (
    SyncState.FAILED,
    SyncState.CONFLICT,
    SyncState.UNREACHABLE,
    SyncState.DRIFTED,
    SyncState.WAITING,
    SyncState.SYNCING,
    SyncState.SYNCED,
)
_STATE_BY_REASON: Final = {
    "Unreachable": SyncState.UNREACHABLE,
    "Conflict": SyncState.CONFLICT,
    "Drifted": SyncState.DRIFTED,
    "Waiting": SyncState.WAITING,
}
NODE_SUBJECT_PREFIX: Final = "quota-node-"
NOT_APPLIED: Final = "Saved, not applied yet."


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSync:
    """`message` explains any state but synced; `since` is None while nothing has been applied."""

    state: SyncState
    message: str
    since: datetime | None
    object_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSync:
    """The tree as a whole. `blocking` lists, in words, what a deletion still waits for."""

    state: SyncState
    message: str
    generation: int
    observed_generation: int
    synced_at: datetime | None
    is_deleting: bool
    attempts: int
    next_attempt_at: datetime | None
    counts: Mapping[str, int]
    blocking: tuple[str, ...]


def tree_owner(tree_id: int) -> str:
    """The owner label of everything that a tree has in a cluster."""
    return f"quota-tree-{tree_id}"


def node_subject(node: object) -> str:
    return f"{NODE_SUBJECT_PREFIX}{node}"


def list_managed_objects(tree: QuotaTree) -> list[ManagedObject]:
    return list(ManagedObject.objects.filter(cluster_id=tree.cluster_id, owner=tree_owner(tree.pk)))


def summarise_trees_sync(trees: Iterable[QuotaTree]) -> dict[int, TreeSync]:
    """The state of several trees, in one query."""
    rows = list(trees)
    by_owner: dict[str, list[ManagedObject]] = defaultdict(list)
    for item in ManagedObject.objects.filter(owner__in=[tree_owner(tree.pk) for tree in rows]):
        by_owner[item.owner].append(item)
    return {tree.pk: summarise_tree_sync(tree, by_owner[tree_owner(tree.pk)]) for tree in rows}


def summarise_node_sync(
    tree: QuotaTree, nodes: Iterable[QuotaNode], objects: Iterable[ManagedObject]
) -> dict[int, NodeSync]:
    """The state of every node, by primary key."""
    by_subject: dict[str, list[ManagedObject]] = defaultdict(list)
    for item in objects:
        by_subject[item.subject].append(item)
    return {node.pk: _summarise_node(tree, node, by_subject[node_subject(node.pk)]) for node in nodes}


def summarise_tree_sync(tree: QuotaTree, objects: Iterable[ManagedObject] | None = None) -> TreeSync:
    rows = list_managed_objects(tree) if objects is None else list(objects)
    worst = _find_worst(rows)
    state, message = (worst.state, worst.message) if worst else (SyncState.SYNCED, "")
    if tree.deleting_at is not None and WORST_FIRST.index(SyncState(state)) > WORST_FIRST.index(SyncState.WAITING):
        state, message = SyncState.WAITING, "Being deleted."
    elif tree.is_behind and state == SyncState.SYNCED:
        state, message = SyncState.SYNCING, NOT_APPLIED
    if state == SyncState.SYNCING:
        state, message = _read_failure(tree) or (state, message)
    counts: dict[str, int] = defaultdict(int)
    for item in rows:
        counts[item.state] += 1
    return TreeSync(
        state=SyncState(state),
        message=message,
        generation=tree.generation,
        observed_generation=tree.observed_generation,
        synced_at=tree.synced_at,
        is_deleting=tree.deleting_at is not None,
        attempts=tree.attempts,
        next_attempt_at=tree.next_attempt_at,
        counts=dict(counts),
        blocking=tuple(f"{item.kind} {_full_name(item)}: {item.message}" for item in rows)
        if tree.deleting_at is not None
        else (),
    )


def _read_failure(tree: QuotaTree) -> tuple[SyncState, str] | None:
    """Why the last attempt failed before it reached any object of the tree: the cluster is away, the flavor belongs to others."""
    condition = find_condition(tree.conditions, SYNCED)
    if not tree.attempts or condition is None or condition["status"] != Status.FALSE:
        return None
    return _STATE_BY_REASON.get(condition["reason"], SyncState.FAILED), condition["message"]


def _summarise_node(tree: QuotaTree, node: QuotaNode, objects: list[ManagedObject]) -> NodeSync:
    worst = _find_worst(objects)
    if worst is None:
        state, message = _read_failure(tree) or (SyncState.SYNCING, NOT_APPLIED)
        return NodeSync(state=state, message=message, since=None, object_count=0)
    if worst.state == SyncState.SYNCED and _is_newer(tree, node, objects):
        return NodeSync(state=SyncState.SYNCING, message=NOT_APPLIED, since=node.changed_at, object_count=len(objects))
    message = "" if worst.state == SyncState.SYNCED else f"{worst.kind} {_full_name(worst)}: {worst.message}"
    return NodeSync(state=SyncState(worst.state), message=message, since=worst.since, object_count=len(objects))


def _is_newer(tree: QuotaTree, node: QuotaNode, objects: list[ManagedObject]) -> bool:
    """Whether a node was changed after its objects were last made as asked.

    The tree may be behind for another node, whose queue waits for its work to end: this one is in step all the same.
    """
    if not tree.is_behind or (tree.synced_at is not None and node.changed_at <= tree.synced_at):
        return False
    return any(item.checked_at is None or item.checked_at < node.changed_at for item in objects)


def _find_worst(objects: Iterable[ManagedObject]) -> ManagedObject | None:
    return min(objects, key=lambda item: WORST_FIRST.index(SyncState(item.state)), default=None)


def _full_name(item: ManagedObject) -> str:
    return f"{item.namespace}/{item.name}" if item.namespace else item.name
