"""The overview: four answers, each leading to the list that it counts."""

from __future__ import annotations

import pytest
from django.test import Client

from clusters.models import Cluster, Connection, ObservedNode, WorkloadState
from frontend.pages.overview import LOOKS
from tests.factories.clusters import make_cluster, make_workload
from tests.factories.organisation import Organisation, make_organisation
from tests.factories.people import make_admin
from tests.integration.frontend.htmx import get_fragment, text_of
from tests.integration.frontend.reading import count_rows, read, sentence_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organisation(client: Client) -> Organisation:
    made = make_organisation()
    sign_in(client, made.admin)
    return made


def test_it_begins_with_the_answer(client: Client, organisation: Organisation) -> None:
    assert sentence_of(client, "/overview/") == "10 of 24 GPUs allocated; 1 job waits."


def test_without_a_cluster_it_leads_to_registering_one(client: Client) -> None:
    text = read(sign_in(client, make_admin()), "/overview/")
    assert "Register the first cluster" in text


def test_without_nodes_it_says_so(client: Client) -> None:
    make_cluster("empty")
    assert sentence_of(sign_in(client, make_admin()), "/overview/") == "No GPU was seen in empty yet."


def test_what_is_broken_is_named_with_its_reason(client: Client, organisation: Organisation) -> None:
    text = read(client, "/overview/")
    assert "Broken 1 node, 8 GPUs lost to new work h100-2 cordoned" in text


def test_free_cards_are_counted_in_the_blocks_they_come_in(client: Client, organisation: Organisation) -> None:
    text = read(client, "/overview/")
    assert "Free and usable 6 of 24 GPUs" in text
    assert "1 node with 6 free each" in text
    assert "the largest job on one node is 6" in text


def test_the_numbers_lead_to_lists_with_as_many_rows(client: Client, organisation: Organisation) -> None:
    cluster = organisation.cluster.name
    assert count_rows(client, f"/nodes/?cluster={cluster}&state=broken") == 1
    assert count_rows(client, f"/nodes/?cluster={cluster}&free=6") == 1
    assert count_rows(client, f"/workloads/?cluster={cluster}&state=waiting") == 1


def test_the_head_of_each_queue_says_why_it_waits(client: Client, organisation: Organisation) -> None:
    make_workload(
        organisation.cluster, "urgent", state=WorkloadState.PENDING, gpus=2, priority=100,
        cluster_queue=organisation.nlp.queue_name,
    )  # fmt: skip
    text = read(client, "/overview/")
    assert "Waiting 2 workloads for 10 GPUs nlp urgent waits" in text


def test_without_a_metrics_source_idle_is_not_known_and_never_0(client: Client, organisation: Organisation) -> None:
    text = read(client, "/overview/")
    assert "No metrics yet." in text
    assert "Nobody holds a GPU without using it" not in text


def test_quota_bars_stand_for_the_root_and_what_is_below_it(client: Client, organisation: Organisation) -> None:
    text = read(client, "/overview/")
    assert "root 10 used · 8 pending" in text
    assert "nlp 6 used" in text


def test_other_clusters_are_listed_with_the_same_numbers(client: Client, organisation: Organisation) -> None:
    Cluster.objects.filter(pk=organisation.cluster.pk).update(name="a-first")
    make_cluster("second", connection=Connection.UNREACHABLE)
    assert "Other clusters" in read(client, "/overview/?cluster=a-first")


def test_the_chart_says_why_it_is_empty(client: Client, organisation: Organisation) -> None:
    series = client.get("/overview/history").json()
    assert series["lines"] == []
    assert series["message"]


def test_every_line_of_the_chart_has_a_unit() -> None:
    assert {look.unit for look in LOOKS.values()} == {"count", "ratio"}


def test_a_researcher_does_not_get_it(client: Client, organisation: Organisation) -> None:
    assert sign_in(client, organisation.member).get("/overview/").status_code == 403


def test_a_cluster_that_is_gone_is_a_404(client: Client, organisation: Organisation) -> None:
    assert client.get("/overview/?cluster=nope").status_code == 404


def test_it_makes_as_many_queries_for_many_nodes_as_for_few(
    client: Client, organisation: Organisation, django_assert_max_num_queries: object
) -> None:
    client.get("/overview/")  # the session and the content types are read once
    ObservedNode.objects.bulk_create(
        [
            ObservedNode(
                cluster=organisation.cluster, uid=f"n{number}", name=f"n{number}", resource_version="1",
                created_at=organisation.cluster.created_at, observed_at=organisation.cluster.created_at, gpu_capacity=8,
                gpu_allocatable=8, is_ready=True,
            )
            for number in range(200)
        ]
    )  # fmt: skip
    with django_assert_max_num_queries(60):  # type: ignore[operator]  # a fixture without a type
        client.get("/overview/")


@pytest.mark.parametrize("part", ["overview-answers", "overview-quotas", "overview-events"])
def test_each_part_is_fetched_by_itself_and_is_the_part_of_the_page(
    client: Client, organisation: Organisation, part: str
) -> None:
    page, fragment = client.get("/overview/"), get_fragment(client, "/overview/", part)
    assert text_of(fragment) in text_of(page)
    assert f'id="{part}"' in text_of(fragment)


def test_the_chart_has_a_table(client: Client, organisation: Organisation) -> None:
    assert "No data for this range:" in read(client, "/overview/history/table?range=1h")
