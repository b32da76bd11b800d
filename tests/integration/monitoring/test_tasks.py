"""The Prometheus of the installation goes to clusters that have none of their own."""

from __future__ import annotations

import pytest

from accounts.models import AuditEvent
from monitoring.models import PrometheusSource
from monitoring.tasks import probe_sources
from tests.factories.clusters import make_cluster

NOBODY = "http://127.0.0.1:9"

pytestmark = pytest.mark.django_db


def test_a_cluster_without_a_source_gets_that_of_the_installation(settings):
    settings.PROMETHEUS_URL = NOBODY
    cluster = make_cluster("one")
    probe_sources()
    source = PrometheusSource.objects.get(cluster=cluster)
    assert source.url == NOBODY
    assert source.message  # it was asked at once, and does not answer
    event = AuditEvent.objects.get(kind="prometheus.set")
    assert (event.actor, "AIDASHBOARD_PROMETHEUS_URL" in event.summary) == (None, True)


def test_a_source_that_somebody_set_stays(settings):
    settings.PROMETHEUS_URL = NOBODY
    PrometheusSource.objects.create(cluster=make_cluster("own"), url="http://127.0.0.1:10")
    probe_sources()
    probe_sources()
    assert [source.url for source in PrometheusSource.objects.all()] == ["http://127.0.0.1:10"]
    assert not AuditEvent.objects.exists()


def test_without_the_variable_nothing_is_connected(settings):
    settings.PROMETHEUS_URL = ""
    make_cluster("none")
    probe_sources()
    assert not PrometheusSource.objects.exists()
