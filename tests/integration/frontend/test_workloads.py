"""Workloads: each person their own, with the reason when one waits and the story of one."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from clusters.models import ObservedWorkload, WorkloadState
from tests.factories.clusters import make_workload
from tests.factories.organisation import Organisation, make_organisation
from tests.integration.frontend.htmx import get_fragment, text_of
from tests.integration.frontend.reading import count_rows, numbers_in, read, read_csv, sentence_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organisation() -> Organisation:
    return make_organisation()


def uid_of(name: str) -> str:
    return ObservedWorkload.objects.get(owner_name=name).uid


def test_the_sentence_counts_by_state(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.admin)
    assert sentence_of(client, "/workloads/") == "3 running, 1 waiting, 0 failed, 0 finished."


def test_each_number_is_the_count_of_its_list(client: Client, organisation: Organisation) -> None:
    make_workload(organisation.cluster, "lost", state=WorkloadState.EVICTED)
    make_workload(organisation.cluster, "broken", state=WorkloadState.FAILED)
    sign_in(client, organisation.admin)
    assert sentence_of(client, "/workloads/") == "3 running, 2 waiting, 1 failed, 0 finished."
    for state, rows in (("running", 3), ("waiting", 2), ("failed", 1), ("finished", 0)):
        assert count_rows(client, f"/workloads/?state={state}") == rows
        assert len(read_csv(client, f"/workloads/?state={state}&format=csv")) == rows


@pytest.mark.parametrize("query", ["", "?namespace=nlp-train", "?search=resnet", "?person=grace&state=running"])
def test_following_a_number_leads_to_as_many_rows_under_any_filter(
    client: Client, organisation: Organisation, query: str
) -> None:
    make_workload(organisation.cluster, "broken", state=WorkloadState.FAILED, namespace="vision-train")
    sign_in(client, organisation.admin)
    numbers = numbers_in(client, f"/workloads/{query}")
    assert len(numbers) == 4
    assert [number for number, _ in numbers] == [count_rows(client, address) for _, address in numbers]
    chips = re.findall(r'class="filter-chip[^"]*" href="([^"]*)"[^>]*>[^<]*<span class="count">(\d+)', client.get(
        f"/workloads/{query}"
    ).content.decode())  # fmt: skip
    for address, number in chips:
        if "state=" in address:
            assert count_rows(client, html.unescape(address)) == int(number)


def test_a_filter_that_leaves_nothing_is_no_cluster_without_work(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.admin)
    assert sentence_of(client, "/workloads/?search=nothing") == (
        "0 running, 0 waiting, 0 failed, 0 finished. 0 workloads shown."
    )
    assert "No workload matches" in read(client, "/workloads/?search=nothing")


def test_what_ended_without_having_run_has_no_running_time(client: Client, organisation: Organisation) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    make_workload(
        organisation.cluster, "refused", state=WorkloadState.FAILED, admitted_at=None, state_since=long_ago, finished_at=long_ago,
    )  # fmt: skip
    sign_in(client, organisation.admin)
    assert "ran –" in read(client, "/workloads/?search=refused")


@pytest.mark.parametrize(
    ("query", "rows"),
    [("search=resnet", 1), ("namespace=vision-train", 1), ("person=grace", 4), ("queue=nlp", 3), ("queue=root", 4)],
)
def test_filters_narrow_the_list(client: Client, organisation: Organisation, query: str, rows: int) -> None:
    sign_in(client, organisation.admin)
    assert count_rows(client, f"/workloads/?{query}") == rows


def test_a_state_that_does_not_exist_is_refused_instead_of_showing_everything(
    client: Client, organisation: Organisation
) -> None:
    client.force_login(organisation.admin)
    response = client.get("/workloads/?state=sleeping")
    assert response.status_code == 422
    assert "none of waiting, running, failed, finished" in response.content.decode()


def test_a_member_sees_the_work_of_their_groups_alone(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    text = read(client, "/workloads/")
    assert "bert" in text
    assert "resnet" not in text
    assert len(read_csv(client, "/workloads/?format=csv")) == 3
    assert client.get(f"/workloads/{uid_of('resnet')}").status_code == 404


def test_an_outsider_sees_none(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.outsider)
    assert "You are in no group yet" in read(client, "/workloads/")
    assert client.get(f"/workloads/{uid_of('bert')}").status_code == 404


def test_a_visitor_is_sent_to_the_login(client: Client, organisation: Organisation) -> None:
    assert client.get("/workloads/").status_code == 302
    assert client.get(f"/workloads/{uid_of('bert')}").status_code == 302


def test_a_waiting_one_says_why_with_numbers_and_what_would_help(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    text = read(client, f"/workloads/{uid_of('waiting-1')}")
    assert "Why it waits" in text
    assert "needs 8 GPUs" in text.replace("Needs", "needs")
    assert "place 1 in its queue" in text
    assert "insufficient unused quota" in text


def test_a_member_is_not_told_who_else_borrows(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.member)
    assert "vision" not in read(client, f"/workloads/{uid_of('waiting-1')}").replace("/vision", "")


def test_a_running_one_tells_its_story(client: Client, organisation: Organisation) -> None:
    sign_in(client, organisation.admin)
    text = read(client, f"/workloads/{uid_of('bert')}")
    for words in (
        "Created",
        "Queued",
        "Admitted",
        "Pods ready",
        "Admitted 10 min ago with 4 GPUs on 1 node",
        "bert-0 Running h100-1",
    ):
        assert words in text
    assert "Why it waits" not in text


def test_links_to_nodes_are_for_those_who_may_follow_them(client: Client, organisation: Organisation) -> None:
    address = f"/workloads/{uid_of('bert')}"
    assert "/nodes/h100-1" in sign_in(client, organisation.admin).get(address).content.decode()
    assert "/nodes/h100-1" not in sign_in(client, organisation.member).get(address).content.decode()


def test_a_finished_one_asks_for_no_more_updates(client: Client, organisation: Organisation) -> None:
    done = make_workload(organisation.cluster, "done", state=WorkloadState.FINISHED)
    sign_in(client, organisation.admin)
    assert (
        'id="workload" class="page-grid" data-aid-topics' not in client.get(f"/workloads/{done.uid}").content.decode()
    )
    assert "Finished after 4 min" in read(client, f"/workloads/{done.uid}")


@pytest.mark.parametrize(("url", "target"), [("/workloads/?state=running", "workload-list"), ("{bert}", "workload")])
def test_a_fragment_is_the_part_of_the_page(client: Client, organisation: Organisation, url: str, target: str) -> None:
    sign_in(client, organisation.admin)
    url = url.replace("{bert}", f"/workloads/{uid_of('bert')}")
    page, fragment = client.get(url), get_fragment(client, url, target)
    assert text_of(fragment) in text_of(page)


def test_text_of_people_is_shown_as_text(client: Client, organisation: Organisation) -> None:
    make_workload(organisation.cluster, "<script>alert(1)</script>", message="<img src=x>", state=WorkloadState.FAILED)
    sign_in(client, organisation.admin)
    markup = client.get("/workloads/").content.decode()
    assert "<script>alert" not in markup
    assert "<img" not in markup


def test_one_that_was_admitted_and_finds_no_node_is_starting_and_not_running(
    client: Client, organisation: Organisation
) -> None:
    lost = make_workload(organisation.cluster, "too-large", gpus=8)
    sign_in(client, organisation.admin)
    assert count_rows(client, "/workloads/?state=unplaced") == 1
    text = read(client, f"/workloads/{lost.uid}")
    assert "Starting" in text
    assert "0 of 1 pod runs" in text
    assert "Promised 1 admitted job without a node for all pods 8 GPUs" in read(client, "/overview/")


def test_one_whose_pods_all_run_has_reached_that_station(client: Client, organisation: Organisation) -> None:
    ObservedWorkload.objects.update(pods_ready_at=None)
    sign_in(client, organisation.admin)
    assert "Pods ready all of them Finished running for" in read(client, f"/workloads/{uid_of('bert')}")
