"""What pages get when the source is fine, slow, wrong, empty or gone; and that it is asked once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from clusters.models import Cluster
from monitoring import selectors, single_flight
from monitoring.domain.gpus import GpuState
from monitoring.domain.telemetry import Reading, Telemetry, Unavailable, UnavailableReason
from monitoring.models import PrometheusSource
from monitoring.promql import FIGURE
from monitoring.single_flight import Answer
from tests.factories.clusters import make_cluster, make_node, make_pod
from tests.integration.monitoring.stub import Reply, StubPrometheus, failure, stub_prometheus, vector

pytestmark = pytest.mark.django_db

DEVICE = {"node": "node-1", "UUID": "GPU-1", "gpu": "0", "modelName": "H100"}
READINGS = vector(
    ({**DEVICE, FIGURE: "used"}, 40),
    ({**DEVICE, FIGURE: "memory_used"}, 1000),
    ({**DEVICE, FIGURE: "memory_free"}, 3000),
)


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def cluster() -> Cluster:
    return make_cluster()


def connect(cluster: Cluster, stub: StubPrometheus) -> None:
    PrometheusSource.objects.create(cluster=cluster, url=stub.url)


def answer_readings(path: str, form: dict[str, str]) -> Reply:
    return READINGS if f'"{FIGURE}", "used"' in form["query"] else vector()


def age_cache(seconds: int) -> None:
    """Make every cached value this much older."""
    client = redis.from_url(str(settings.CACHES["default"]["LOCATION"]))
    for key in client.keys("*telemetry:*"):
        name = (key.decode() if isinstance(key, bytes) else key).split(":", 2)[2]
        entry = cache.get(name)
        if isinstance(entry, single_flight.Entry):
            cache.set(name, single_flight.Entry(answer=entry.answer, as_of=entry.as_of - timedelta(seconds=seconds)))


def test_without_a_source_there_is_a_reason_and_no_zero(cluster: Cluster) -> None:
    reading = selectors.get_cluster_totals(cluster)
    assert isinstance(reading, Unavailable)
    assert reading.reason == UnavailableReason.NO_SOURCE


def test_a_snapshot_holds_what_the_devices_report(cluster: Cluster) -> None:
    with stub_prometheus(answer_readings) as stub:
        connect(cluster, stub)
        reading = selectors.get_gpu_snapshot(cluster)
    assert isinstance(reading, Telemetry)
    (device,) = reading.value.devices
    assert (device.used_ratio, device.memory_used_ratio, device.power_watts) == (0.4, 0.25, None)


def test_a_failing_part_becomes_a_warning_and_not_an_empty_page(cluster: Cluster) -> None:
    def answer(path: str, form: dict[str, str]) -> Reply:
        return (
            answer_readings(path, form) if f'"{FIGURE}", "used"' in form["query"] else failure(422, "execution", "boom")
        )

    with stub_prometheus(answer) as stub:
        connect(cluster, stub)
        reading = selectors.get_gpu_snapshot(cluster)
    assert isinstance(reading, Telemetry)
    assert reading.is_partial
    assert "device conditions missing: boom" in reading.warnings


def test_values_are_kept_for_the_scrape_interval(cluster: Cluster) -> None:
    with stub_prometheus(answer_readings) as stub:
        connect(cluster, stub)
        selectors.get_gpu_snapshot(cluster)
        asked = len(stub.asked)
        selectors.get_gpu_snapshot(cluster)
        assert len(stub.asked) == asked
        age_cache(20)
        selectors.get_gpu_snapshot(cluster)
        assert len(stub.asked) == 2 * asked


def test_when_prometheus_goes_away_the_last_value_stays_with_its_age(cluster: Cluster) -> None:
    with stub_prometheus(answer_readings) as stub:
        connect(cluster, stub)
        selectors.get_gpu_snapshot(cluster)
    age_cache(90)
    reading = selectors.get_gpu_snapshot(cluster)
    assert isinstance(reading, Telemetry)
    assert reading.is_stale
    assert reading.problem is not None
    assert reading.problem.reason == UnavailableReason.UNREACHABLE
    assert 90 <= reading.age_seconds(now=timezone.now()) < 120


def test_a_failure_is_remembered_for_a_moment(cluster: Cluster) -> None:
    with stub_prometheus(lambda path, form: failure(422, "execution", "bad")) as stub:
        connect(cluster, stub)
        for _ in range(3):
            reading = selectors.get_cluster_totals(cluster)
        assert stub.count() == 1
    assert isinstance(reading, Unavailable)
    assert reading.reason == UnavailableReason.QUERY_FAILED


def test_an_empty_answer_is_no_telemetry_even_after_better_days(cluster: Cluster) -> None:
    replies = {"now": answer_readings}
    with stub_prometheus(lambda path, form: replies["now"](path, form)) as stub:
        connect(cluster, stub)
        selectors.get_gpu_snapshot(cluster)
        age_cache(20)
        replies["now"] = lambda path, form: vector()
        reading = selectors.get_gpu_snapshot(cluster)
    assert isinstance(reading, Unavailable)
    assert reading.reason == UnavailableReason.NO_TELEMETRY


def test_another_address_does_not_see_the_values_of_the_old_one(cluster: Cluster) -> None:
    with stub_prometheus(answer_readings) as old, stub_prometheus(lambda path, form: vector()) as new:
        connect(cluster, old)
        selectors.get_gpu_snapshot(cluster)
        PrometheusSource.objects.update(url=new.url)
        assert isinstance(selectors.get_gpu_snapshot(cluster), Unavailable)


def test_many_callers_make_one_question() -> None:
    gate, started = threading.Event(), threading.Event()
    fetched: list[int] = []

    def fetch() -> Answer[str]:
        fetched.append(1)
        started.set()
        gate.wait(5)
        return Answer(value="value")

    readings: list[Reading[str]] = []

    def call() -> None:
        readings.append(single_flight.read_once("k", now=timezone.now(), fresh_seconds=15, fetch=fetch, about="test"))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    started.wait(5)
    gate.set()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1
    assert [reading.value for reading in readings if isinstance(reading, Telemetry)] == ["value"] * 8


def test_who_finds_the_lock_free_again_takes_the_answer_that_freed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()

    class Slow:
        """The cache of a caller that is held up between its look and its turn, while another one asks and gets an answer."""

        def __getattr__(self, name: str) -> object:
            return getattr(cache, name)

        def add(self, *arguments: Any, **options: Any) -> bool:  # Any: as the cache takes them
            monkeypatch.setattr(single_flight, "cache", cache)
            single_flight.read_once("k", now=now, fresh_seconds=15, fetch=lambda: Answer(value="theirs"), about="t")
            return cache.add(*arguments, **options)

    monkeypatch.setattr(single_flight, "cache", Slow())
    reading = single_flight.read_once("k", now=now, fresh_seconds=15, fetch=lambda: Answer(value="ours"), about="t")
    assert isinstance(reading, Telemetry)
    assert reading.value == "theirs"


def test_who_comes_second_takes_the_old_value_rather_than_wait() -> None:
    now = timezone.now()
    single_flight.read_once(
        "k", now=now - timedelta(seconds=20), fresh_seconds=15, fetch=lambda: Answer(value="old"), about="t"
    )
    cache.add(f"telemetry:{single_flight.VERSION}:k:lock", "somebody", timeout=5)
    reading = single_flight.read_once("k", now=now, fresh_seconds=15, fetch=lambda: Answer(value="new"), about="t")
    assert isinstance(reading, Telemetry)
    assert (reading.value, reading.is_stale) == ("old", False)


def test_without_redis_the_source_is_still_asked(settings, cluster: Cluster) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere/redis.sock"}
    }
    with stub_prometheus(answer_readings) as stub:
        connect(cluster, stub)
        assert isinstance(selectors.get_gpu_snapshot(cluster), Telemetry)


def test_a_redis_that_hangs_costs_seconds_and_no_value(settings, cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, stub_prometheus(answer_readings) as stub:
        connect(cluster, stub)
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/2"
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": address}}
        started = time.monotonic()
        assert isinstance(selectors.get_gpu_snapshot(cluster), Telemetry)
        assert time.monotonic() - started < 8


def test_the_strip_has_a_row_per_gpu_node_also_while_prometheus_is_away(cluster: Cluster) -> None:
    make_node(cluster, "node-1", gpus=2)
    make_node(cluster, "node-2", gpus=1, is_ready=False, reasons=["NotReady"])
    make_pod(cluster, "bert-0", node="node-1", gpus=2)
    strip = selectors.get_heat_strip(cluster)
    assert [(row.node.name, row.gpus_allocated) for row in strip.strips] == [("node-1", 2), ("node-2", 0)]
    assert {cell.state for row in strip.strips for cell in row.cells} == {GpuState.NO_TELEMETRY}
    assert isinstance(strip.telemetry, Unavailable)


def test_capacity_counts_usable_and_free_gpus(cluster: Cluster) -> None:
    make_node(cluster, "node-1", gpus=8)
    make_node(cluster, "node-2", gpus=8)
    make_node(cluster, "node-3", gpus=4, is_cordoned=True, reasons=["cordoned"])
    make_node(cluster, "node-4", gpus=0)
    make_pod(cluster, "live-0", node="node-1", gpus=5)
    make_pod(cluster, "starting-0", node="node-1", gpus=1, phase="Pending")
    make_pod(cluster, "done-0", node="node-2", gpus=4, phase="Succeeded")
    make_pod(cluster, "waiting-0", node="", gpus=8, phase="Pending")

    capacity = selectors.get_capacity(cluster)

    assert (capacity.gpus_total, capacity.gpus_usable, capacity.gpus_allocated, capacity.gpus_free) == (20, 16, 6, 10)
    assert (capacity.gpu_nodes, capacity.gpu_nodes_allocated, capacity.gpu_nodes_unhealthy) == (3, 1, 1)
    assert [(row.free, row.nodes) for row in capacity.free_histogram] == [(8, 1), (2, 1)]
    assert capacity.largest_block == 8


def test_idle_pods_of_other_namespaces_are_not_asked_for(cluster: Cluster) -> None:
    make_pod(cluster, "mine-0", namespace="mine", gpus=1)
    make_pod(cluster, "theirs-0", namespace="theirs", gpus=1)
    with stub_prometheus(lambda path, form: vector()) as stub:
        connect(cluster, stub)
        reading = selectors.list_idle_pods(cluster, namespaces=frozenset({"mine"}))
        assert all('namespace=~"mine"' in form["query"] for _, form in stub.asked)
        everybody = selectors.list_idle_pods(cluster)
    assert isinstance(reading, Telemetry)
    assert [pod.pod for pod in reading.value] == ["mine-0"]
    assert isinstance(everybody, Telemetry)
    assert {pod.pod for pod in everybody.value} == {"mine-0", "theirs-0"}
