"""Where the metrics of a cluster come from."""

from __future__ import annotations

from django.db import models

from clusters.models import Cluster


class PrometheusSource(models.Model):
    """A Prometheus-compatible endpoint. `detected` is what the probe found (label scheme, exporters), shown on the data-source page."""

    cluster = models.OneToOneField(Cluster, on_delete=models.CASCADE, related_name="prometheus")
    url = models.URLField(max_length=500)
    bearer_token = models.BinaryField(null=True)
    detected = models.JSONField(default=dict)
    probed_at = models.DateTimeField(null=True)
    message = models.TextField(blank=True)
