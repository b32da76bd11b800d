"""Signing in at the door: what is counted, and what the answer gives away."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import pytest
from django.core.cache import cache
from django.test import Client

from aidashboard.settings import base
from frontend.middleware import REDIS_AWAY
from tests.factories.people import PASSWORD, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limits(settings) -> Iterator[None]:
    """The limits of the product; the test settings switch them off."""
    settings.ACCOUNT_RATE_LIMITS = base.ACCOUNT_RATE_LIMITS
    cache.clear()
    yield
    cache.clear()


def sign_in(username: str, password: str, *, address: str = "10.1.1.1") -> int:
    data = {"login": username, "password": password}
    return Client().post("/login", data, REMOTE_ADDR=address).status_code


def test_the_right_password_opens() -> None:
    make_user("grace")
    assert sign_in("grace", PASSWORD) == 302


def test_after_five_failures_the_right_password_no_longer_opens() -> None:
    make_user("grace")
    statuses = [sign_in("grace", "wrong-password", address=f"10.1.1.{index}") for index in range(5)]
    assert statuses == [200] * 5
    assert sign_in("grace", PASSWORD, address="10.1.1.99") != 302
    make_user("otto")
    assert sign_in("otto", PASSWORD, address="10.1.1.99") == 302, "others are not shut out with her"


def test_while_nobody_counts_attempts_signing_in_is_refused_in_words(settings, tmp_path) -> None:
    make_user("grace")
    known = settings.CACHES
    nobody = f"unix://{tmp_path}/nobody.sock?db=2"
    settings.CACHES = {"default": {**known["default"], "LOCATION": nobody}}
    answer = Client().post("/login", {"login": "grace", "password": PASSWORD})
    settings.CACHES = known
    assert answer.status_code == 503
    assert REDIS_AWAY in unescape(answer.content.decode())


def test_an_inactive_person_stays_out() -> None:
    make_user("grace", is_active=False)
    client = Client()
    client.post("/login", {"login": "grace", "password": PASSWORD})
    assert client.get("/api/v1/me/").status_code == 401


def test_a_person_who_is_shut_out_loses_the_session_at_once() -> None:
    grace = make_user("grace")
    client = Client()
    client.force_login(grace)
    assert client.get("/api/v1/me/").status_code == 200
    grace.is_active = False
    grace.save(update_fields=["is_active"])
    assert client.get("/api/v1/me/").status_code == 401
