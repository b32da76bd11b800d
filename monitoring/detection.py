"""Asks a Prometheus once what it has, so that queries fit its labels and the data-source page can say what is missing."""

from __future__ import annotations

from datetime import datetime

from monitoring import promql
from monitoring.domain.sources import Detected, judge_survey
from monitoring.prometheus.client import PrometheusClient


def detect(client: PrometheusClient, *, now: datetime) -> Detected:
    """Raises: a PrometheusError when it can't be asked."""
    version = client.find_version()
    survey = client.query(promql.source_survey().text, at=now)
    counts = {sample.labels.get(promql.FIGURE, ""): int(sample.value) for sample in survey.samples}
    return judge_survey(counts, version=version)
