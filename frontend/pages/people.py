"""What the pages of users and groups show: who may sign in, as what, and who shares quotas with whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import QuerySet
from django.forms import Form
from django.urls import reverse

from accounts import selectors
from accounts.domain.roles import Role
from accounts.models import User, UserGroup
from frontend.tables import Column, FilterChip, Paging, TableQuery
from frontend.words import count_of

USER_CSV_HEADER: Final = ("username", "display_name", "email", "role", "is_active", "groups", "created_at")
GROUP_CSV_HEADER: Final = ("name", "display_name", "owners", "members", "quotas", "created_at")
USER_SORTABLE: Final = ("username", "display_name", "email", "role", "is_active", "created_at")
GROUP_SORTABLE: Final = ("name", "created_at")
ROLE_LABELS: Final = {Role.ADMIN: "Admin", Role.RESEARCHER: "Researcher"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLink:
    name: str
    url: str
    is_owner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRow:
    username: str
    display_name: str
    email: str
    role_label: str
    is_active: bool
    groups: tuple[GroupLink, ...]
    created_at: datetime
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserList:
    sentence: str
    table: TableQuery
    columns: tuple[Column, ...]
    chips: tuple[FilterChip, ...]
    paging: Paging[User]
    rows: tuple[UserRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDetail:
    """One user with the three forms of the page."""

    user: User
    row: UserRow
    sentence: str
    form: Form
    password_form: Form
    group_form: Form
    audit_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLink:
    name: str
    tree: str
    cluster: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRow:
    name: str
    display_name: str
    owners: tuple[str, ...]
    members: int
    quotas: tuple[QuotaLink, ...]
    created_at: datetime
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupList:
    sentence: str
    table: TableQuery
    columns: tuple[Column, ...]
    paging: Paging[UserGroup]
    rows: tuple[GroupRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRow:
    username: str
    display_name: str
    is_owner: bool
    is_active: bool
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDetail:
    group: UserGroup
    row: GroupRow
    sentence: str
    members: tuple[MemberRow, ...]
    form: Form
    delete_form: Form
    audit_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPage:
    """A page that is one form: what it makes, and the way back."""

    title: str
    sentence: str
    form: Form
    back_url: str
    submit_label: str


def build_user_list(table: TableQuery) -> UserList:
    counts = selectors.count_users()
    paging = table.paginate(_list_users(table).order_by(*table.ordering))
    roles: dict[str, int] = {role: counts.get((role, True), 0) + counts.get((role, False), 0) for role in Role}
    switched_off = sum(number for (_, is_active), number in counts.items() if not is_active)
    return UserList(
        sentence=_describe_users(roles, switched_off=switched_off),
        table=table,
        columns=table.columns(
            (
                Column(label="User name", key="username"),
                Column(label="Name", key="display_name"),
                Column(label="Email", key="email"),
                Column(label="Role", key="role"),
                Column(label="Groups"),
                Column(label="State", key="is_active"),
                Column(label="Created", key="created_at"),
            )
        ),
        chips=_build_user_chips(table),
        paging=paging,
        rows=tuple(_build_user_row(user) for user in paging.rows),
    )


def list_user_csv_rows(table: TableQuery) -> Iterator[tuple[object, ...]]:
    for user in _list_users(table).order_by(*table.ordering):
        groups = " ".join(membership.group.name for membership in user.memberships.all())
        yield (
            user.username,
            user.display_name,
            user.email,
            user.role,
            user.is_active,
            groups,
            user.created_at.isoformat(),
        )


def build_user_detail(user: User, *, form: Form, password_form: Form, group_form: Form) -> UserDetail:
    row = _build_user_row(user)
    return UserDetail(
        user=user,
        row=row,
        sentence=_describe_user(row),
        form=form,
        password_form=password_form,
        group_form=group_form,
        audit_url=f"{reverse('audit:event-list')}?subject_type=User&subject={user.pk}",
    )


def build_user_create(form: Form) -> FormPage:
    return FormPage(
        title="New person",
        sentence="They sign in with this name and password, and see the quotas of the groups you put them into.",
        form=form,
        back_url=reverse("people:user-list"),
        submit_label="Create person",
    )


def build_group_create(form: Form) -> FormPage:
    return FormPage(
        title="New user group",
        sentence="A group is the smallest unit of assignment: a quota leaf belongs to a group, and its members work in it.",
        form=form,
        back_url=reverse("people:group-list"),
        submit_label="Create group",
    )


def build_group_list(table: TableQuery) -> GroupList:
    groups = selectors.list_groups(search=table.search).prefetch_related("quota_nodes__tree__cluster")
    paging = table.paginate(groups.order_by(*table.ordering))
    rows = tuple(_build_group_row(group) for group in paging.rows)
    return GroupList(
        sentence=_describe_groups(
            paging.total, without=groups.filter(quota_nodes=None).count(), is_search=bool(table.search)
        ),
        table=table,
        columns=table.columns(
            (
                Column(label="Group", key="name"),
                Column(label="Owners"),
                Column(label="Members", is_number=True),
                Column(label="Quotas"),
                Column(label="Created", key="created_at"),
            )
        ),
        paging=paging,
        rows=rows,
    )


def list_group_csv_rows(table: TableQuery) -> Iterator[tuple[object, ...]]:
    groups = selectors.list_groups(search=table.search).prefetch_related("quota_nodes__tree__cluster")
    for group in groups.order_by(*table.ordering):
        row = _build_group_row(group)
        quotas = " ".join(quota.name for quota in row.quotas)
        yield (row.name, row.display_name, " ".join(row.owners), row.members, quotas, row.created_at.isoformat())


def build_group_detail(group: UserGroup, *, form: Form, delete_form: Form) -> GroupDetail:
    memberships = sorted(
        group.memberships.select_related("user"), key=lambda one: (not one.is_owner, one.user.username)
    )
    row = _build_group_row(group)
    members = tuple(
        MemberRow(
            username=membership.user.username,
            display_name=membership.user.display_name,
            is_owner=membership.is_owner,
            is_active=membership.user.is_active,
            url=reverse("people:user-detail", args=[membership.user.username]),
        )
        for membership in memberships
    )
    return GroupDetail(
        group=group,
        row=row,
        sentence=_describe_group(members, row),
        members=members,
        form=form,
        delete_form=delete_form,
        audit_url=f"{reverse('audit:event-list')}?subject_type=UserGroup&subject={group.pk}",
    )


def _build_user_chips(table: TableQuery) -> tuple[FilterChip, ...]:
    """Each counts what the search and the other filter leave: following a number must lead to as many rows."""
    role, is_active = table.get("role"), _read_status(table)
    by_role = {
        each.value: selectors.list_users(search=table.search, role=each, is_active=is_active).count() for each in Role
    }
    off = selectors.list_users(search=table.search, role=role, is_active=False).count()
    return (
        *table.chips("role", {each.value: label for each, label in ROLE_LABELS.items()}, by_role),
        *table.chips("status", {"off": "Switched off"}, {"off": off}),
    )


def _list_users(table: TableQuery) -> QuerySet[User]:
    return selectors.list_users(search=table.search, role=table.get("role"), is_active=_read_status(table))


def _read_status(table: TableQuery) -> bool | None:
    return False if table.get("status") == "off" else None


def _build_user_row(user: User) -> UserRow:
    memberships = sorted(user.memberships.all(), key=lambda one: one.group.name)
    return UserRow(
        username=user.username,
        display_name=user.display_name,
        email=user.email,
        role_label=ROLE_LABELS.get(Role(user.role), user.role),
        is_active=user.is_active,
        groups=tuple(
            GroupLink(
                name=one.group.name,
                url=reverse("people:group-detail", args=[one.group.name]),
                is_owner=one.is_owner,
            )
            for one in memberships
        ),
        created_at=user.created_at,
        url=reverse("people:user-detail", args=[user.username]),
    )


def _build_group_row(group: UserGroup) -> GroupRow:
    memberships = list(group.memberships.all())
    return GroupRow(
        name=group.name,
        display_name=group.display_name,
        owners=tuple(sorted(one.user.username for one in memberships if one.is_owner)),
        members=len(memberships),
        quotas=tuple(
            QuotaLink(
                name=node.name,
                tree=node.tree.name,
                cluster=node.tree.cluster.name,
                url=reverse("quotas:node-detail", args=[node.tree_id, node.pk]),
            )
            for node in group.quota_nodes.all()
        ),
        created_at=group.created_at,
        url=reverse("people:group-detail", args=[group.name]),
    )


def _describe_users(roles: Mapping[str, int], *, switched_off: int) -> str:
    people = count_of(sum(roles.values()), "person", "people")
    sentence = f"{people}: {count_of(roles[Role.ADMIN], 'admin')} and {count_of(roles[Role.RESEARCHER], 'researcher')}"
    return f"{sentence}; {switched_off} switched off." if switched_off else f"{sentence}."


def _describe_groups(total: int, *, without: int, is_search: bool) -> str:
    if not total:
        return "No user group matches." if is_search else "No user group yet."
    tail = f"; {without} of them {'has' if without == 1 else 'have'} no quota yet." if without else "."
    return f"{count_of(total, 'user group')}{tail}"


def _describe_user(row: UserRow) -> str:
    if not row.is_active:
        return "Switched off: neither pages nor tokens let this person in."
    groups = count_of(len(row.groups), "group") if row.groups else "no group"
    return f"{row.role_label}, in {groups}, here since {row.created_at:%Y-%m-%d}."


def _describe_group(members: tuple[MemberRow, ...], row: GroupRow) -> str:
    if not members:
        return "Nobody is in this group yet: add its first member below."
    count = count_of(len(members), "member")
    owners = len(row.owners)
    owned = "nobody owns it" if not owners else f"{owners} {'owns' if owners == 1 else 'own'} it"
    if not row.quotas:
        return f"{count}, {owned}. No quota is bound to it, so its members can start nothing yet."
    names = ", ".join(quota.name for quota in row.quotas)
    return f"{count}, {owned}. Its work counts against {names}."
