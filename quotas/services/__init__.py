"""Writes of quota trees: each function is one transaction that judges, saves, audits and then nudges the reconciler."""

from quotas.services.changing import AppliedChanges, apply_changes, list_conflicts
from quotas.services.drafts import (
    DraftedChange,
    DraftPreview,
    add_to_draft,
    apply_draft,
    discard_draft,
    get_draft,
    preview_changes,
    preview_draft,
    rebase_draft,
    remove_from_draft,
)
from quotas.services.trees import create_tree, delete_tree, retry_sync

__all__ = [
    "AppliedChanges",
    "DraftPreview",
    "DraftedChange",
    "add_to_draft",
    "apply_changes",
    "apply_draft",
    "create_tree",
    "delete_tree",
    "discard_draft",
    "get_draft",
    "list_conflicts",
    "preview_changes",
    "preview_draft",
    "rebase_draft",
    "remove_from_draft",
    "retry_sync",
]
