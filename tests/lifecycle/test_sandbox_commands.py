"""`python -m sandbox` from outside: its exit statuses, and that it leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aidashboard.stack.waiting import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "cluster"
    yield folder
    _run("down", folder)


def test_an_unused_folder_is_down_and_holds_nothing_to_reset(folder: Path):
    assert _run("status", folder).returncode == 1
    assert _run("down", folder).returncode == 0
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")
    refused = _run("reset", folder, "--yes")
    assert refused.returncode == 1
    assert "nothing was deleted" in refused.stderr
    assert (folder / "letter.txt").exists()


def test_a_detached_cluster_runs_is_guarded_and_leaves_nothing_behind(folder: Path):
    up = _run("up", folder, "--detach", "--no-monitoring", "--scenario", "tests")
    assert up.returncode == 0, up.stderr
    assert "https://127.0.0.1:" in up.stdout
    pids = _pids(folder)

    status = _run("status", folder)
    assert status.returncode == 0, status.stdout
    assert status.stdout.count("healthy") == 6
    assert {"gpu-exporter", "teams"} <= set(pids)

    second = _run("up", folder)
    assert second.returncode == 1
    assert "in use by process" in second.stderr
    assert _run("reset", folder, "--yes").returncode == 1, "a running cluster is not deleted"

    os.kill(pids["kwok"], signal.SIGSTOP)
    sick = _run("status", folder)
    os.kill(pids["kwok"], signal.SIGCONT)
    assert sick.returncode == 1
    assert "not ready" in sick.stdout

    assert _run("down", folder).returncode == 0
    assert not [pid for pid in pids.values() if psutil.pid_exists(pid)]
    asked = subprocess.run(_command("reset", folder), input="no\n", capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert (folder / "etcd").exists()
    assert _run("reset", folder, "--yes").returncode == 0
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_crashed_process_is_brought_back_and_a_killed_supervisor_takes_all_with_it(folder: Path):
    assert _run("up", folder, "--detach", "--no-monitoring").returncode == 0
    before = _pids(folder)
    os.kill(before["kube-scheduler"], signal.SIGKILL)
    wait_until(lambda: _is_replaced(folder, before), seconds=30, describe="the scheduler to be started again")

    pids = _pids(folder)
    os.kill(int((folder / "lock").read_text().split()[0]), signal.SIGKILL)
    wait_until(
        lambda: not [pid for pid in pids.values() if _is_alive(pid)],
        seconds=15,
        describe="every process to end with its supervisor",
    )
    again = _run("up", folder, "--detach", "--no-monitoring")
    assert again.returncode == 0, again.stderr


def _is_replaced(folder: Path, before: dict[str, int]) -> bool:
    return _pids(folder)["kube-scheduler"] != before["kube-scheduler"] and _run("status", folder).returncode == 0


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _pids(folder: Path) -> dict[str, int]:
    processes: dict[str, int] = json.loads((folder / "state.json").read_text())["processes"]
    return processes


def _command(name: str, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "sandbox", name, "--dir", str(folder), *options]


def _run(name: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_command(name, folder, *options), capture_output=True, text=True, check=False, timeout=300)
