"""The draft: the bar above the tree, and the page that shows what applying would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse

from accounts.models import User
from aidashboard.kit.errors import Finding
from frontend.drafting import Drafted
from frontend.resources import name_resource
from frontend.words import count_of
from quotas import services
from quotas.domain.changes import TEMPORARY_PREFIX
from quotas.domain.diff import DiffKind, DiffRow
from quotas.errors import FieldConflict
from quotas.models import QuotaTree


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftBar:
    """The draft of one tree in short."""

    tree_name: str
    words: str
    lost: str
    review_url: str
    apply_url: str
    discard_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDiff:
    """One field of one node: what it was, what it would be. `sign` is +, - or ~."""

    sign: str
    kind: str
    path: str
    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChange:
    summary: str
    problem: str
    remove_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConflict:
    """One field that somebody else changed meanwhile, with all three values in words."""

    path: str
    field: str
    read: str
    current: str
    wanted: str
    changed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftReviewPage:
    """What applying would do now. `confirm_name` is the tree's name when typing it lifts the last obstacle."""

    tree: QuotaTree
    sentence: str
    now: datetime
    changes: tuple[ShownChange, ...]
    rows: tuple[ShownDiff, ...]
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    conflicts: tuple[ShownConflict, ...]
    can_apply: bool
    confirm_name: str
    confirm_error: str
    apply_url: str
    discard_url: str
    rebase_url: str
    back_url: str


def list_url(tree: QuotaTree) -> str:
    return f"{reverse('quotas:quota-list')}?cluster={tree.cluster.name}"


def review_url(tree: QuotaTree) -> str:
    return reverse("quotas:draft-review", args=[tree.pk])


def build_draft_bar(tree: QuotaTree, drafted: Drafted) -> DraftBar | None:
    """None while there is nothing in the draft."""
    if drafted.is_empty:
        return None
    count = len(drafted.changes)
    return DraftBar(
        tree_name=tree.name,
        words=count_of(count, "change"),
        lost=f"{count_of(count, 'change')} to {tree.name} {'is' if count == 1 else 'are'} lost. The tree stays as it is.",
        review_url=review_url(tree),
        apply_url=reverse("quotas:draft-apply", args=[tree.pk]),
        discard_url=reverse("quotas:draft-discard", args=[tree.pk]),
    )


def build_draft_review(tree: QuotaTree, *, author: User, now: datetime, confirm_error: str = "") -> DraftReviewPage:
    preview = services.preview_draft(tree=tree, author=author)
    return DraftReviewPage(
        tree=tree,
        sentence=_describe(preview),
        now=now,
        changes=tuple(
            ShownChange(
                summary=change.summary,
                problem=change.problem,
                remove_url=reverse("quotas:draft-remove", args=[tree.pk, change.position]),
            )
            for change in preview.changes
        ),
        rows=tuple(_show_diff(row) for row in preview.rows),
        # What a conflict is about is shown with all its values below, not as one more sentence.
        errors=tuple(finding for finding in preview.errors if not (finding.rule == "V19" and preview.conflicts)),
        warnings=preview.warnings,
        conflicts=tuple(_show_conflict(conflict) for conflict in preview.conflicts),
        can_apply=preview.is_allowed and bool(preview.changes),
        confirm_name=tree.name if preview.can_be_confirmed else "",
        confirm_error=confirm_error,
        apply_url=reverse("quotas:draft-apply", args=[tree.pk]),
        discard_url=reverse("quotas:draft-discard", args=[tree.pk]),
        rebase_url=reverse("quotas:draft-rebase", args=[tree.pk]),
        back_url=list_url(tree),
    )


def _describe(preview: services.DraftPreview) -> str:
    if not preview.changes:
        return "The draft is empty."
    words = [count_of(len(preview.changes), "change")]
    if preview.namespaces:
        work = f"{preview.running} running and {preview.waiting} waiting workloads"
        words.append(f"{count_of(len(preview.namespaces), 'namespace')} with {work} affected")
    if preview.conflicts:
        words.append("somebody changed the same nodes meanwhile: choose below whose values stay")
    elif preview.errors:
        words.append(f"{count_of(len(preview.errors), 'rule')} broken: nothing can be applied yet")
    elif preview.warnings:
        words.append(f"no rule broken, {count_of(len(preview.warnings), 'warning')}")
    else:
        words.append("no rule broken")
    return "; ".join(words) + "."


def _show_diff(row: DiffRow) -> ShownDiff:
    is_new = row.kind == DiffKind.ADDED or row.key.startswith(TEMPORARY_PREFIX)
    sign = "+" if is_new else {DiffKind.DELETED: "-"}.get(row.kind, "~")
    return ShownDiff(
        sign=sign,
        kind=DiffKind.ADDED if is_new else row.kind,
        path=row.path,
        field=name_field(row.field),
        old="" if is_new else show_value(row.field, row.old),
        new="" if row.kind == DiffKind.DELETED else show_value(row.field, row.new),
    )


def _show_conflict(conflict: FieldConflict) -> ShownConflict:
    return ShownConflict(
        path=conflict.node_path,
        field=name_field(conflict.field),
        read="unknown" if conflict.read is None else show_value(conflict.field, conflict.read),
        current=show_value(conflict.field, conflict.current),
        wanted="" if conflict.wanted is None else show_value(conflict.field, conflict.wanted),
        changed_by=conflict.changed_by or "somebody",
    )


def name_field(field: str) -> str:
    """A field of a node in words.

    Example: `max.nvidia.com/gpu` -> `Max GPU`.
    """
    kind, dot, resource = field.partition(".")
    if dot and kind in {"min", "max"}:
        return f"{kind.capitalize()} {name_resource(resource)}"
    return {"group": "User group", "node": "Node"}.get(field, field.capitalize())


def show_value(field: str, value: str) -> str:
    if value:
        return value
    if field.startswith("min."):
        return "0"
    return "unlimited" if field.startswith("max.") else "none"


def describe_fields(old: dict[str, str], new: dict[str, str]) -> Sequence[str]:
    """What differs between two revisions of a node, one sentence per field."""
    return [
        f"{name_field(name)} {show_value(name, old.get(name, ''))} → {show_value(name, new.get(name, ''))}"
        for name in dict.fromkeys((*new, *old))
        if old.get(name, "") != new.get(name, "")
    ]
