"""Keeps what we know of metrics sources true."""

from __future__ import annotations

from datetime import datetime

import structlog

from monitoring.asking import build_client
from monitoring.detection import detect
from monitoring.models import PrometheusSource
from monitoring.prometheus.errors import PrometheusError

log = structlog.get_logger(__name__)


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
