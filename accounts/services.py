"""Writes of people, groups, memberships, tokens; and the audit trail that every other app's services write to."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError

from accounts.domain.roles import Role
from accounts.errors import NameTakenError, PeopleInvalidError
from accounts.models import ApiToken, AuditEvent, Membership, User, UserGroup
from accounts.selectors import digest_token
from aidashboard.kit.errors import Finding

TOKEN_PREFIX: Final = "aid_"  # noqa: S105  (how tokens begin, so that scanners find leaked ones)
LONGEST_TOKEN_LIFE: Final = timedelta(days=365)


class Auditable(Protocol):
    """Anything with a primary key and a name to show."""

    pk: Any  # Any: Django's own type of it


def record_event(
    kind: str, *, by: User | None, about: Auditable, summary: str, details: dict[str, Any] | None = None
) -> None:  # Any: JSON
    """Write an audit event in the transaction of the change that it tells of. `by` None means the product itself.

    Raises: RuntimeError outside a transaction: an event that can survive a rolled-back change is worse than none.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"audit event {kind} outside a transaction")
    AuditEvent.objects.create(
        kind=kind,
        actor=by,
        actor_name=by.username if by else "aidashboard",
        subject_type=type(about).__name__,
        subject_id=str(about.pk),
        subject_name=str(about)[:255],
        summary=summary,
        details=details or {},
        request_id=str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64],
    )


def create_user(
    *, username: str, password: str | None, role: Role, by: User | None, display_name: str = "", email: str = ""
) -> User:
    """Make a user. Without a password nobody can sign in as them until an admin sets one.

    Raises: PeopleInvalidError (422) naming every broken field; NameTakenError (409).
    """
    user = User(username=username, role=role, display_name=display_name, email=email)
    with transaction.atomic():
        _check_fields(user, password=password)
        user.set_password(password)
        _save_new(user, name=username, noun="user")
        record_event(
            "user.created", by=by, about=user, summary=f"User {username} created as {role}", details={"role": role}
        )
    return user


def change_user(
    *,
    user: User,
    by: User,
    role: Role | None = None,
    display_name: str | None = None,
    email: str | None = None,
    is_active: bool | None = None,
) -> User:
    """Change what is given of a user; the last active admin stays one.

    Raises: PeopleInvalidError (422).
    """
    wanted = {"role": role, "display_name": display_name, "email": email, "is_active": is_active}
    with transaction.atomic():
        # The rule about the last admin spans the admins, so they are locked together.
        admins = set(
            User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True).values_list("pk", flat=True)
        )
        row = User.objects.select_for_update().get(pk=user.pk)
        changes = {name: value for name, value in wanted.items() if value is not None and value != getattr(row, name)}
        before = {name: getattr(row, name) for name in changes}
        for name, value in changes.items():
            setattr(row, name, value)
        if admins == {row.pk} and not (row.is_admin and row.is_active):
            raise _invalid(
                "role",
                row.role,
                "last-admin",
                f"{row.username} is the last active admin: make somebody else admin first",
            )
        _check_fields(row)
        if changes:
            row.save(update_fields=list(changes))
            record_event(
                "user.changed",
                by=by,
                about=row,
                summary=f"User {row.username} changed: {', '.join(changes)}",
                details={"before": before, "after": changes},
            )
    return row


def set_password(*, user: User, password: str, by: User) -> None:
    """Raises: PeopleInvalidError (422) when the password is too weak."""
    with transaction.atomic():
        _check_fields(user, password=password)
        user.set_password(password)
        user.save(update_fields=["password"])
        record_event("user.password-set", by=by, about=user, summary=f"Password of {user.username} set")


def create_group(*, name: str, by: User | None, display_name: str = "") -> UserGroup:
    """Raises: PeopleInvalidError (422), NameTakenError (409)."""
    group = UserGroup(name=name, display_name=display_name)
    with transaction.atomic():
        _check_fields(group)
        _save_new(group, name=name, noun="user group")
        record_event("group.created", by=by, about=group, summary=f"User group {name} created")
    return group


def change_group(*, group: UserGroup, by: User, display_name: str) -> UserGroup:
    """Change how a group is shown; its name stays, because quotas and scripts refer to it.

    Raises: PeopleInvalidError (422).
    """
    with transaction.atomic():
        row = UserGroup.objects.select_for_update().get(pk=group.pk)
        before, row.display_name = row.display_name, display_name
        _check_fields(row)
        if before != display_name:
            row.save(update_fields=["display_name"])
            record_event(
                "group.changed",
                by=by,
                about=row,
                summary=f"User group {row.name} is now shown as {display_name or row.name}",
                details={"before": {"display_name": before}, "after": {"display_name": display_name}},
            )
    return row


