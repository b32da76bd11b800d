"""Nodes and GPUs: what is counted, filtered, sorted, downloaded and shown of one."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from clusters.models import ObservedNode
from tests.factories.clusters import make_cluster
from tests.factories.organisation import Organisation, make_organisation
from tests.factories.people import make_admin
from tests.integration.frontend.htmx import get_fragment, text_of
from tests.integration.frontend.reading import count_rows, links_in, numbers_in, read, read_csv, sentence_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def organisation(client: Client) -> Organisation:
    made = make_organisation()
    sign_in(client, made.admin)
    return made


def test_the_sentence_adds_up_what_is_shown(client: Client, organisation: Organisation) -> None:
    assert sentence_of(client, "/nodes/") == (
        "3 GPU nodes with 24 GPUs: 10 allocated, 6 free on 1 node; 1 node can't give all it has."
    )
    assert sentence_of(client, "/nodes/?pool=l40s").startswith("1 of 3 GPU nodes with 8 GPUs: 2 allocated, 6 free")


@pytest.mark.parametrize("query", ["", "?pool=h100", "?pool=l40s", "?state=cordoned", "?state=broken", "?free=6"])
def test_following_a_number_leads_to_what_it_counts_under_any_filter(
    client: Client, organisation: Organisation, query: str
) -> None:
    for number, address in numbers_in(client, f"/nodes/{query}"):
        rows = read_csv(client, f"{address}&format=csv")
        assert number in {len(rows), sum(int(row["free"]) for row in rows)}
    for number, address in numbers_in(client, "/nodes/gpus?search=l40s"):
        assert count_rows(client, address) == number


def test_the_chips_count_what_the_other_filters_leave(client: Client, organisation: Organisation) -> None:
    assert "Free 6 Unhealthy 0 No telemetry 2" in read(client, "/nodes/gpus?search=l40s-1")
    assert "Broken 0 With free GPUs 1" in read(client, "/nodes/?pool=l40s&state=full")


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("state=broken", 1),
        ("state=free", 1),
        ("state=full", 1),
        ("free=6", 1),
        ("free=8", 0),
        ("pool=h100", 2),
        ("zone=zone-b", 1),
        ("model=NVIDIA-L40S", 1),
        ("search=l40", 1),
        ("search=nothing", 0),
        ("state=nonsense", 3),
    ],
)
def test_filters_leave_the_nodes_they_name(client: Client, organisation: Organisation, query: str, nodes: int) -> None:
    assert count_rows(client, f"/nodes/?{query}") == nodes
    assert len(read_csv(client, f"/nodes/?{query}&format=csv")) == nodes


def test_the_csv_is_the_whole_list_and_not_the_page(client: Client, organisation: Organisation) -> None:
    now = organisation.cluster.created_at
    ObservedNode.objects.bulk_create(
        [
            ObservedNode(
                cluster=organisation.cluster, uid=str(number), name=f"n-{number}", resource_version="1", created_at=now,
                observed_at=now, gpu_capacity=4, gpu_allocatable=4, is_ready=True,
            )
            for number in range(70)
        ]
    )  # fmt: skip
    assert count_rows(client, "/nodes/") == 50
    assert len(read_csv(client, "/nodes/?format=csv")) == 73


def test_nodes_sort_by_what_the_address_says(client: Client, organisation: Organisation) -> None:
    rows = read_csv(client, "/nodes/?sort=-free&format=csv")
    assert [row["name"] for row in rows] == ["l40s-1", "h100-1", "h100-2"] or rows[0]["free"] == "6"


def test_a_fragment_is_the_part_of_the_page(client: Client, organisation: Organisation) -> None:
    page, fragment = client.get("/nodes/?pool=h100"), get_fragment(client, "/nodes/?pool=h100", "node-list")
    assert text_of(fragment) in text_of(page)
    assert "<html" not in text_of(fragment)


def test_without_telemetry_cells_show_what_pods_hold(client: Client, organisation: Organisation) -> None:
    assert (
        "No metrics yet. What pods hold is known; utilisation, memory and errors are not. Connect Prometheus"
        in read(client, "/nodes/gpus")
    )
    assert links_in(client, "/nodes/gpus", "/clusters/[^/]*/prometheus") == ["/clusters/prod-a/prometheus"]
    assert count_rows(client, "/nodes/gpus?state=free") == 6
    assert count_rows(client, "/nodes/gpus?state=no_telemetry") == 18
    assert count_rows(client, "/nodes/gpus?state=idle") == 0


def test_a_figure_that_is_missing_tells_why(client: Client, organisation: Organisation) -> None:
    markup = client.get("/nodes/").content.decode()
    reasons = set(re.findall(r'class="no-value"[^>]*title="([^"]*)"', markup))
    assert reasons == {"This cluster has no metrics source: an administrator can connect a Prometheus."}


def test_a_node_shows_its_pods_with_their_people(client: Client, organisation: Organisation) -> None:
    text = read(client, "/nodes/h100-1")
    assert "8 GPUs NVIDIA-H100-80GB-HBM3 in pool h100, zone-a: 8 allocated, 0 free." in text.replace(" :", ":")
    assert "bert-0 nlp-train Running grace 4" in text


def test_a_cordoned_node_says_that_it_takes_no_work(client: Client, organisation: Organisation) -> None:
    text = read(client, "/nodes/h100-2")
    assert "takes no work" in text
    assert "Cordoned" in text


def test_the_peek_is_a_small_card(client: Client, organisation: Organisation) -> None:
    markup = client.get("/nodes/h100-1/peek").content.decode()
    assert "<html" not in markup
    assert markup.count("<tr>") == 9


def test_a_node_that_is_not_there_is_a_404(client: Client, organisation: Organisation) -> None:
    assert client.get("/nodes/nope").status_code == 404
    assert client.get("/nodes/nope/peek").status_code == 404


def test_a_cluster_without_gpus_says_what_to_expect(client: Client) -> None:
    make_cluster("plain")
    sign_in(client, make_admin())
    assert "plain has no node with GPUs." in read(client, "/nodes/")
    assert "No GPU was seen in this cluster." in read(client, "/nodes/gpus")


@pytest.mark.parametrize("path", ["/nodes/", "/nodes/gpus", "/nodes/h100-1", "/nodes/h100-1/peek"])
def test_only_admins_see_nodes(client: Client, organisation: Organisation, path: str) -> None:
    assert sign_in(client, organisation.member).get(path).status_code == 403
    client.logout()
    assert client.get(path).status_code == 302
