"""Several changes of a tree as one: judged together, saved together, each with its audit event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import transaction

from accounts.models import User
from accounts.services import record_event
from aidashboard.kit.errors import Finding
from aidashboard.kit.events import Topic, publish
from quotas import tasks
from quotas.domain.changes import AddNode, Change, apply_change, apply_possible, change_to_json
from quotas.domain.diff import describe_node
from quotas.domain.sentences import describe_change
from quotas.domain.tree import NodeKey, Tree
from quotas.domain.validation import RUNNING_PODS_RULE, Judgement, judge_changes
from quotas.errors import FieldConflict, QuotaConflictError, QuotaRefusedError, TreeDeletingError
from quotas.models import NodeRevision, QuotaNode, QuotaTree
from quotas.selectors import gather_facts, load_tree, lock_tree
from quotas.services.saving import save_tree

EVENT_KINDS: Final = {
    "add-node": "quota-node.added",
    "change-node": "quota-node.changed",
    "rename-node": "quota-node.renamed",
    "move-node": "quota-node.moved",
    "delete-node": "quota-node.deleted",
    "bind-namespace": "quota-node.namespace-bound",
    "unbind-namespace": "quota-node.namespace-unbound",
    "bind-group": "quota-node.group-bound",
    "unbind-group": "quota-node.group-unbound",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedChanges:
    """The tree's row as it is now, the rows that temporary keys became, and what was worth a warning."""

    tree: QuotaTree
    added: Mapping[NodeKey, QuotaNode]
    warnings: tuple[Finding, ...]


def apply_changes(
    *, tree: QuotaTree, changes: Sequence[Change], by: User | None, confirmation: str = ""
) -> AppliedChanges:
    """Apply all changes, or none.

    `confirmation` is the tree's name, typed by an administrator: pods then may run on in namespaces that change hands (V5).

    Raises: QuotaRefusedError (422) with every broken rule; QuotaConflictError (409) when a node was changed since the version
    that a change names, with both versions field by field; TreeDeletingError (409); TreeMissingError (404).
    """
    with transaction.atomic():
        # The rules span the tree, and some of them the cluster: its trees are locked together and read afresh.
        row = lock_tree(tree.pk)
        before = open_for_changes(row)
        if not changes:
            return AppliedChanges(tree=row, added={}, warnings=())  # nothing to audit, so nothing to reconcile
        check_versions(row, before, changes)
        judgement = judge(row, before, changes, confirmation=confirmation)
        if not judgement.is_allowed:
            raise refuse(judgement)
        _record_changes(row, before, changes, judgement, by=by)
        added = save_tree(row, before, judgement.tree, by=by)
        row.name = judgement.tree.root.name  # a tree is called like its root
        row.save(update_fields=["name"])
        raise_generation(row)
    return AppliedChanges(tree=row, added=added, warnings=judgement.warnings)


def open_for_changes(row: QuotaTree) -> Tree:
    """The tree as it stands. Raises: TreeDeletingError."""
    if row.deleting_at is not None:
        raise TreeDeletingError(f"Quota tree {row.name} is being deleted.")
    return load_tree(row)


def judge(row: QuotaTree, before: Tree, changes: Sequence[Change], *, confirmation: str = "") -> Judgement:
    facts = gather_facts(cluster=row.cluster, row=row, tree=before, changes=changes)
    judgement = judge_changes(before, changes, facts)
    return judgement.with_running_pods_accepted() if confirmation == row.name else judgement


def refuse(judgement: Judgement) -> QuotaRefusedError:
    errors = judgement.errors
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return QuotaRefusedError(f"{errors[0].message}{more}.", findings=errors)


def raise_generation(row: QuotaTree) -> None:
    """Make the row ask for reconciling, and nudge the reconciler once the transaction is through."""
    row.generation += 1
    row.attempts, row.next_attempt_at = 0, None
    row.save(update_fields=["generation", "attempts", "next_attempt_at"])
    nudge(row)


def nudge(row: QuotaTree) -> None:
    """Ask for reconciling and tell open pages, once the transaction is through."""

    def announce() -> None:
        publish({Topic.QUOTAS, Topic.SYNC}, cluster_id=row.cluster_id)
        tasks.reconcile_tree.delay(row.pk)

    # Robust: a broker that is away must not turn a saved change into an error page; the sweep repairs. A function and no partial:
    # Django names it in its log, and a partial has no name.
    transaction.on_commit(announce, robust=True)


# --- versions ---------------------------------------------------------------------------------------------------------------
def check_versions(row: QuotaTree, tree: Tree, changes: Sequence[Change]) -> None:
    """Raises: QuotaConflictError with every node that was changed or deleted since the caller read it."""
    conflicts, findings = list_conflicts(row, tree, changes)
    if findings:
        raise QuotaConflictError(findings[0].message, conflicts=conflicts, findings=findings)


