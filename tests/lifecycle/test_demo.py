"""The demo outlives its own death: what was saved is there after kill -9, and the cluster converges again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import requests

from aidashboard.stack.waiting import wait_until
from tests.running_demo import RunningDemo, start_demo, stop_demo

CONVERGE_SECONDS = 60


def kill_everything(demo: RunningDemo) -> None:
    """kill -9 of the parent alone: the kernel takes its children along."""
    children = psutil.Process(demo.process.pid).children(recursive=True)
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait(timeout=10)
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, f"outlived their parent: {[process.cmdline() for process in alive]}"


def read_queues(demo: RunningDemo) -> set[str]:
    return set(demo.kubectl("get", "clusterqueues", "-o", "name").split())


def test_a_killed_demo_starts_again_with_its_data(tmp_path: Path):
    first = start_demo(tmp_path / "data")
    queues = read_queues(first)
    kill_everything(first)

    second = start_demo(tmp_path / "data")
    try:
        assert second.admin == first.admin
        # A queue that was lost with the crash would be made again; one deleted by hand is.
        second.kubectl("delete", "localqueue", "default", "-n", "alpha")
        wait_until(
            lambda: "default" in second.kubectl("get", "localqueue", "-n", "alpha", "-o", "name"),
            seconds=120,
            describe="the LocalQueue to be healed",
        )
        assert read_queues(second) == queues
        wait_until(
            lambda: requests.get(f"{second.url}/readyz", timeout=5).ok, seconds=CONVERGE_SECONDS, describe="readiness"
        )
    finally:
        stop_demo(second)
