"""Where the metrics of a cluster come from."""

from __future__ import annotations

from django.db import models

from clusters.models import Cluster


class PrometheusSource(models.Model):
    """A Prometheus-compatible endpoint. `detected` is what the probe found (monitoring.domain.sources.Detected), shown on the
    data-source page; `message` says why the last probe failed, empty when it did not."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="prometheus")
    url = models.URLField(max_length=500)
    bearer_token = models.BinaryField(null=True)
    detected = models.JSONField(default=dict)
    probed_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.url
