"""The draft that a person is preparing, as the pages look at it: nothing here writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import User
from aidashboard.kit.errors import Finding
from quotas import selectors, services
from quotas.domain.changes import Change
from quotas.domain.tree import Tree
from quotas.models import QuotaTree
from quotas.services.drafts import read_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """A tree as it stands and as the viewer's draft would leave it; without a draft both are the same."""

    before: Tree
    after: Tree
    changes: tuple[Change, ...]

    @property
    def is_empty(self) -> bool:
        return not self.changes


def read_drafted(tree: QuotaTree, *, author: User) -> Drafted:
    """The tree and what the author's draft makes of it."""
    changes = list_changes(tree, author=author)
    before = selectors.load_tree(tree)
    after = services.preview_changes(tree=tree, changes=changes).tree if changes else before
    return Drafted(before=before, after=after, changes=tuple(changes))


def list_changes(tree: QuotaTree, *, author: User) -> list[Change]:
    draft = selectors.find_draft(tree=tree, author=author)
    return read_changes(draft) if draft is not None else []


def find_new_errors(tree: QuotaTree, *, author: User, changes: Sequence[Change]) -> list[Finding]:
    """The rules that `changes` would break on top of what the draft breaks already.

    A draft may be wrong on the way; a person is told when they make it worse, and only of that.
    """
    drafted = list_changes(tree, author=author)
    known = services.preview_changes(tree=tree, changes=drafted).errors if drafted else ()
    errors = services.preview_changes(tree=tree, changes=[*drafted, *changes]).errors
    return [finding for finding in errors if finding not in known]
