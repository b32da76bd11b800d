"""Reads of people, groups, tokens and the audit trail."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from accounts.errors import AuditEventMissingError, GroupMissingError, TokenMissingError, UserMissingError
from accounts.models import ApiToken, AuditEvent, User, UserGroup


def get_user(*, username: str) -> User:
    """Raises: UserMissingError."""
    try:
        return User.objects.get(username=username)
    except User.DoesNotExist as error:
        raise UserMissingError(f"There is no user {username!r}.") from error


def get_group(*, name: str) -> UserGroup:
    """Raises: GroupMissingError."""
    try:
        return UserGroup.objects.get(name=name)
    except UserGroup.DoesNotExist as error:
        raise GroupMissingError(f"There is no user group {name!r}.") from error


def list_users(*, search: str = "", role: str = "", is_active: bool | None = None) -> QuerySet[User]:
    """Users whose name, display name or email contains `search`, narrowed by what else is given."""
    users = User.objects.prefetch_related("memberships__group")
    if role:
        users = users.filter(role=role)
    if is_active is not None:
        users = users.filter(is_active=is_active)
    return search_users(users, search)


def search_users(users: QuerySet[User], search: str) -> QuerySet[User]:
    """Those whose name, display name or email contains `search`."""
    if not search:
        return users
    return users.filter(Q(username__icontains=search) | Q(display_name__icontains=search) | Q(email__icontains=search))


def count_users() -> dict[tuple[str, bool], int]:
    """`{(role, is active): users}`."""
    rows = User.objects.order_by().values_list("role", "is_active").annotate(users=Count("pk"))
    return {(role, is_active): users for role, is_active, users in rows}


def list_groups(*, search: str = "") -> QuerySet[UserGroup]:
    """User groups with their members, narrowed by `search_groups`."""
    return search_groups(UserGroup.objects.prefetch_related("memberships__user"), search)


def search_groups(groups: QuerySet[UserGroup], search: str) -> QuerySet[UserGroup]:
    """Those one of whose names contains `search`."""
    return groups.filter(Q(name__icontains=search) | Q(display_name__icontains=search)) if search else groups


def list_groups_of(user: User) -> QuerySet[UserGroup]:
    return UserGroup.objects.filter(memberships__user=user)


def list_members(*, group_name: str) -> QuerySet[User]:
    """The people of a group, by name; nobody when there is no such group."""
    return User.objects.filter(memberships__group__name=group_name).order_by("username")


def list_tokens(user: User) -> QuerySet[ApiToken]:
    """A person's tokens, newest first, those that have run out included: they tell why a script stopped working."""
    return ApiToken.objects.filter(user=user)


def get_token(*, user: User, token_id: int) -> ApiToken:
    """Raises: TokenMissingError, also for somebody else's token."""
    token = list_tokens(user).filter(pk=token_id).first()
    if token is None:
        raise TokenMissingError("You have no such API token.")
    return token


def list_audit_events(
    *,
    search: str = "",
    kind: str = "",
    actor: str = "",
    subject_type: str = "",
    subject_id: str = "",
    since: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """Audit events, newest first, narrowed by what is given; `kind` may be a whole area, `user.` for instance."""
    events = AuditEvent.objects.all()
    if kind.endswith("."):
        events, kind = events.filter(kind__startswith=kind), ""
    if since is not None:
        events = events.filter(at__gte=since)
    events = search_events(events, search)
    for field, value in (
        ("kind", kind),
        ("actor_name", actor),
        ("subject_type", subject_type),
        ("subject_id", subject_id),
    ):
        if value:
            events = events.filter(**{field: value})
    return events


def search_events(events: QuerySet[AuditEvent], search: str) -> QuerySet[AuditEvent]:
    """Those whose summary, or whose subject's name, contains `search`."""
    return events.filter(Q(summary__icontains=search) | Q(subject_name__icontains=search)) if search else events


def get_audit_event(*, event_id: int) -> AuditEvent:
    """Raises: AuditEventMissingError."""
    try:
        return AuditEvent.objects.get(pk=event_id)
    except AuditEvent.DoesNotExist as error:
        raise AuditEventMissingError(f"There is no audit event {event_id}.") from error


def list_audit_kinds() -> list[str]:
    """Every kind of event that has happened."""
    return list(AuditEvent.objects.order_by("kind").values_list("kind", flat=True).distinct())


def list_audit_actors() -> list[str]:
    """Everybody who has changed something, the product itself among them."""
    return list(AuditEvent.objects.order_by("actor_name").values_list("actor_name", flat=True).distinct())


def digest_token(text: str) -> str:
    """What is stored of a token. Plain SHA-256 is enough: the text is 256 random bits, not a password."""
    return hashlib.sha256(text.encode()).hexdigest()


def find_token(*, text: str, now: datetime) -> ApiToken | None:
    """The living token with this text, of a user who is active. Notes its use, at most once a minute."""
    token = (
        ApiToken.objects.select_related("user")
        .filter(digest=digest_token(text), expires_at__gt=now, user__is_active=True)
        .first()
    )
    if token is not None and (token.last_used_at is None or token.last_used_at < now - timedelta(minutes=1)):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token