def set_member(*, group: UserGroup, user: User, by: User | None, is_owner: bool = False) -> Membership:
    """Put a user into a group, or change whether they own it; nothing happens when it is so already."""
    with transaction.atomic():
        rows = Membership.objects.select_for_update()
        membership, is_new = rows.get_or_create(group=group, user=user, defaults={"is_owner": is_owner})
        if not is_new:
            if membership.is_owner == is_owner:
                return membership
            membership.is_owner = is_owner
            membership.save(update_fields=["is_owner"])
        words = "owner" if is_owner else "member"
        record_event(
            "group.member-set",
            by=by,
            about=group,
            summary=f"{user.username} is now {words} of {group.name}",
            details={"user": user.username, "is_owner": is_owner},
        )
    return membership


def remove_member(*, group: UserGroup, user: User, by: User) -> None:
    """Take a user out of a group; nothing happens when they are not in it."""
    with transaction.atomic():
        deleted, _ = Membership.objects.filter(group=group, user=user).delete()
        if deleted:
            record_event(
                "group.member-removed",
                by=by,
                about=group,
                summary=f"{user.username} left {group.name}",
                details={"user": user.username},
            )


def delete_group(*, group: UserGroup, by: User) -> None:
    """Delete a user group that no quota refers to.

    Raises: PeopleInvalidError (422) listing the quota nodes that refer to it.
    """
    with transaction.atomic():
        record_event("group.deleted", by=by, about=group, summary=f"User group {group.name} deleted")
        try:
            # A nested block: the refusal must leave the transaction usable for finding out who refers to the group.
            with transaction.atomic():
                group.delete()
        except ProtectedError as error:
            names = ", ".join(sorted(str(row) for row in error.protected_objects))
            raise _invalid(
                "name",
                group.name,
                "group-in-use",
                f"User group {group.name} is bound to {names}: unbind it there first",
            ) from error


def create_token(*, user: User, name: str, is_read_only: bool, life: timedelta, now: datetime) -> tuple[ApiToken, str]:
    """Make an API token and give it with its text, which cannot be had again.

    Raises: PeopleInvalidError (422) when the life is not between a minute and a year.
    """
    if not timedelta(minutes=1) <= life <= LONGEST_TOKEN_LIFE:
        raise _invalid(
            "expires_in_days",
            str(life.days),
            "token-life",
            f"a token may live 1 to {LONGEST_TOKEN_LIFE.days} days, not {life.days}",
        )
    text = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(user=user, name=name, digest=digest_token(text), is_read_only=is_read_only, expires_at=now + life)
    with transaction.atomic():
        _check_fields(token)
        token.save()
        record_event(
            "token.created",
            by=user,
            about=token,
            summary=f"API token {name!r} created",
            details={"is_read_only": is_read_only},
        )
    return token, text


def revoke_token(*, token: ApiToken, by: User) -> None:
    with transaction.atomic():
        record_event(
            "token.revoked", by=by, about=token, summary=f"API token {token.name!r} of {token.user.username} revoked"
        )
        token.delete()


def set_theme(*, user: User, theme: str) -> None:
    """Remember how a person likes the pages; no audit event, it concerns nobody else.

    Raises: PeopleInvalidError (422).
    """
    if theme not in User.Theme.values:
        raise _invalid("theme", theme, "unknown-theme", f"{theme!r} is none of {', '.join(User.Theme.values)}")
    User.objects.filter(pk=user.pk).update(theme=theme)


def _check_fields(row: User | UserGroup | ApiToken, *, password: str | None = None) -> None:
    findings: list[Finding] = []
    excluded = {"password", "digest", "last_used_at"} if isinstance(row, User | ApiToken) else set()
    try:
        row.full_clean(exclude=excluded, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        for field, messages in error.message_dict.items():
            value = str(getattr(row, field, ""))
            findings += [
                Finding(rule="field", field=field, value=value, message=f"{field} {value!r}: {message}")
                for message in messages
            ]
    if password is not None and isinstance(row, User):
        try:
            validate_password(password, user=row)
        except ValidationError as error:
            findings += [Finding(rule="password", field="password", message=message) for message in error.messages]
    if findings:
        raise PeopleInvalidError(findings[0].message, findings=findings)


def _save_new(row: User | UserGroup, *, name: str, noun: str) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise NameTakenError(f"There is already a {noun} {name!r}.") from error


def _invalid(field: str, value: str, rule: str, message: str) -> PeopleInvalidError:
    return PeopleInvalidError(message, findings=[Finding(rule=rule, field=field, value=value, message=message)])
