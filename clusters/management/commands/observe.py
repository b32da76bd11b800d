"""`manage.py observe`: follow every registered cluster until a signal comes."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from clusters.observe import Observer


class Command(BaseCommand):
    help = "Follow every registered cluster: nodes, pods, jobs, workloads and queues into the database, news to open pages."
    # The observer polls the database anyway; a check of all routes would only delay it.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's own signature
        until = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            until.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        Observer().run(until)
