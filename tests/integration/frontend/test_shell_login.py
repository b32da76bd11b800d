"""Login and logout, and nothing else of allauth."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from frontend.account_adapter import SWITCHED_OFF
from tests.factories.people import PASSWORD, make_admin, make_user

pytestmark = pytest.mark.django_db


def test_a_person_logs_in_and_comes_back_to_where_they_were_going(client: Client) -> None:
    make_admin("ada")
    response = client.post("/login", {"login": "ada", "password": PASSWORD, "next": "/quotas/"})
    assert response["Location"] == "/quotas/"
    assert client.get("/quotas/").status_code == 200


def test_a_wrong_password_says_so_without_saying_which_part_is_wrong(client: Client) -> None:
    make_admin("ada")
    known = client.post("/login", {"login": "ada", "password": "wrong"}).content.decode()
    unknown = client.post("/login", {"login": "nobody", "password": "wrong"}).content.decode()
    assert 'class="finding"' in known
    assert known.count('class="finding"') == unknown.count('class="finding"')
    assert client.get("/quotas/").status_code == 302


def test_somebody_who_was_switched_off_does_not_get_in(client: Client) -> None:
    make_user("mallory", is_active=False)
    response = client.post("/login", {"login": "mallory", "password": PASSWORD}, follow=True)
    assert SWITCHED_OFF in response.content.decode()
    assert client.get("/quotas/").status_code == 302


def test_a_link_to_another_site_is_not_followed_after_login(client: Client) -> None:
    make_admin("ada")
    response = client.post("/login", {"login": "ada", "password": PASSWORD, "next": "https://evil.example/"})
    assert response["Location"] == "/"


def test_logging_out_needs_a_post(client: Client) -> None:
    client.force_login(make_admin())
    assert client.get("/logout").status_code == 200
    assert client.get("/quotas/").status_code == 200
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/quotas/").status_code == 302


@pytest.mark.parametrize(
    "name", ["account_signup", "account_reset_password", "account_email", "account_change_password"]
)
def test_nobody_signs_up_or_resets_a_password_here(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)
