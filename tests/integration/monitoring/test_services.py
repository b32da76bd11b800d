"""Connecting a cluster to its Prometheus: what is refused and in which words, what is kept, and how secrets are kept."""

from __future__ import annotations

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from aidashboard.stack.ports import free_port
from monitoring import services
from monitoring.credentials import open_token
from monitoring.domain.sources import Exporter, read_detected
from monitoring.errors import SourceInvalidError, SourceMissingError
from monitoring.models import PrometheusSource
from monitoring.promql import FIGURE
from monitoring.reconcile import probe_source
from monitoring.tasks import probe_sources
from tests.factories.clusters import make_cluster
from tests.factories.people import make_admin
from tests.integration.monitoring.stub import Reply, failure, stub_prometheus, vector

pytestmark = pytest.mark.django_db

VERSION = Reply(body=b'{"status":"success","data":{"version":"3.16.0"}}')


def answer_survey(path: str, form: dict[str, str]) -> Reply:
    if path == "/api/v1/status/buildinfo":
        return VERSION
    return vector(
        ({FIGURE: "dcgm"}, 400), ({FIGURE: "host_old"}, 400), ({FIGURE: "pods_honoured"}, 300), ({FIGURE: "util"}, 400)
    )


def test_a_good_address_is_kept_with_what_was_found() -> None:
    cluster, ada = make_cluster(), make_admin()
    with stub_prometheus(answer_survey) as stub:
        source = services.set_prometheus(cluster=cluster, url=f" {stub.url}/api/v1/ ", by=ada)
    detected = read_detected(source.detected)
    assert detected is not None
    assert (source.url, detected.exporter, detected.version, detected.devices) == (
        stub.url,
        Exporter.DCGM,
        "3.16.0",
        400,
    )
    assert any("Kueue" in gap for gap in detected.gaps)
    assert AuditEvent.objects.get().kind == "prometheus.set"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "no http or https address"),
        ("prometheus:9090", "no http or https address"),
        ("ftp://prometheus", "no http or https address"),
        ("file:///etc/passwd", "no http or https address"),
        ("http://", "no http or https address"),
        ("http://prometheus:99999", "no address"),
        ("http://prom etheus:9090", "no http or https address"),
        ("http://prometheus:9090/?x=1", "must end with the path"),
        ("http://ada:secret@prometheus:9090", "must not hold a user or password"),
    ],
)
def test_a_malformed_address_is_refused_and_nothing_saved(url: str, words: str) -> None:
    with pytest.raises(SourceInvalidError, match=words) as caught:
        services.set_prometheus(cluster=make_cluster(), url=url, by=make_admin())
    assert caught.value.status == 422
    assert "secret" not in str(caught.value.findings)
    assert not PrometheusSource.objects.exists()


@pytest.mark.parametrize("token", ["two words", "geheim☃", "line\nbreak"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_echoed(token: str) -> None:
    with pytest.raises(SourceInvalidError, match="paste it whole") as caught:
        services.set_prometheus(
            cluster=make_cluster(), url="http://127.0.0.1:1", bearer_token=token, by=make_admin(), skip_check=False
        )
    assert [finding.field for finding in caught.value.findings] == ["bearer_token"]
    assert token not in str(caught.value.findings)


@pytest.mark.parametrize(
    ("reply", "rule", "words"),
    [
        (Reply(status=401), "probe-unauthorized", "wants a valid bearer token"),
        (Reply(body=b"<html>"), "probe-unreachable", "not as a Prometheus"),
        (failure(422, "execution", "boom"), "probe-query_failed", "boom"),
    ],
)
def test_what_answers_otherwise_is_refused_with_the_reason(reply: Reply, rule: str, words: str) -> None:
    def answer(path: str, form: dict[str, str]) -> Reply:
        return VERSION if "buildinfo" in path and reply.status != 401 else reply

    with stub_prometheus(answer) as stub, pytest.raises(SourceInvalidError, match=words) as caught:
        services.set_prometheus(cluster=make_cluster(), url=stub.url, by=make_admin())
    assert [finding.rule for finding in caught.value.findings] == [rule]


def test_a_refused_connection_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SourceInvalidError, match="the connection is refused"):
        services.set_prometheus(cluster=make_cluster(), url=url, by=make_admin())


def test_the_token_is_encrypted_at_rest_and_goes_to_its_own_address_only() -> None:
    cluster, ada = make_cluster(), make_admin()
    with stub_prometheus(answer_survey) as first, stub_prometheus(answer_survey) as second:
        source = services.set_prometheus(cluster=cluster, url=first.url, bearer_token="top-secret", by=ada)
        assert b"top-secret" not in bytes(PrometheusSource.objects.get().bearer_token or b"")
        assert open_token(source) == "top-secret"
        kept = services.set_prometheus(cluster=cluster, url=first.url, by=ada)
        assert open_token(kept) == "top-secret"
        moved = services.set_prometheus(cluster=cluster, url=second.url, by=ada)
        assert moved.bearer_token is None
        assert set(second.authorizations) == {""}
    assert "top-secret" not in str(list(AuditEvent.objects.values()))


def test_removing_says_when_there_is_nothing() -> None:
    cluster, ada = make_cluster(), make_admin()
    services.set_prometheus(cluster=cluster, url="http://127.0.0.1:9", by=ada, skip_check=True)
    services.remove_prometheus(cluster=cluster, by=ada)
    with pytest.raises(SourceMissingError):
        services.remove_prometheus(cluster=cluster, by=ada)


def test_a_failing_probe_keeps_what_was_known_and_says_why() -> None:
    cluster = make_cluster()
    with stub_prometheus(answer_survey) as stub:
        source = services.set_prometheus(cluster=cluster, url=stub.url, by=make_admin())
    probe_source(source.pk, now=timezone.now())
    row = PrometheusSource.objects.get()
    assert "refused" in row.message
    assert row.detected == source.detected


def test_the_sweep_probes_every_source_and_clears_the_message() -> None:
    cluster = make_cluster()
    with stub_prometheus(answer_survey) as stub:
        services.set_prometheus(cluster=cluster, url=stub.url, by=make_admin(), skip_check=True)
        PrometheusSource.objects.update(message="was away")
        probe_sources()
    row = PrometheusSource.objects.get()
    assert (row.message, row.detected["exporter"]) == ("", "dcgm")
