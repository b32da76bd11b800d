"""Drafts: changes that one person prepares on one tree, looks at as a whole, and applies as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from accounts.models import User
from aidashboard.kit.errors import Finding
from clusters.models import ObservedWorkload, WorkloadState
from quotas.domain.changes import (
    AddNode,
    Change,
    ChangeImpossibleError,
    apply_change,
    apply_possible,
    change_to_json,
    changes_from_json,
)
from quotas.domain.diff import DiffRow, diff_trees
from quotas.domain.sentences import describe_change
from quotas.domain.tree import Tree
from quotas.errors import FieldConflict, QuotaRefusedError
from quotas.models import QuotaDraft, QuotaTree
from quotas.selectors import find_draft, load_tree
from quotas.services.changing import AppliedChanges, apply_changes, judge, list_conflicts


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedChange:
    """One change of a draft in words. `position` is what `remove_from_draft` takes. `problem` says why it can't be made (any
    more), for instance because somebody deleted the node; empty when it can."""

    position: int
    change: Change
    summary: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPreview:
    """What applying would do. `tree` is the outcome as a value; `namespaces` are those of the leaves that change, `running` and
    `waiting` the workloads there. `can_be_confirmed`: only V5 stands in the way, and typing the tree's name lifts it."""

    changes: tuple[DraftedChange, ...]
    findings: tuple[Finding, ...]
    conflicts: tuple[FieldConflict, ...]
    rows: tuple[DiffRow, ...]
    tree: Tree
    namespaces: tuple[str, ...]
    running: int
    waiting: int
    is_allowed: bool
    can_be_confirmed: bool

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.is_warning)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_warning)


def get_draft(*, tree: QuotaTree, author: User) -> QuotaDraft:
    """The author's draft on the tree; an empty one is made when there is none."""
    draft, _ = QuotaDraft.objects.get_or_create(tree=tree, author=author)
    return draft


def read_changes(draft: QuotaDraft) -> list[Change]:
    """Raises: ChangeMalformedError when the stored changes are of another version of the product."""
    return changes_from_json(draft.changes)


def add_to_draft(*, tree: QuotaTree, author: User, changes: Sequence[Change]) -> QuotaDraft:
    """Append changes. Each is stamped with the version of its node as it stands now, unless it names the one its author saw.

    Only what has no meaning is refused here (an unknown node, a cycle); rules are shown by the preview and judged on applying,
    because a later change may make an earlier one good.
    Raises: QuotaRefusedError (422).
    """
    with transaction.atomic():
        draft = _lock_draft(tree, author)
        before = load_tree(tree)
        outcome = apply_possible(before, read_changes(draft))
        findings: list[Finding] = []
        for change in changes:
            try:
                outcome = apply_change(outcome, change)
            except ChangeImpossibleError as error:
                findings.append(error.finding)
        if findings:
            raise QuotaRefusedError(findings[0].message, findings=findings)
        draft.changes = [*draft.changes, *(change_to_json(_stamp(before, change)) for change in changes)]
        draft.save(update_fields=["changes", "updated_at"])
    return draft


def remove_from_draft(*, tree: QuotaTree, author: User, position: int) -> QuotaDraft:
    """Take one change out, and with it those that have no meaning without it (what was done to a node that it added)."""
    with transaction.atomic():
        draft = _lock_draft(tree, author)
        changes = read_changes(draft)
        if 0 <= position < len(changes):
            before = load_tree(tree)
            with_it = _list_possible(before, changes)
            rest = [change for index, change in enumerate(changes) if index != position]
            without_it = _list_possible(before, rest)
            kept = [change for change in rest if change in without_it or change not in with_it]
            draft.changes = [change_to_json(change) for change in kept]
            draft.save(update_fields=["changes", "updated_at"])
    return draft


def rebase_draft(*, tree: QuotaTree, author: User) -> QuotaDraft:
    """Keep the draft's changes although somebody else changed their nodes meanwhile: they now stand on the newest versions.

    Changes of nodes that are gone have no meaning any more and are dropped.
    """
    with transaction.atomic():
        draft = _lock_draft(tree, author)
        before = load_tree(tree)
        unstamped = [
            change if isinstance(change, AddNode) else replace(change, version=None) for change in read_changes(draft)
        ]
        draft.changes = [change_to_json(_stamp(before, change)) for change in _list_possible(before, unstamped)]
        draft.save(update_fields=["changes", "updated_at"])
    return draft


