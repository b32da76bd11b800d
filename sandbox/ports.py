"""The loopback ports of one sandbox: chosen once, remembered in its folder, held while it runs.

Kubeconfigs, webhooks and Prometheus targets carry port numbers, so a sandbox that comes back gets the same ones as long
as they are free.
"""

from __future__ import annotations

import json
import random
import socket
import threading
from pathlib import Path

# Below the range from which the kernel takes the ports of outgoing connections (32768 and up on Linux): a process that
# is down for a moment must find its port free when it comes back.
LOWEST, HIGHEST = 20_000, 32_000


class PortBook:
    """Ports by the name of what listens there.

    A port in use is also bound, without listening, by the book itself: that keeps it away from other sandboxes that
    start at the same moment, and does not stand in the way of the process that listens on it (both set SO_REUSEADDR).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ports: dict[str, int] = {}
        self._held: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        if path.exists():
            self._ports = {str(name): int(port) for name, port in json.loads(path.read_text()).items()}

    def get(self, name: str) -> int:
        """The port of `name`: the remembered one if nobody else took it, else a new one."""
        with self._lock:
            if name in self._held:
                return self._ports[name]
            held = _hold(self._ports[name], is_ours=True) if name in self._ports else None
            if held is None:
                held = self._choose()
                self._ports[name] = held.getsockname()[1]
                self._save()
            self._held[name] = held
            return self._ports[name]

    def release(self) -> None:
        """Let go of every port; the numbers stay remembered."""
        with self._lock:
            for held in self._held.values():
                held.close()
            self._held.clear()

    def _choose(self) -> socket.socket:
        taken = set(self._ports.values())
        for port in random.sample(range(LOWEST, HIGHEST), 2_000):
            if port not in taken and (held := _hold(port, is_ours=False)) is not None:
                return held
        raise OSError(f"no free port between {LOWEST} and {HIGHEST} on 127.0.0.1")

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self._path.with_suffix(".partial")
        scratch.write_text(json.dumps(self._ports, indent=1, sort_keys=True), encoding="utf-8")
        scratch.replace(self._path)


def _hold(port: int, *, is_ours: bool) -> socket.socket | None:
    """Bind `port` or return None when somebody has it.

    A new port is tried without SO_REUSEADDR first, which also refuses one that another book holds; our own may still
    have connections of the last run in TIME_WAIT, which only SO_REUSEADDR overlooks.
    """
    if not is_ours:
        with socket.socket() as strict:
            try:
                strict.bind(("127.0.0.1", port))
            except OSError:
                return None
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind(("127.0.0.1", port))
    except OSError:
        held.close()
        return None
    return held
