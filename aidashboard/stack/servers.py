"""What the embedded servers have in common: a data folder, an address, and a process that somebody supervises."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aidashboard.stack.processes import ProcessSpec, ProcessUser
from aidashboard.stack.supervision import Supervisor

# sun_path has 108 bytes, one of them for the final zero.
LONGEST_SOCKET_PATH: Final = 107


class EmbeddedServer(ABC):
    """A server of our own on a unix socket.

    In the stack: `prepare()`, then give `build_spec()` to the common supervisor, and `clean_up()` after the end. By itself, as in
    tests: `start()` and `stop()`, or a `with` block.
    """

    socket_name: str

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self._short_folder: Path | None = None
        self._supervisor: Supervisor | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """The address for clients. Known after `prepare`."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the data folder ready for a start; safe to repeat. What a killed server has left behind is put in order.

        Raises: ServerSetUpError when it cannot be done.
        """

    @abstractmethod
    def build_spec(self) -> ProcessSpec:
        """The process to supervise. Needs `prepare` first."""

    def clean_up(self) -> None:
        """Remove what lies outside the data folder. The server must have ended."""
        if self._short_folder is not None:
            shutil.rmtree(self._short_folder, ignore_errors=True)
            self._short_folder = None

    def start(self) -> None:
        """Prepare and start under a supervisor of its own.

        Raises: ServerSetUpError, ProcessStartError.
        """
        self.prepare()
        self._supervisor = Supervisor()
        try:
            self._supervisor.start(self.build_spec())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.stop_all()
            self._supervisor = None
        self.clean_up()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: the data folder, or a temporary folder when that path would be too long for a socket."""
        return self._short_folder or self.data_dir

    def _choose_socket_folder(self, user: ProcessUser | None = None) -> None:
        self.clean_up()
        if len(os.fsencode(self.data_dir / self.socket_name)) <= LONGEST_SOCKET_PATH:
            return
        self._short_folder = Path(tempfile.mkdtemp(prefix="aidashboard-"))
        if user is not None:
            os.chown(self._short_folder, user.uid, user.gid)


class ServerSetUpError(RuntimeError):
    """A server's data folder or programs are not usable; the message says what to do."""


def make_private_folder(folder: Path) -> None:
    """Create the folder, for its owner alone; an existing one keeps its mode."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True, mode=0o700)
