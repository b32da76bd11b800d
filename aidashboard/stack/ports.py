"""Free TCP ports on loopback for processes that we are about to start."""

from __future__ import annotations

import errno
import random
import socket
import threading
from pathlib import Path
from typing import Final

# Below the ports that the kernel hands to outgoing connections (32768 and up by default): a port from that range can be taken
# by somebody's client between our asking and our child's binding.
LOWEST_PORT: Final = 20000
DEFAULT_EPHEMERAL_START: Final = 32768
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")

_lock = threading.Lock()
_given: set[int] = set()


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on; two callers in one process never get the same.

    Raises: OSError (EADDRINUSE) when none is left.
    """
    with _lock:
        candidates = list(range(LOWEST_PORT, _highest_port() + 1))
        random.shuffle(candidates)
        for port in candidates:
            if port not in _given and is_free(port):
                _given.add(port)
                return port
    raise OSError(errno.EADDRINUSE, f"no free port between {LOWEST_PORT} and {_highest_port()}")


def is_free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` of `host` now.

    Raises: OSError when `host` is no address of this machine or the port needs a right we do not have.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do, so that connections of a server just stopped (TIME_WAIT) do not count; one that listens still does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _highest_port() -> int:
    try:
        start = int(EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        start = DEFAULT_EPHEMERAL_START
    # A machine may be set to hand out nearly every port; then there is no better place, and the whole range is as good.
    return start - 1 if start > LOWEST_PORT + 1000 else 60999
