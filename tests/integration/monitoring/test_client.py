"""How the client names what a Prometheus does wrong, and how long it waits for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from aidashboard.stack.ports import free_port
from monitoring.prometheus.client import PrometheusClient
from monitoring.prometheus.errors import (
    BadQueryError,
    PrometheusError,
    QueryTimeoutError,
    TooManySamplesError,
    UnauthorizedError,
    UnreachableError,
)
from tests.integration.monitoring.stub import Reply, failure, stub_prometheus, vector

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def ask(url: str, *, deadline_seconds: float = 1.0) -> object:
    return PrometheusClient(url=url, deadline_seconds=deadline_seconds).query("up", at=NOW)


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (failure(422, "execution", "multiple matches for labels"), BadQueryError, "multiple matches"),
        (failure(400, "bad_data", "parse error"), BadQueryError, "parse error"),
        (failure(503, "timeout", "query timed out"), QueryTimeoutError, "too long"),
        (
            failure(422, "execution", "query processing would load too many samples into memory"),
            TooManySamplesError,
            "too many",
        ),
        (failure(400, "bad_data", "exceeded maximum resolution of 11,000 points"), TooManySamplesError, "resolution"),
        (Reply(status=401), UnauthorizedError, "bearer token"),
        (Reply(status=403), UnauthorizedError, "refuses"),
        (Reply(status=302, headers={"Location": "/login"}), UnreachableError, "redirects"),
        (Reply(status=404, body=b"<html>"), UnreachableError, "no Prometheus API"),
        (Reply(status=502, body=b"<html>"), UnreachableError, "HTTP 502"),
        (Reply(body=b"<html>welcome</html>"), UnreachableError, "not as a Prometheus"),
        (
            Reply(body=b'{"status":"success","data":{"resultType":"vector","result":[{}]}}'),
            UnreachableError,
            "not as a Prometheus",
        ),
        (
            Reply(body=b'{"status":"success","data":{"resultType":"matrix","result":[]}}'),
            UnreachableError,
            "not as a Prometheus",
        ),
        (Reply(body=b"[]"), UnreachableError, "not as a Prometheus"),
    ],
)
def test_each_failure_has_its_name(reply: Reply, error: type[PrometheusError], words: str) -> None:
    with stub_prometheus(lambda path, form: reply) as stub, pytest.raises(error, match=words) as caught:
        ask(stub.url)
    assert type(caught.value) is error


def test_a_refused_connection_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="refused"):
        ask(f"http://127.0.0.1:{free_port()}")


def test_an_unknown_host_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="host name is not known"):
        ask("http://prometheus.invalid:9090")


@pytest.mark.parametrize("reply", [Reply(delay_seconds=3), Reply(body=b"x" * 100, drip_seconds=0.1)])
def test_a_slow_answer_costs_no_more_than_the_deadline(reply: Reply) -> None:
    started = time.monotonic()
    with stub_prometheus(lambda path, form: reply) as stub, pytest.raises(QueryTimeoutError):
        ask(stub.url, deadline_seconds=0.5)
    assert time.monotonic() - started < 2, "the stub's own end takes up to a second of it"


def test_a_broken_connection_is_tried_once_more() -> None:
    replies = [Reply(status=502), vector(({"job": "x"}, 1))]
    with stub_prometheus(lambda path, form: replies.pop(0)) as stub:
        ask(stub.url)
        assert stub.count() == 2


def test_a_bad_query_is_not_tried_again() -> None:
    with stub_prometheus(lambda path, form: failure(422, "execution", "no")) as stub:
        with pytest.raises(BadQueryError):
            ask(stub.url)
        assert stub.count() == 1


def test_warnings_are_kept() -> None:
    with stub_prometheus(lambda path, form: vector(warnings=("one store is away",))) as stub:
        assert PrometheusClient(url=stub.url).query("up", at=NOW).warnings == ("one store is away",)


def test_the_token_is_sent_and_the_moment_asked_for() -> None:
    with stub_prometheus(lambda path, form: vector()) as stub:
        PrometheusClient(url=stub.url, bearer_token="secret").query("up", at=NOW)
        assert stub.authorizations == ["Bearer secret"]
        assert stub.asked[0][1] == {"query": "up", "time": str(NOW.timestamp()), "timeout": "3s"}


def test_a_server_without_build_information_has_no_version() -> None:
    with stub_prometheus(lambda path, form: failure(404, "not_found", "no such page")) as stub:
        assert PrometheusClient(url=stub.url).find_version() == ""
