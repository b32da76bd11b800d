"""What another process sees of a sandbox: whether it runs, its processes and their health."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from aidashboard.stack.locking import DataDirLock

from .checking import find_health_url, is_answering
from .layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """One process. `is_healthy` is None for a process without a health address."""

    name: str
    pid: int
    is_running: bool
    is_healthy: bool | None

    @property
    def word(self) -> str:
        if not self.is_running:
            return "gone"
        return {True: "healthy", False: "not ready", None: "running"}[self.is_healthy]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """A sandbox as its folder and its addresses show it. `holder` is the process that supervises it."""

    directory: Path
    holder: int | None
    is_ready: bool = False
    kubeconfig: str = ""
    api_server_url: str = ""
    prometheus_url: str = ""
    processes: tuple[ProcessStatus, ...] = ()

    @property
    def is_up(self) -> bool:
        """Everything runs and says that it is well."""
        return self.is_ready and all(item.word in ("healthy", "running") for item in self.processes)


def read_status(directory: Path) -> SandboxStatus:
    """Look at a folder from outside; asks every process for its health, all at once."""
    layout = Layout(directory.resolve())
    holder = DataDirLock(layout.directory).find_holder()
    if holder is None or not layout.state.exists():
        return SandboxStatus(directory=layout.directory, holder=holder)
    state = json.loads(layout.state.read_text(encoding="utf-8"))
    if state["pid"] != holder:  # left by a run that was killed
        return SandboxStatus(directory=layout.directory, holder=holder)
    ports: dict[str, int] = json.loads(layout.ports.read_text(encoding="utf-8"))
    with ThreadPoolExecutor(8) as threads:
        processes = threads.map(
            lambda item: _look_at(item[0], item[1], ports),
            ((name, int(pid)) for name, pid in state["processes"].items()),
        )
    return SandboxStatus(
        directory=layout.directory,
        holder=holder,
        is_ready=state["is_ready"],
        kubeconfig=state["kubeconfig"],
        api_server_url=state["api_server_url"],
        prometheus_url=state["prometheus_url"],
        processes=tuple(processes),
    )


def _look_at(name: str, pid: int, ports: dict[str, int]) -> ProcessStatus:
    url = find_health_url(name, port=ports.__getitem__)
    is_running = _is_alive(pid)
    return ProcessStatus(
        name=name,
        pid=pid,
        is_running=is_running,
        is_healthy=(is_answering(url) if is_running else False) if url is not None else None,
    )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's, so it lives
    return True
