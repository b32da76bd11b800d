"""Celery's door to the probe of metrics sources."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from monitoring.reconcile import connect_default, probe_source
from monitoring.selectors import list_source_ids


@shared_task(name="monitoring.probe_sources", soft_time_limit=50, time_limit=60, expires=60)
def probe_sources() -> None:
    """Look again at what every metrics source has: exporters come and go. Clusters without one get that of AIDASHBOARD_PROMETHEUS_URL,
    if there is any. Safe to run twice."""
    if settings.PROMETHEUS_URL:
        connect_default(settings.PROMETHEUS_URL)
    for source_id in list_source_ids():
        probe_source(source_id, now=timezone.now())
