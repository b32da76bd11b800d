"""Loads the Celery app with Django, so that `@shared_task` finds the broker in every process and thread."""

from django.apps import AppConfig


class AidashboardConfig(AppConfig):
    name = "aidashboard"

    def ready(self) -> None:
        import aidashboard.celery  # noqa: F401  (here, or importing aidashboard.kit would load Celery)