def list_conflicts(
    row: QuotaTree, tree: Tree, changes: Sequence[Change]
) -> tuple[tuple[FieldConflict, ...], tuple[Finding, ...]]:
    """Every field that somebody else changed between the version that a change names and now."""
    conflicts: list[FieldConflict] = []
    findings: list[Finding] = []
    for key, version in _read_versions(changes).items():
        if key not in tree:
            findings += _find_deletion(row, key, version)
        elif tree.get(key).version != version:
            found = _compare_versions(tree, key, version, changes)
            conflicts += found
            findings += [_describe_conflict(conflict) for conflict in found]
    return tuple(conflicts), tuple(findings)


def _read_versions(changes: Sequence[Change]) -> dict[NodeKey, int]:
    """The oldest version that the changes name, by node: what the author saw first counts."""
    versions: dict[NodeKey, int] = {}
    for change in changes:
        if not isinstance(change, AddNode) and change.version is not None:
            versions[change.node] = min(change.version, versions.get(change.node, change.version))
    return versions


def _compare_versions(tree: Tree, key: NodeKey, version: int, changes: Sequence[Change]) -> list[FieldConflict]:
    node, path = tree.get(key), tree.path(key)
    revisions = {
        revision.version: revision
        for revision in NodeRevision.objects.filter(node_number=int(key), version__in=(version, node.version))
    }
    read = revisions[version].fields if version in revisions else None
    changed_by = revisions[node.version].changed_by if node.version in revisions else ""
    current, wanted = describe_node(tree, node), _describe_wanted(tree, key, changes)
    fields = [
        name for name in {**(read or {}), **current} if read is None or read.get(name, "") != current.get(name, "")
    ]
    conflicts = [
        FieldConflict(
            node_path=path,
            field=name,
            read=None if read is None else read.get(name, ""),
            current=current.get(name, ""),
            wanted=wanted.get(name) if wanted.get(name) != current.get(name) else None,
            read_version=version,
            current_version=node.version,
            changed_by=changed_by,
        )
        for name in fields
    ]
    # Changed there and back: no field differs, but the version does.
    return conflicts or [
        FieldConflict(
            node_path=path,
            field="version",
            read=str(version),
            current=str(node.version),
            wanted=None,
            read_version=version,
            current_version=node.version,
            changed_by=changed_by,
        )
    ]


def _describe_wanted(tree: Tree, key: NodeKey, changes: Sequence[Change]) -> dict[str, str]:
    """How the node would stand after those of the changes that still have a meaning."""
    outcome = apply_possible(tree, changes)
    return describe_node(outcome, outcome.get(key)) if key in outcome else {}


def _describe_conflict(conflict: FieldConflict) -> Finding:
    who = conflict.changed_by or "somebody"
    was = "an older value" if conflict.read is None else repr(conflict.read)
    message = (
        f"{conflict.node_path}: {who} changed {conflict.field} since you read it: {was} (version {conflict.read_version}) "
        f"is now {conflict.current!r} (version {conflict.current_version})"
    )
    if conflict.wanted is not None:
        message += f", you want {conflict.wanted!r}"
    return Finding(
        rule="V19", subject=conflict.node_path, field=conflict.field, value=conflict.current, message=message
    )


def _find_deletion(row: QuotaTree, key: NodeKey, version: int) -> list[Finding]:
    """A node of this tree that is gone was deleted by somebody; one that never was is left to the rules."""
    if not key.isdecimal():
        return []
    last = NodeRevision.objects.filter(tree=row, node_number=int(key)).order_by("-version").first()
    if last is None:
        return []
    message = f"{last.path}: {last.changed_by} deleted the node since you read version {version} of it"
    return [Finding(rule="V19", subject=last.path, field="node", value="", message=message)]


# --- audit ------------------------------------------------------------------------------------------------------------------
def _record_changes(
    row: QuotaTree, before: Tree, changes: Sequence[Change], judgement: Judgement, *, by: User | None
) -> None:
    tree = before
    for change in changes:
        after = apply_change(tree, change)
        key = change.key if isinstance(change, AddNode) else change.node
        record_event(
            EVENT_KINDS[change.kind],
            by=by,
            about=row,
            summary=f"{row.name}: {describe_change(tree, change)}",
            details={
                "change": change_to_json(change),
                "node": after.path(key) if key in after else tree.path(key),
                "before": describe_node(tree, tree.get(key)) if key in tree else {},
                "after": describe_node(after, after.get(key)) if key in after else {},
            },
        )
        tree = after
    accepted = [finding.message for finding in judgement.warnings if finding.rule == RUNNING_PODS_RULE]
    if accepted:
        record_event(
            "quota-tree.running-pods-accepted",
            by=by,
            about=row,
            summary=f"{row.name}: namespaces changed hands while pods ran in them, confirmed by typing the tree's name",
            details={"findings": accepted},
        )
