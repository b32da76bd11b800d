"""Keeps what we know of metrics sources true."""

from __future__ import annotations

from datetime import datetime

import structlog
from django.db import transaction

from accounts.services import record_event
from clusters.models import Cluster
from monitoring.asking import build_client
from monitoring.detection import detect
from monitoring.models import PrometheusSource
from monitoring.prometheus.errors import PrometheusError

log = structlog.get_logger(__name__)


def connect_default(url: str) -> None:
    """Give the installation's Prometheus to every cluster that has no source; what people set themselves is not touched."""
    for cluster in Cluster.objects.filter(prometheus=None):
        with transaction.atomic():
            _, is_new = PrometheusSource.objects.get_or_create(cluster=cluster, defaults={"url": url})
            if is_new:
                record_event(
                    "prometheus.set",
                    by=None,
                    about=cluster,
                    summary=f"Cluster {cluster.name} connected to Prometheus {url}, the one of AIDASHBOARD_PROMETHEUS_URL",
                    details={"url": url, "has_token": False},
                )


def probe_source(source_id: int, *, now: datetime) -> None:
    """Ask a source what it has and write it down; when it does not answer, what was known stays and the message says why."""
    source = PrometheusSource.objects.filter(pk=source_id).first()
    if source is None:
        return
    # Only the row that was read is written: somebody may have given the cluster another source meanwhile.
    row = PrometheusSource.objects.filter(pk=source_id, url=source.url)
    try:
        detected = detect(build_client(source), now=now)
    except PrometheusError as error:
        log.warning("prometheus_probe_failed", source=source_id, reason=error.reason.value, error=error.message)
        row.update(message=error.message, probed_at=now)
        return
    row.update(detected=detected.to_json(), message="", probed_at=now)
