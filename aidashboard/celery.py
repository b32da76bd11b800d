"""The Celery app and the schedule of the sweeps."""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aidashboard.settings.base")

app = Celery("aidashboard")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# The only place with task names as text; tests/architecture holds each against the registered tasks.
app.conf.beat_schedule = {
    "reconcile what is behind": {"task": "quotas.sweep_behind", "schedule": 5.0, "options": {"expires": 5}},
    "look for drift": {"task": "quotas.sweep_drift", "schedule": 20.0, "options": {"expires": 20}},
    "look at metrics sources": {"task": "monitoring.probe_sources", "schedule": 60.0, "options": {"expires": 60}},
}


@setup_logging.connect
def keep_django_logging(**_: object) -> None:
    """Django has configured logging already; without a receiver Celery would replace it."""
