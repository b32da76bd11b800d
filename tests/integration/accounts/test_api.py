"""People, groups, tokens and the audit trail over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, AuditEvent, Membership, User, UserGroup
from accounts.services import create_token
from tests.factories.people import PASSWORD, make_admin, make_group, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(make_admin())
    return client


def send(client: Client, method: str, path: str, **body: object) -> Any:  # Any: the test client's response
    return client.generic(
        method, f"/api/v1{path}", data=__import__("json").dumps(body), content_type="application/json"
    )


def bearer(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


def test_a_user_is_made_changed_and_found(admin: Client) -> None:
    made = send(admin, "POST", "/users/", username="grace", password=PASSWORD, display_name="Grace Hopper")
    assert (made.status_code, made.json()["role"]) == (201, "researcher")
    assert "password" not in made.json()
    changed = send(admin, "PATCH", "/users/grace/", role="admin", email="grace@example.org")
    assert (changed.json()["role"], changed.json()["email"]) == ("admin", "grace@example.org")
    assert [row["username"] for row in admin.get("/api/v1/users/?search=hopper&role=admin").json()["results"]] == [
        "grace"
    ]
    assert send(admin, "PUT", "/users/grace/password/", password="another long password").status_code == 204
    assert User.objects.get(username="grace").check_password("another long password")


def test_rows_that_are_equal_have_an_order_too(admin: Client) -> None:
    """Else the database may show one of them on two pages and another on none."""
    names = [make_user(name).username for name in ("zoe", "grace", "otto")]
    # An updated row is stored anew, behind the others: where it lies must not matter.
    User.objects.filter(username="zoe").update(display_name="Zoe")
    pages = [
        admin.get(f"/api/v1/users/?role=researcher&ordering=role&page_size=1&page={page}").json() for page in (1, 2, 3)
    ]
    assert [row["username"] for page in pages for row in page["results"]] == names


def test_rules_answer_422_with_a_finding_per_field(admin: Client) -> None:
    answer = send(admin, "POST", "/users/", username="Grace", password="short")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"username", "password"}
    assert all(error["rule"] and error["message"] for error in answer.json()["errors"])


def test_the_wrong_shape_answers_400_and_a_taken_name_409(admin: Client) -> None:
    assert send(admin, "POST", "/users/", password=PASSWORD).status_code == 400
    assert send(admin, "POST", "/users/", username="g\x00", password=PASSWORD).status_code == 400
    make_user("grace")
    assert send(admin, "POST", "/users/", username="grace", password=PASSWORD).status_code == 409


def test_the_last_admin_can_not_be_demoted(admin: Client) -> None:
    answer = send(admin, "PATCH", "/users/ada/", role="researcher")
    assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (422, "last-admin")


def test_a_group_is_made_filled_emptied_and_deleted(admin: Client) -> None:
    make_user("grace")
    assert send(admin, "POST", "/groups/", name="vision").status_code == 201
    assert send(admin, "PUT", "/groups/vision/members/grace/", is_owner=True).json()["is_owner"] is True
    assert admin.get("/api/v1/groups/vision/").json()["members"][0]["username"] == "grace"
    assert [row["name"] for row in admin.get("/api/v1/groups/?member=grace").json()["results"]] == ["vision"]
    assert send(admin, "PATCH", "/groups/vision/", display_name="Vision").json()["display_name"] == "Vision"
    assert send(admin, "DELETE", "/groups/vision/members/grace/").status_code == 204
    assert not Membership.objects.exists()
    assert send(admin, "DELETE", "/groups/vision/").status_code == 204
    assert not UserGroup.objects.exists()


def test_me_says_who_one_is_and_what_one_may() -> None:
    grace = make_user("grace")
    make_group("vision", owners=(grace,))
    client = Client()
    client.force_login(grace)
    me = client.get("/api/v1/me/").json()
    assert (me["username"], me["groups"]) == ("grace", [{"group": "vision", "is_owner": True}])
    assert "workload.view" in me["permissions"]
    assert "people.view" not in me["permissions"]
    assert send(client, "PATCH", "/me/", theme="dark").json()["theme"] == "dark"


def test_the_text_of_a_token_is_shown_once() -> None:
    client = Client()
    client.force_login(make_user("grace"))
    made = send(client, "POST", "/tokens/", name="ci", expires_in_days=7)
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    text = made.json()["text"]
    listed = client.get("/api/v1/tokens/").json()["results"]
    assert [row["name"] for row in listed] == ["ci"]
    assert text not in str(listed)
    assert bearer(text).get("/api/v1/me/").json()["username"] == "grace"
    assert send(client, "DELETE", f"/tokens/{made.json()['id']}/").status_code == 204
    assert bearer(text).get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("days", [0, -5, 366, 10**12])
def test_a_token_of_senseless_length_is_refused(days: int) -> None:
    client = Client()
    client.force_login(make_user("grace"))
    assert send(client, "POST", "/tokens/", name="ci", expires_in_days=days).status_code == 422
    assert not ApiToken.objects.exists()


def test_a_read_only_token_may_not_write_and_another_may() -> None:
    ada = make_admin()
    texts = {
        is_read_only: create_token(
            user=ada, name="ci", is_read_only=is_read_only, life=timedelta(days=1), now=timezone.now()
        )[1]
        for is_read_only in (True, False)
    }
    assert bearer(texts[True]).get("/api/v1/users/").status_code == 200
    refused = send(bearer(texts[True]), "POST", "/groups/", name="vision")
    assert (refused.status_code, refused.json()["title"]) == (403, "This token may only read.")
    assert send(bearer(texts[False]), "POST", "/groups/", name="vision").status_code == 201


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Bearer aid_" + "x" * 5000])
def test_a_bad_token_answers_401_even_where_a_session_would_do(header: str) -> None:
    client = Client(headers={"Authorization": header})
    client.force_login(make_admin())
    answer = client.get("/api/v1/me/")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_a_session_needs_the_csrf_token_to_write() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_admin())
    answer = send(client, "POST", "/groups/", name="vision")
    assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")


def test_the_trail_is_narrowed_by_kind_actor_and_time(admin: Client) -> None:
    send(admin, "POST", "/groups/", name="vision")
    send(admin, "POST", "/groups/", name="speech")
    rows = admin.get("/api/v1/audit-events/?kind=group.created&actor=ada&search=vision").json()
    assert (rows["count"], rows["results"][0]["summary"]) == (1, "User group vision created")
    event = AuditEvent.objects.latest("pk")
    later = (event.at + timedelta(seconds=1)).isoformat().replace("+", "%2B")
    assert admin.get(f"/api/v1/audit-events/?since={later}").json()["count"] == 0
    assert admin.get(f"/api/v1/audit-events/{event.pk}/").json()["subject_name"] == "speech"
