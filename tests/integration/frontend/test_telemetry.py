"""What pages show of telemetry: used, idle and broken cards with their people; old values while the source is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import Membership, User, UserGroup
from monitoring import promql
from monitoring.models import PrometheusSource
from monitoring.promql import FIGURE
from tests.factories.organisation import make_organisation
from tests.factories.people import make_user
from tests.integration.frontend.reading import count_rows, read, sentence_of, sign_in
from tests.integration.monitoring.stub import Reply, StubPrometheus, stub_prometheus, vector

pytestmark = pytest.mark.django_db
IDLE, BUSY = "bert-0", "resnet-0"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def device(index: int) -> dict[str, str]:
    return {"node": "h100-1", "UUID": f"GPU-{index}", "gpu": str(index), "modelName": "H100"}


def holder(index: int) -> dict[str, str]:
    """The first four cards are held by the idle pod, the others by the busy one."""
    name, namespace = (IDLE, "nlp-train") if index < 4 else (BUSY, "vision-train")
    return {**device(index), "namespace": namespace, "pod": name}


def answer(path: str, form: dict[str, str]) -> Reply:
    query = form.get("query", "")
    if f'"{FIGURE}", "peak"' in query:
        samples = [({**holder(index), FIGURE: "peak"}, 0.0 if index < 4 else 90.0) for index in range(8)]
        return vector(*samples, *(({**holder(index), FIGURE: "samples"}, 60.0) for index in range(8)))
    if f'"{FIGURE}", "used"' in query:
        return vector(*(({**device(index), FIGURE: "used"}, 0.0 if index < 4 else 75.0) for index in range(8)))
    if query == promql.device_holders().text:
        return vector(*((holder(index), 1.0) for index in range(8)))
    return vector()


@pytest.fixture
def source(client: Client) -> Iterator[StubPrometheus]:
    organisation = make_organisation()
    sign_in(client, organisation.admin)
    with stub_prometheus(answer) as stub:
        PrometheusSource.objects.create(cluster=organisation.cluster, url=stub.url)
        yield stub


def test_idle_cards_are_counted_alike_everywhere(client: Client, source: StubPrometheus) -> None:
    assert sentence_of(client, "/overview/") == "10 of 24 GPUs allocated, 4 of them idle for over an hour; 1 job waits."
    assert count_rows(client, "/nodes/gpus?state=idle") == 4
    assert count_rows(client, "/nodes/gpus?state=busy") == 4


def test_waste_has_an_owner(client: Client, source: StubPrometheus) -> None:
    assert "Wasted 4 GPUs held and idle for over an hour grace nlp 4 GPUs" in read(client, "/overview/")


def test_a_node_shows_what_each_card_does_and_for_whom(client: Client, source: StubPrometheus) -> None:
    text = read(client, "/nodes/h100-1")
    assert "used to 38% on average" in text
    assert "GPU 0 idle 0%" in text
    assert "GPU 7 busy 75%" in text


def test_cards_that_report_nothing_are_told_apart_from_idle_ones(client: Client, source: StubPrometheus) -> None:
    assert count_rows(client, "/nodes/gpus?state=no_telemetry") == 16


def test_while_the_source_is_away_the_inventory_still_counts(client: Client) -> None:
    organisation = make_organisation()
    sign_in(client, organisation.admin)
    PrometheusSource.objects.create(cluster=organisation.cluster, url="http://127.0.0.1:9")
    text = read(client, "/overview/")
    assert "No telemetry:" in text
    assert "10 of 24 GPUs allocated" in text
    assert "Wasted – not known" in text


def test_a_person_sees_the_idle_cards_of_their_groups_and_no_others(client: Client, source: StubPrometheus) -> None:
    sign_in(client, User.objects.get(username="grace"))
    assert "Held and idle bert nlp-train, grace 4 of 4 GPUs idle for over 60 min" in read(client, "/home/")
    viewer = make_user("vera")
    Membership.objects.create(user=viewer, group=UserGroup.objects.get(name="vision-team"))
    assert "Held and idle" not in read(sign_in(client, viewer), "/home/")
