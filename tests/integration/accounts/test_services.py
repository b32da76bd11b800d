"""The rules about people, groups, memberships and tokens, and that every change leaves its trace."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts import selectors, services
from accounts.domain.roles import Role
from accounts.errors import NameTakenError, PeopleInvalidError, TokenMissingError
from accounts.models import ApiToken, AuditEvent, Membership, User, UserGroup
from tests.factories.clusters import make_cluster
from tests.factories.people import PASSWORD, make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def kinds() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("kind", flat=True))


# --- the audit trail ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    ada = make_admin()
    with pytest.raises(RuntimeError, match="outside a transaction"):
        services.record_event("user.created", by=ada, about=ada, summary="…")
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_goes_with_the_change_it_tells_of() -> None:
    ada = make_admin()
    with suppress(ZeroDivisionError), transaction.atomic():
        services.create_group(name="vision", by=ada)
        _ = 1 / 0
    assert not UserGroup.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_event_outlives_its_actor() -> None:
    ada = make_admin()
    services.create_group(name="vision", by=ada)
    AuditEvent.objects.update(actor=None)
    assert AuditEvent.objects.get().actor_name == "ada"


# --- users -------------------------------------------------------------------------------------------------------------------


def test_a_new_user_can_sign_in_and_is_in_the_trail() -> None:
    user = services.create_user(username="grace", password=PASSWORD, role=Role.RESEARCHER, by=make_admin())
    assert user.check_password(PASSWORD)
    event = AuditEvent.objects.get()
    assert (event.kind, event.subject_name, event.details["role"]) == ("user.created", "grace", "researcher")
    assert PASSWORD not in str(event.details) + event.summary


@pytest.mark.parametrize(
    "username", ["", "Grace", "grace hopper", "-grace", "grace-", "grace_h", "g" * 64, "grace\n", "ä"]
)
def test_a_name_that_kubernetes_would_refuse_is_refused(username: str) -> None:
    with pytest.raises(PeopleInvalidError) as caught:
        services.create_user(username=username, password=PASSWORD, role=Role.RESEARCHER, by=make_admin())
    assert {finding.field for finding in caught.value.findings} == {"username"}
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("password", "words"), [("short", "at least 10"), ("password123", "too common"), ("grace-hopper", "too similar")]
)
def test_a_weak_password_is_refused_with_the_reason(password: str, words: str) -> None:
    with pytest.raises(PeopleInvalidError, match=words) as caught:
        services.create_user(username="grace-hopper", password=password, role=Role.RESEARCHER, by=make_admin())
    assert caught.value.findings[0].field == "password"
    assert caught.value.findings[0].value == "", "a password is never echoed"


def test_a_weak_new_password_leaves_the_old_one() -> None:
    user = make_user("grace")
    with pytest.raises(PeopleInvalidError):
        services.set_password(user=user, password="short", by=make_admin())
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)


def test_every_broken_field_is_named_at_once() -> None:
    with pytest.raises(PeopleInvalidError) as caught:
        services.create_user(username="Ä", password="x", role=Role.RESEARCHER, email="nobody", by=make_admin())
    assert {finding.field for finding in caught.value.findings} == {"username", "email", "password"}


def test_a_taken_name_is_a_conflict() -> None:
    make_user("grace")
    with pytest.raises(NameTakenError, match="already a user 'grace'"):
        services.create_user(username="grace", password=PASSWORD, role=Role.RESEARCHER, by=make_admin())


@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_a_name_at_once_one_gets_it() -> None:
    ada = make_admin()
    outcomes = run_at_once(
        lambda: services.create_group(name="vision", by=ada), lambda: services.create_group(name="vision", by=ada)
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NameTakenError", "UserGroup"]
    assert kinds() == ["group.created"]


@pytest.mark.parametrize("change", [{"role": Role.RESEARCHER}, {"is_active": False}])
def test_the_last_active_admin_stays_one(change: dict[str, object]) -> None:
    ada = make_admin()
    make_user("former", role=Role.ADMIN, is_active=False)
    with pytest.raises(PeopleInvalidError, match="last active admin"):
        services.change_user(user=ada, by=ada, **change)  # type: ignore[arg-type]  # by field name
    assert User.objects.get(pk=ada.pk).is_admin
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_admins_who_demote_each_other_one_stays() -> None:
    ada, bob = make_admin("ada"), make_user("bob", role=Role.ADMIN)
    outcomes = run_at_once(
        lambda: services.change_user(user=bob, by=ada, role=Role.RESEARCHER),
        lambda: services.change_user(user=ada, by=bob, role=Role.RESEARCHER),
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["PeopleInvalidError", "User"]
    assert User.objects.filter(role=Role.ADMIN, is_active=True).count() == 1


def test_a_change_tells_before_and_after_and_no_change_tells_nothing() -> None:
    ada, grace = make_admin(), make_user("grace")
    services.change_user(user=grace, by=ada, display_name="Grace Hopper", is_active=True)
    event = AuditEvent.objects.get()
    assert event.details == {"before": {"display_name": ""}, "after": {"display_name": "Grace Hopper"}}
    services.change_user(user=grace, by=ada, display_name="Grace Hopper")
    assert AuditEvent.objects.count() == 1


# --- groups ------------------------------------------------------------------------------------------------------------------


def test_members_come_change_and_go() -> None:
    ada, grace, group = make_admin(), make_user("grace"), make_group("vision")
    services.set_member(group=group, user=grace, by=ada)
    services.set_member(group=group, user=grace, by=ada, is_owner=True)
    services.set_member(group=group, user=grace, by=ada, is_owner=True)
    assert Membership.objects.get().is_owner
    services.remove_member(group=group, user=grace, by=ada)
    services.remove_member(group=group, user=grace, by=ada)
    assert kinds() == ["group.member-set", "group.member-set", "group.member-removed"]


def test_a_group_that_a_quota_refers_to_is_not_deleted() -> None:
    ada, group = make_admin(), make_group("vision")
    make_quota(get_root(make_tree(make_cluster(), "root", gpus=8)), "vision-quota", group=group)
    with pytest.raises(PeopleInvalidError, match="bound to vision-quota"):
        services.delete_group(group=group, by=ada)
    assert UserGroup.objects.filter(name="vision").exists()
    assert not AuditEvent.objects.exists()


def test_a_deleted_group_leaves_its_people_and_its_name_in_the_trail() -> None:
    ada, grace = make_admin(), make_user("grace")
    services.delete_group(group=make_group("vision", members=(grace,)), by=ada)
    assert User.objects.filter(username="grace").exists()
    assert AuditEvent.objects.get().subject_name == "vision"


def test_a_group_keeps_its_name_when_it_is_shown_otherwise() -> None:
    group = services.change_group(group=make_group("vision"), by=make_admin(), display_name="Computer Vision")
    assert (group.name, group.display_name) == ("vision", "Computer Vision")
    assert kinds() == ["group.changed"]


# --- tokens ------------------------------------------------------------------------------------------------------------------


def make_token(user: User, *, life: timedelta = timedelta(days=30), is_read_only: bool = True) -> tuple[ApiToken, str]:
    return services.create_token(user=user, name="ci", is_read_only=is_read_only, life=life, now=NOW)


def test_only_the_digest_of_a_token_is_kept() -> None:
    token, text = make_token(make_user("grace"))
    assert text.startswith("aid_")
    assert len(text) > 40
    stored = str(ApiToken.objects.values().get()) + str(AuditEvent.objects.values().get())
    assert text not in stored
    assert token.digest == selectors.digest_token(text)


@pytest.mark.parametrize("life", [timedelta(0), timedelta(days=-1), timedelta(days=366)])
def test_a_token_lives_a_day_to_a_year(life: timedelta) -> None:
    with pytest.raises(PeopleInvalidError, match=f"1 to 365 days, not {life.days}"):
        make_token(make_user("grace"), life=life)


def test_the_trail_names_a_token_as_its_owner_does() -> None:
    grace = make_user("grace")
    token, _ = make_token(grace)
    services.revoke_token(token=token, by=grace)
    events = AuditEvent.objects.filter(kind__startswith="token.")
    assert set(events.values_list("kind", "subject_name")) == {("token.created", "ci"), ("token.revoked", "ci")}


def test_a_token_is_found_until_it_runs_out_is_revoked_or_its_owner_is_shut_out() -> None:
    grace = make_user("grace")
    token, text = make_token(grace)
    assert selectors.find_token(text=text, now=NOW) == token
    assert selectors.find_token(text=text + "x", now=NOW) is None
    assert selectors.find_token(text=text, now=NOW + timedelta(days=30)) is None
    User.objects.filter(pk=grace.pk).update(is_active=False)
    assert selectors.find_token(text=text, now=NOW) is None
    User.objects.filter(pk=grace.pk).update(is_active=True)
    services.revoke_token(token=token, by=grace)
    assert selectors.find_token(text=text, now=NOW) is None


def test_the_use_of_a_token_is_noted_to_the_minute() -> None:
    _, text = make_token(make_user("grace"))
    for seconds in (0, 30, 59):
        selectors.find_token(text=text, now=NOW + timedelta(seconds=seconds))
    assert ApiToken.objects.get().last_used_at == NOW
    selectors.find_token(text=text, now=NOW + timedelta(seconds=90))
    assert ApiToken.objects.get().last_used_at == NOW + timedelta(seconds=90)


def test_somebody_elses_token_does_not_exist() -> None:
    token, _ = make_token(make_user("grace"))
    with pytest.raises(TokenMissingError):
        selectors.get_token(user=make_user("otto"), token_id=token.pk)


def run_at_once(*functions) -> list[object]:
    """Run functions in threads of their own that start together; an error is its outcome."""
    barrier = threading.Barrier(len(functions))
    outcomes: list[object] = []

    def run(function) -> None:
        barrier.wait(5)
        try:
            outcomes.append(function())
        except Exception as error:
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return outcomes
