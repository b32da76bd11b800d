"""People and user groups."""

from __future__ import annotations

from itertools import count

from accounts.domain.roles import Role
from accounts.models import Membership, User, UserGroup

PASSWORD = "correct horse battery"
_numbers = count(1)


def make_user(username: str = "", *, role: Role = Role.RESEARCHER, **fields: object) -> User:
    user = User(username=username or f"person-{next(_numbers)}", role=role, **fields)
    user.set_password(PASSWORD)
    user.save()
    return user


def make_admin(username: str = "ada") -> User:
    return make_user(username, role=Role.ADMIN, display_name="Ada Lovelace")


def make_group(name: str = "", *, members: tuple[User, ...] = (), owners: tuple[User, ...] = ()) -> UserGroup:
    group = UserGroup.objects.create(name=name or f"group-{next(_numbers)}")
    Membership.objects.bulk_create(
        [Membership(user=user, group=group) for user in members]
        + [Membership(user=user, group=group, is_owner=True) for user in owners]
    )
    return group
