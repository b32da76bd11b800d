"""The processes of the product: web, worker, beat and observer, and management commands.

The Dockerfile and docker-compose.yml start the same commands; a test holds the three together.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aidashboard.stack
from aidashboard.stack.health import answers
from aidashboard.stack.processes import ProcessSpec

# In a checkout the folder of manage.py, else where the package is installed; the working directory of every process.
HOME: Final = Path(aidashboard.stack.__file__).resolve().parent.parent.parent
SETTINGS_MODULE: Final = "aidashboard.settings.base"
# Loading takes two seconds; a machine that is busy building the sandbox may need many times that.
START_SECONDS: Final = 60.0
MIGRATE_SECONDS: Final = 3600.0
MODULE_SECONDS: Final = 600.0
# A task that runs is finished first; the longest waits for a cluster that does not answer.
STOP_SECONDS: Final = 20.0

# An open event stream never ends by itself, so the web process does not wait long for it.
WEB: Final = (
    *("uvicorn", "aidashboard.asgi:application"),
    *("--lifespan", "off", "--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "2"),
)
# Threads, since tasks wait for clusters and not for the processor. Gossip and mingle are for many workers that know each other.
WORKER: Final = (
    *("celery", "--app", "aidashboard.celery", "worker", "--pool", "threads", "--concurrency", "4"),
    *("--queues", "reconcile,metrics,default", "--without-gossip", "--without-mingle", "--loglevel", "INFO"),
)
BEAT: Final = ("celery", "--app", "aidashboard.celery", "beat", "--pidfile=", "--loglevel", "INFO")
OBSERVER: Final = ("django", "observe")
MIGRATE: Final = ("django", "migrate", "--no-input", "--skip-checks")

# Beside the values of the product. Two malloc arenas instead of eight per core: threads else keep 100 MB for nothing.
COMMON_ENVIRONMENT: Final[Mapping[str, str]] = {
    "DJANGO_SETTINGS_MODULE": SETTINGS_MODULE,
    "MALLOC_ARENA_MAX": "2",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What all processes of one run share: the product's variables and the folder of the logs."""

    environment: Mapping[str, str]
    logs_dir: Path


def build_web(common: Common, *, host: str, port: int) -> ProcessSpec:
    def is_ready() -> bool:
        return answers(host, port)

    return _build(common, "web", (*WEB, "--host", host, "--port", str(port)), is_ready=is_ready)


def build_worker(common: Common) -> ProcessSpec:
    return _build(common, "worker", WORKER)


def build_beat(common: Common, *, schedule_path: Path) -> ProcessSpec:
    return _build(common, "beat", (*BEAT, "--schedule", str(schedule_path)))


def build_observer(common: Common) -> ProcessSpec:
    return _build(common, "observer", OBSERVER)


def build_migrate(common: Common) -> ProcessSpec:
    return _build(common, "migrate", MIGRATE, ready_seconds=MIGRATE_SECONDS)


def build_module_run(common: Common, name: str, arguments: tuple[str, ...]) -> ProcessSpec:
    """`python -m` once: a management command, the seed of the demo."""
    return _build(common, name, arguments, ready_seconds=MODULE_SECONDS)


def _build(
    common: Common,
    name: str,
    arguments: tuple[str, ...],
    *,
    is_ready: Callable[[], bool] | None = None,
    ready_seconds: float = START_SECONDS,
) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=(sys.executable, "-m", *arguments),
        environment={**COMMON_ENVIRONMENT, **common.environment},
        directory=HOME,
        log_path=common.logs_dir / f"{name}.log",
        is_ready=is_ready,
        ready_seconds=ready_seconds,
        stop_seconds=STOP_SECONDS,
        # The supervisor is dead, and database and broker go the same moment: there is nothing left to finish, and late
        # acknowledgement brings a task back after the next start.
        death_signal=signal.SIGKILL,
    )
