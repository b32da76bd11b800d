"""The audit trail: who changed what, from which value to which."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts import services
from accounts.domain.roles import Role
from accounts.models import AuditEvent, User
from tests.factories.people import make_admin, make_user
from tests.integration.frontend.htmx import get_fragment, text_of
from tests.integration.frontend.reading import count_rows, read, read_csv, sentence_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> User:
    admin = make_admin()
    sign_in(client, admin)
    return admin


def make_events(admin: User) -> User:
    user = services.create_user(username="linus", password="a long enough one", role=Role.RESEARCHER, by=admin)
    services.change_user(user=user, by=admin, email="linus@example.org", is_active=False)
    services.create_group(name="kernel", by=None)
    return user


def test_before_anything_happened_it_says_what_will_be_here(client: Client, admin: User) -> None:
    assert "Nothing was changed yet" in read(client, "/audit/")


def test_filters_narrow_the_list_and_the_download(client: Client, admin: User) -> None:
    user = make_events(admin)
    AuditEvent.objects.filter(kind="group.created").update(at=timezone.now() - timedelta(days=2))
    for query, rows in (
        ("", 3),
        ("kind=user.changed", 1),
        ("kind=user.", 2),
        ("actor=ada", 2),
        ("actor=aidashboard", 1),
        ("since=24h", 2),
        ("since=7d", 3),
        ("search=kernel", 1),
        (f"subject_type=User&subject={user.pk}", 2),
        ("kind=nonsense", 0),
    ):
        assert count_rows(client, f"/audit/?{query}") == rows, query
        assert len(read_csv(client, f"/audit/?{query}&format=csv")) == rows, query


def test_the_sentence_says_what_is_shown(client: Client, admin: User) -> None:
    make_events(admin)
    assert sentence_of(client, "/audit/?actor=ada&since=24h") == "2 changes by ada in the last 24 hours."


def test_an_event_shows_values_before_and_after(client: Client, admin: User) -> None:
    make_events(admin)
    event = AuditEvent.objects.get(kind="user.changed")
    text = read(client, f"/audit/{event.pk}")
    assert "email – linus@example.org" in text
    assert "is_active yes no" in text


def test_nested_values_are_compared_leaf_by_leaf(client: Client, admin: User) -> None:
    details = {
        "before": {"max": {"nvidia.com/gpu": "16", "cpu": "8"}},
        "after": {"max": {"nvidia.com/gpu": "24", "cpu": "8"}},
    }
    with transaction.atomic():
        services.record_event("quota.changed", by=admin, about=admin, summary="Max raised", details=details)
    text = read(client, f"/audit/{AuditEvent.objects.get().pk}")
    assert "max · nvidia.com/gpu 16 24" in text
    assert "max · cpu" not in text


def test_a_formula_in_a_name_does_not_run_in_a_spreadsheet(client: Client, admin: User) -> None:
    with transaction.atomic():
        services.record_event("quota.changed", by=admin, about=admin, summary="=HYPERLINK(1)")
    assert read_csv(client, "/audit/?format=csv")[0]["summary"] == "'=HYPERLINK(1)"


def test_a_fragment_is_the_part_of_the_page(client: Client, admin: User) -> None:
    make_events(admin)
    page, fragment = client.get("/audit/"), get_fragment(client, "/audit/", "audit-list")
    assert text_of(fragment) in text_of(page)


def test_it_is_for_admins(client: Client, admin: User) -> None:
    make_events(admin)
    event = AuditEvent.objects.first()
    assert event is not None
    sign_in(client, make_user())
    assert client.get("/audit/").status_code == 403
    assert client.get(f"/audit/{event.pk}").status_code == 403


def test_an_event_that_is_not_there_is_a_404(client: Client, admin: User) -> None:
    assert client.get("/audit/424242").status_code == 404
