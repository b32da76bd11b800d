"""Whether the addresses that somebody configured can be used: a port to listen on, a server that must answer."""

from __future__ import annotations

import socket
from typing import Final
from urllib.parse import urlsplit

from aidashboard.settings.env import PREFIX
from aidashboard.stack.ports import is_free
from aidashboard.stack.servers import ServerSetUpError

ANSWER_SECONDS: Final = 5.0
REDIS_PORT: Final = 6379


def check_port(host: str, port: int) -> None:
    """Raises: ServerSetUpError when the web process could not listen there, saying what to change."""
    try:
        if is_free(port, host=host):
            return
    except PermissionError as error:
        raise ServerSetUpError(f"Port {port} needs root; choose one from 1024 up with --port.") from error
    except (OSError, OverflowError) as error:
        raise ServerSetUpError(
            f"Nobody can listen on {host} port {port} here ({error}); change --host or --port."
        ) from error
    raise ServerSetUpError(
        f"Port {port} of {host} is in use by another program. Choose another one with --port, or --port 0 for any free one."
    )


def check_answers(name: str, url: str) -> None:
    """Try to connect to the server of the variable `name`. Its password stays out of the message.

    Raises: ServerSetUpError when nothing accepts the connection.
    """
    parts = urlsplit(url)
    place = parts.path if parts.scheme == "unix" else f"{parts.hostname} port {parts.port or REDIS_PORT}"
    try:
        if parts.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(ANSWER_SECONDS)
                client.connect(parts.path)
        else:
            socket.create_connection((parts.hostname or "", parts.port or REDIS_PORT), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise ServerSetUpError(f"{PREFIX}{name}: no server answers at {place} ({error}).") from error
