"""The researcher's home: what they can start, how their quotas stand, how their work does - and nothing of others."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.factories.organisation import Organisation, make_organisation
from tests.factories.people import make_group, make_user
from tests.integration.frontend.htmx import get_fragment, text_of
from tests.integration.frontend.reading import read, sentence_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organisation() -> Organisation:
    return make_organisation()


def test_it_begins_with_what_can_start_now(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    assert sentence_of(client, "/home/") == (
        "You can start 6 GPUs now: 2 guaranteed, 4 borrowed that may be reclaimed. The largest job on one node is 6 GPUs."
    )


def test_quotas_jobs_and_namespaces_are_those_of_their_groups(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    text = read(client, "/home/")
    for words in ("nlp", "nlp-team", "nlp-train", "6 used, 8 guaranteed, at most 16, 8 waiting", "bert", "waiting-1"):
        assert words in text
    assert "vision" not in text
    assert "resnet" not in text


def test_the_counts_lead_to_their_lists(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    text = read(client, "/home/")
    assert "Running 2" in text
    assert "Waiting 1" in text
    assert "Failed 0" in text


def test_without_a_group_it_says_whom_to_ask(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.outsider)
    text = read(client, "/home/")
    assert "You are in no group yet" in text
    assert "bert" not in text


def test_a_group_without_quota_is_told_apart(client: Client, organisation: Organisation) -> None:
    newcomer = make_user("nora")
    make_group("new-team", members=(newcomer,))
    assert "Your groups have no quota yet" in read(sign_in(client, newcomer), "/home/")


def test_a_fragment_is_the_part_of_the_page(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    page, fragment = client.get("/home/"), get_fragment(client, "/home/", "home")
    assert text_of(fragment) in text_of(page)


def test_a_visitor_is_sent_to_the_login(client: Client, organisation: Organisation) -> None:
    assert client.get("/home/").status_code == 302


def test_before_the_first_cluster_it_says_who_has_to_act(client: Client) -> None:
    assert "An administrator has to register a cluster" in read(sign_in(client, make_user()), "/home/")
