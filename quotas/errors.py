"""What can go wrong with quota trees, drafts and their changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from aidashboard.kit.errors import ConflictError, Finding, InvalidError, MissingError


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldConflict:
    """One field that somebody else changed between `read_version` and `current_version` of a node.

    `read` is what the caller saw (None when that version is no longer known), `current` what stands now, `wanted` what the
    caller asked for (None when their change does not touch the field).
    """

    node_path: str
    field: str
    read: str | None
    current: str
    wanted: str | None
    read_version: int
    current_version: int
    changed_by: str


class TreeMissingError(MissingError):
    """There is no such quota tree, or none that the viewer may see."""


class NodeMissingError(MissingError):
    """There is no such quota node, or none that the viewer may see."""


class BindingMissingError(MissingError):
    """No leaf has this namespace, or none that the viewer may see."""


class ChangeMalformedError(InvalidError):
    """A change does not have the form of its kind; `findings` name the position, the field and the value."""

    default_code = "malformed-change"


class QuotaRefusedError(InvalidError):
    """The changes would break the tree; `findings` lists every broken rule, without warnings. Nothing was changed."""

    default_code = "quota-refused"


class TreeNameTakenError(ConflictError):
    """The cluster already has a tree of this name."""

    default_code = "tree-name-taken"


class TreeDeletingError(ConflictError):
    """The tree is being deleted and takes no more changes."""

    default_code = "tree-deleting"


class QuotaConflictError(ConflictError):
    """Somebody else changed a node since the caller read it. `conflicts` has both versions, field by field."""

    default_code = "version-conflict"

    def __init__(self, message: str, *, conflicts: Sequence[FieldConflict], findings: Sequence[Finding]) -> None:
        super().__init__(message, hint="Read the node again, then decide anew.", findings=findings)
        self.conflicts = tuple(conflicts)

    def list_conflicts(self) -> list[dict[str, object]]:
        return [asdict(conflict) for conflict in self.conflicts]
