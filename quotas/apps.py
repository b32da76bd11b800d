"""Loads the tasks with Django, because one of them listens to `clusters.signals.retry_requested`."""

from __future__ import annotations

from django.apps import AppConfig


class QuotasConfig(AppConfig):
    name = "quotas"

    def ready(self) -> None:
        import quotas.tasks  # noqa: F401  (here: models are ready only now)
