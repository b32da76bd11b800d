"""A part of the product dies while people work: it comes back by itself, and nothing that was saved is lost."""

from __future__ import annotations

import re
import signal
from contextlib import suppress

import psutil
import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import SignIn
from tests.running_demo import RunningDemo

RECOVERY_MILLISECONDS = 60_000


def kill_child(demo: RunningDemo, words: str) -> None:
    """kill -9 of the stack's process with these words in its command line."""
    children = psutil.Process(demo.process.pid).children(recursive=True)
    victims = [child for child in children if words in tell_command(child)]
    assert victims, f"no process {words!r}"
    for victim in victims:
        with suppress(psutil.NoSuchProcess):  # a short-lived fork of it
            victim.send_signal(signal.SIGKILL)


def tell_command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # has ended since it was listed; a zombie counts as that, too
        return ""


@pytest.mark.parametrize("victim", ["valkey-server", "aidashboard.celery worker", "django observe"])
def test_a_change_reaches_the_cluster_although_a_process_was_killed(demo: RunningDemo, sign_in: SignIn, victim: str):
    page = sign_in(demo.admin)
    name = f"after-{re.sub('[^a-z]', '', victim)}"
    page.goto("/quotas/")
    page.get_by_role("link", name="Add node").first.click()
    page.fill("[name=name]", name)
    page.fill("[name='max.nvidia.com/gpu']", "3")
    page.get_by_role("button", name="Add to the draft").click()
    kill_child(demo, victim)

    page.get_by_role("button", name="Apply").click()

    row = page.locator("tr", has=page.get_by_role("link", name=name, exact=True))
    expect(row.get_by_text("Synced")).to_be_visible(timeout=RECOVERY_MILLISECONDS)
    assert demo.kubectl("get", "clusterqueue", f"root-{name}", "-o", "jsonpath={.spec.cohortName}") == "root"