def discard_draft(*, tree: QuotaTree, author: User) -> None:
    QuotaDraft.objects.filter(tree=tree, author=author).delete()


def apply_draft(*, tree: QuotaTree, author: User, confirmation: str = "") -> AppliedChanges:
    """Apply the whole draft and drop it, in one transaction; a refusal keeps it. Raises: as `apply_changes`."""
    with transaction.atomic():
        draft = _lock_draft(tree, author)
        applied = apply_changes(tree=tree, changes=read_changes(draft), by=author, confirmation=confirmation)
        draft.delete()
    return applied


def preview_draft(*, tree: QuotaTree, author: User) -> DraftPreview:
    """What applying the author's draft would do now."""
    draft = find_draft(tree=tree, author=author)
    return preview_changes(tree=tree, changes=read_changes(draft) if draft is not None else [])


def preview_changes(*, tree: QuotaTree, changes: Sequence[Change]) -> DraftPreview:
    """What applying these changes would do now; writes nothing."""
    before = load_tree(tree)
    judgement = judge(tree, before, changes)
    conflicts, conflict_findings = list_conflicts(tree, before, changes)
    rows = diff_trees(before, judgement.tree)
    namespaces = _list_affected_namespaces(before, judgement.tree, rows)
    running, waiting = _count_workloads(tree, namespaces)
    confirmed = judgement.with_running_pods_accepted()
    return DraftPreview(
        changes=_describe_changes(before, changes),
        findings=(*conflict_findings, *judgement.findings),
        conflicts=conflicts,
        rows=rows,
        tree=judgement.tree,
        namespaces=namespaces,
        running=running,
        waiting=waiting,
        is_allowed=judgement.is_allowed and not conflict_findings,
        can_be_confirmed=confirmed.is_allowed and not judgement.is_allowed and not conflict_findings,
    )


def _lock_draft(tree: QuotaTree, author: User) -> QuotaDraft:
    draft = get_draft(tree=tree, author=author)
    return QuotaDraft.objects.select_for_update().get(pk=draft.pk)


def _stamp(tree: Tree, change: Change) -> Change:
    if isinstance(change, AddNode) or change.version is not None or change.node not in tree:
        return change
    return replace(change, version=tree.get(change.node).version)


def _list_possible(tree: Tree, changes: Sequence[Change]) -> list[Change]:
    possible = []
    for change in changes:
        try:
            tree = apply_change(tree, change)
        except ChangeImpossibleError:
            continue
        possible.append(change)
    return possible


def _describe_changes(tree: Tree, changes: Sequence[Change]) -> tuple[DraftedChange, ...]:
    described = []
    for position, change in enumerate(changes):
        summary, problem = describe_change(tree, change), ""
        try:
            tree = apply_change(tree, change)
        except ChangeImpossibleError as error:
            problem = error.finding.message
        described.append(DraftedChange(position=position, change=change, summary=summary, problem=problem))
    return tuple(described)


def _list_affected_namespaces(before: Tree, after: Tree, rows: Sequence[DiffRow]) -> tuple[str, ...]:
    """Namespaces of every leaf at or below a node that differs."""
    keys = {row.key for row in rows}
    below = {node.key for tree in (before, after) for key in keys if key in tree for node in tree.walk(key)}
    return tuple(
        sorted(
            {
                binding.namespace
                for tree in (before, after)
                for node in tree.nodes
                if node.key in below
                for binding in node.namespaces
            }
        )
    )


def _count_workloads(tree: QuotaTree, namespaces: Sequence[str]) -> tuple[int, int]:
    workloads = ObservedWorkload.objects.filter(cluster_id=tree.cluster_id, namespace__in=namespaces)
    running = workloads.filter(state__in=(WorkloadState.RESERVED, WorkloadState.ADMITTED)).count()
    return running, workloads.filter(state__in=(WorkloadState.PENDING, WorkloadState.EVICTED)).count()
