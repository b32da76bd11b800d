"""The lock of a data folder, with real processes as the other holder."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from aidashboard.stack.locking import DataDirBusyError, DataDirLock

# Takes the lock, starts a child that inherits it, says so, and lives on.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from aidashboard.stack.locking import DataDirLock
lock = DataDirLock(Path(sys.argv[1]))
lock.acquire()
child = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=[lock.descriptor], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def start_holder(data_dir: Path, *, child_seconds: float) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", HOLDER, str(data_dir), str(child_seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        return process, int(process.stdout.readline())


def test_released_folder_can_be_taken_again(tmp_path):
    with DataDirLock(tmp_path):
        pass
    with DataDirLock(tmp_path):
        pass


def test_lock_creates_a_missing_folder(tmp_path):
    with DataDirLock(tmp_path / "new" / "folder") as lock:
        assert lock.path.exists()


@pytest.mark.slow
def test_second_holder_is_refused_at_once_and_told_who_holds(tmp_path):
    process, child = start_holder(tmp_path, child_seconds=60)
    try:
        started_at = time.monotonic()
        with pytest.raises(DataDirBusyError, match=f"{tmp_path} is in use by process {process.pid}"):
            DataDirLock(tmp_path).acquire()
        assert time.monotonic() - started_at < 1
    finally:
        process.kill()
        process.wait()
        os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_killed_holder_keeps_the_folder_until_its_children_have_gone(tmp_path):
    process, child = start_holder(tmp_path, child_seconds=60)
    process.kill()
    process.wait()
    with pytest.raises(DataDirBusyError, match="Processes of an earlier start still use"):
        DataDirLock(tmp_path).acquire(leftovers_seconds=0.1)

    threading.Timer(0.2, os.kill, (child, signal.SIGKILL)).start()

    DataDirLock(tmp_path).acquire(leftovers_seconds=10)
