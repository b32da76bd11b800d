"""Users and groups: lists, and every form with what can be wrong in it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.domain.roles import Role
from accounts.models import Membership, User, UserGroup
from tests.factories.organisation import make_organisation
from tests.factories.people import make_admin, make_group, make_user
from tests.integration.frontend.reading import count_rows, read, read_csv, sentence_of, sign_in, strip

pytestmark = pytest.mark.django_db
GOOD = "a long enough one"


@pytest.fixture
def admin(client: Client) -> User:
    admin = make_admin()
    sign_in(client, admin)
    return admin


def test_the_sentence_and_chips_count_people(client: Client, admin: User) -> None:
    make_user("linus")
    make_user("tim", is_active=False)
    assert sentence_of(client, "/people/users") == "3 people: 1 admin and 2 researchers; 1 switched off."
    assert count_rows(client, "/people/users?role=researcher") == 2
    assert count_rows(client, "/people/users?status=off") == 1
    assert "Admin 0 Researcher 1 Switched off 1" in read(client, "/people/users?search=tim")
    assert "Admin 0 Researcher 1 Switched off 1" in read(client, "/people/users?status=off")
    assert [row["username"] for row in read_csv(client, "/people/users?search=lin&format=csv")] == ["linus"]


def test_a_person_is_made_and_can_sign_in(client: Client, admin: User) -> None:
    values = {"username": "linus", "display_name": "Linus", "email": "", "role": "researcher", "password": GOOD}
    response = client.post("/people/users/new", values)
    assert response["Location"] == "/people/users/linus"
    assert User.objects.get(username="linus").check_password(GOOD)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("username", "Linus!", "lower-case letters"),
        ("username", "ada", "There is already a user 'ada'."),
        ("password", "short", "too short"),
        ("email", "nobody", "valid email"),
        ("role", "king", "king is not one of the available choices"),
    ],
)
def test_what_is_wrong_stands_at_the_field(client: Client, admin: User, field: str, value: str, words: str) -> None:
    values = {
        "username": "linus",
        "display_name": "",
        "email": "",
        "role": "researcher",
        "password": GOOD,
        field: value,
    }
    response = client.post("/people/users/new", values)
    assert response.status_code == 422
    html = response.content.decode()
    assert words in strip(html)
    assert User.objects.count() == 1
    focused = re.findall(r'<(?:input|select)[^>]*name="(\w+)"[^>]*autofocus', html)
    assert focused == ([field] if f'id="id_{field}_error"' in html else [])
    named = set(re.findall(r'aria-describedby="([^"]*)"', html))
    assert all(f'id="{one}"' in html for names in named for one in names.split())


def test_a_person_is_changed_and_switched_off(client: Client, admin: User) -> None:
    make_user("linus")
    client.post("/people/users/linus", {"display_name": "Linus T.", "email": "", "role": "admin"})
    linus = User.objects.get(username="linus")
    assert (linus.display_name, linus.role, linus.is_active) == ("Linus T.", Role.ADMIN, False)


def test_setting_ones_own_password_ends_the_other_sessions_alone(client: Client, admin: User) -> None:
    elsewhere = sign_in(Client(), admin)
    assert client.post("/people/users/ada/password", {"password": GOOD}).status_code == 302
    assert client.get("/people/users/ada").status_code == 200
    assert elsewhere.get("/people/users/ada").status_code == 302


def test_the_last_admin_stays_one(client: Client, admin: User) -> None:
    response = client.post(
        "/people/users/ada", {"display_name": "", "email": "", "role": "researcher", "is_active": "on"}
    )
    assert response.status_code == 422
    assert "is the last active admin" in strip(response.content.decode())
    assert User.objects.get(pk=admin.pk).is_admin


def test_a_password_is_set_or_refused(client: Client, admin: User) -> None:
    make_user("linus")
    assert client.post("/people/users/linus/password", {"password": "linus"}).status_code == 422
    assert client.post("/people/users/linus/password", {"password": GOOD}).status_code == 302
    assert User.objects.get(username="linus").check_password(GOOD)


def test_a_person_joins_and_leaves_a_group(client: Client, admin: User) -> None:
    linus, group = make_user("linus"), make_group("kernel")
    client.post("/people/users/linus/groups", {"group": "kernel", "is_owner": "on"})
    assert Membership.objects.get(user=linus, group=group).is_owner
    client.post("/people/groups/kernel/members/linus", {"do": "disown"})
    assert not Membership.objects.get(user=linus, group=group).is_owner
    response = client.post("/people/groups/kernel/members/linus", {"do": "remove", "back": "user"})
    assert response["Location"] == "/people/users/linus"
    assert not Membership.objects.exists()


def test_a_button_that_nobody_has_changes_nothing(client: Client, admin: User) -> None:
    linus = make_user("linus")
    group = make_group("kernel", members=(linus,))
    Membership.objects.update(is_owner=True)
    assert client.post("/people/groups/kernel/members/linus", {}).status_code == 422
    assert Membership.objects.get(user=linus, group=group).is_owner


def test_groups_without_a_quota_are_counted_on_every_page_of_them(client: Client, admin: User) -> None:
    UserGroup.objects.bulk_create([UserGroup(name=f"group-{number:02}") for number in range(55)])
    assert sentence_of(client, "/people/groups?page=2") == "55 user groups; 55 of them have no quota yet."


def test_a_group_is_made_and_gets_members(client: Client, admin: User) -> None:
    make_user("linus")
    assert (
        client.post("/people/groups/new", {"name": "kernel", "display_name": ""})["Location"] == "/people/groups/kernel"
    )
    assert "Nobody is in this group yet" in read(client, "/people/groups/kernel")
    client.post("/people/groups/kernel/members", {"user": "linus"})
    assert "1 member, nobody owns it. No quota is bound to it" in read(client, "/people/groups/kernel")


def test_only_people_who_are_there_can_be_added(client: Client, admin: User) -> None:
    make_group("kernel", members=(make_user("linus"),))
    assert client.post("/people/groups/kernel/members", {"user": "nobody"}).status_code == 422
    assert client.post("/people/groups/kernel/members", {"user": "linus"}).status_code == 422


def test_groups_show_their_quotas(client: Client) -> None:
    sign_in(client, make_organisation().admin)
    assert "its work counts against nlp" in sentence_of(client, "/people/groups/nlp-team").lower()
    row = next(row for row in read_csv(client, "/people/groups?format=csv") if row["name"] == "nlp-team")
    assert (row["members"], row["quotas"]) == ("1", "nlp")


def test_deleting_a_group_asks_for_its_name(client: Client, admin: User) -> None:
    make_group("kernel")
    response = client.post("/people/groups/kernel/delete", {"typed_name": "kernle"})
    assert response.status_code == 422
    assert "is not 'kernel': nothing was deleted" in strip(response.content.decode())
    assert client.post("/people/groups/kernel/delete", {"typed_name": "kernel"}).status_code == 302
    assert not UserGroup.objects.exists()


def test_a_group_with_a_quota_stays(client: Client) -> None:
    organisation = make_organisation()
    sign_in(client, organisation.admin)
    response = client.post("/people/groups/nlp-team/delete", {"typed_name": "nlp-team"})
    assert response.status_code == 422
    assert "is bound to nlp" in strip(response.content.decode())


@pytest.mark.parametrize(
    "path", ["/people/users", "/people/users/new", "/people/users/ada", "/people/groups", "/people/groups/new"]
)
def test_people_are_for_admins(client: Client, admin: User, path: str) -> None:
    assert client.get(path).status_code == 200
    sign_in(client, make_user())
    assert client.get(path).status_code == 403
    client.logout()
    assert client.get(path).status_code == 302
