"""What can go wrong with people, groups and tokens."""

from aidashboard.kit.errors import ConflictError, InvalidError, MissingError


class UserMissingError(MissingError):
    """There is no such user."""


class GroupMissingError(MissingError):
    """There is no such group, or the viewer is not in it."""


class AuditEventMissingError(MissingError):
    """There is no such audit event."""


class TokenMissingError(MissingError):
    """The person has no such API token."""


class PeopleInvalidError(InvalidError):
    """A user, group or token breaks a rule; `findings` name field, value and rule."""


class NameTakenError(ConflictError):
    """Somebody else has the name."""
