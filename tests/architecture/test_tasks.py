"""Celery's tasks: the schedule names real ones, every one may run twice, and none may run for ever."""

from __future__ import annotations

import pytest
from celery import Task

from aidashboard.celery import app

IDEMPOTENT = {
    "quotas.reconcile_tree": "applies what the rows ask for; a row lease keeps a second worker out",
    "quotas.sweep_behind": "only enqueues trees whose generation is ahead",
    "quotas.sweep_drift": "compares and heals; what is as asked is left alone",
    "monitoring.probe_sources": "asks and overwrites what was found",
}
"""Why each task is safe to run twice: a broker may deliver a message again, and a worker may die after the work."""


def list_own_tasks() -> dict[str, Task[..., object]]:
    app.loader.import_default_modules()
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def test_every_task_is_known_to_be_idempotent() -> None:
    assert set(list_own_tasks()) == set(IDEMPOTENT), "say why the task may run twice"


@pytest.mark.parametrize("entry", app.conf.beat_schedule)
def test_every_beat_entry_names_a_registered_task_and_expires(entry: str) -> None:
    scheduled = app.conf.beat_schedule[entry]
    assert scheduled["task"] in list_own_tasks()
    assert scheduled["options"]["expires"] <= scheduled["schedule"], "a backlog of sweeps helps nobody"


def test_every_sweep_is_scheduled() -> None:
    sweeps = {name for name in list_own_tasks() if name.split(".")[1].startswith(("sweep_", "probe_"))}
    assert sweeps == {entry["task"] for entry in app.conf.beat_schedule.values()}


@pytest.mark.parametrize("name", IDEMPOTENT)
def test_every_task_has_a_time_limit(name: str) -> None:
    assert list_own_tasks()[name].time_limit is not None


@pytest.mark.parametrize("name", IDEMPOTENT)
def test_a_task_is_named_after_its_app(name: str) -> None:
    task = list_own_tasks()[name]
    assert task.__module__.split(".")[0] == name.split(".")[0]
