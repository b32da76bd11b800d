"""One stack per data folder: a lock that the kernel frees by itself, also after `kill -9`.

The lock is an `flock` on a file in the folder. Children that inherit its descriptor (`Supervisor(keep_open=...)`) hold it too,
so a folder is free only when the last process of the previous run has gone. Valkey has no lock of its own: a second server on
the same append-only file would ruin it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aidashboard.stack.waiting import WaitTimeoutError, wait_until

LOCK_NAME: Final = "lock"
# PostgreSQL, told by the kernel that its supervisor was killed, needs a moment to shut down.
LEFTOVERS_SECONDS: Final = 15.0


class DataDirBusyError(RuntimeError):
    """Another process works on the data folder; the message names both."""


class DataDirLock:
    """Holds the data folder for this process, from `acquire` to `release` or the end of the process and its children."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / LOCK_NAME
        self._fd: int | None = None

    @property
    def descriptor(self) -> int:
        """For children to inherit, so that the folder counts as busy while one of them lives."""
        if self._fd is None:
            raise RuntimeError("the lock is not held")
        return self._fd

    def acquire(self, *, leftovers_seconds: float = LEFTOVERS_SECONDS) -> None:
        """Take the lock, or wait up to `leftovers_seconds` for the children of a holder that has died.

        Raises: DataDirBusyError at once when the holder lives, or when its children do not go.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            wait_until(
                lambda: self._try(fd),
                seconds=leftovers_seconds,
                describe="processes of an earlier start to end",
            )
        except WaitTimeoutError as error:
            os.close(fd)
            raise DataDirBusyError(f"Processes of an earlier start still use {self.path.parent}.") from error
        except BaseException:
            os.close(fd)
            raise
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {_started_at(os.getpid())}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def find_holder(self) -> int | None:
        """The living process that holds the folder now, this one included; None when there is none."""
        try:
            fd = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return self._find_living_holder(fd)
        else:
            return None
        finally:
            os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _try(self, fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = self._find_living_holder(fd)
            if holder is None:
                return False
            raise DataDirBusyError(f"{self.path.parent} is in use by process {holder}.") from None
        return True

    @staticmethod
    def _find_living_holder(fd: int) -> int | None:
        """The process that took the lock, unless it has died: then only its children still hold it."""
        words = os.pread(fd, 64, 0).split()
        if len(words) != 2:
            return None  # taken this very moment, and not signed yet
        pid = int(words[0])
        return pid if _started_at(pid) == words[1].decode() else None


def _started_at(pid: int) -> str:
    """When a process started, in clock ticks since boot: with its number, a name that is never reused. Empty: no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    # A zombie holds nothing any more; its parent just has not looked.
    return "" if state == "Z" else fields[18]
