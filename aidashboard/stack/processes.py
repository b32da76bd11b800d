"""One child process: how it is described, started, watched and ended.

A child runs in a process group of its own, so that Ctrl-C in the terminal reaches the supervisor alone, and gets a signal from
the kernel when the supervisor dies (PR_SET_PDEATHSIG). Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aidashboard.stack.waiting import WaitTimeoutError, wait_until

PR_SET_PDEATHSIG: Final = 1
LARGEST_LOG_BYTES: Final = 10 * 1024 * 1024
# What a child may know of our environment. Everything else it needs stands in its spec, so that a variable set in somebody's
# shell never changes how one part of the stack behaves.
INHERITED_VARIABLES: Final = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "COVERAGE_PROCESS_START"}
    | {name for proxy in ("http_proxy", "https_proxy", "no_proxy") for name in (proxy, proxy.upper())}
)

_libc = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUser:
    """The account a child runs under when the supervisor is root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """What to start and how to tell that it runs.

    `environment` is added to the few inherited variables. `is_ready` is asked until it says yes, at most `ready_seconds`; None
    means ready as soon as started. `stop_signal` asks for an orderly end, SIGKILL follows after `stop_seconds`. `death_signal`
    is what the kernel sends when the supervisor is killed. Without `directory` a child keeps ours, or gets / with a `user`.
    """

    name: str
    command: tuple[str, ...]
    log_path: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    is_ready: Callable[[], bool] | None = None
    ready_seconds: float = 60
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    user: ProcessUser | None = None


class Child:
    """One running (or ended) process of a spec. Safe to ask from several threads."""

    def __init__(self, spec: ProcessSpec, *, keep_open: Sequence[int] = ()) -> None:
        """Start the process. The calling thread must live as long as the child may: the kernel's death signal follows it.

        Raises: OSError when the program cannot be started.
        """
        self.spec = spec
        self.started_at = time.monotonic()
        self._lock = threading.Lock()
        self._returncode: int | None = None
        spec.log_path.parent.mkdir(parents=True, exist_ok=True)
        _rotate(spec.log_path)
        with spec.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=build_environment(spec.environment),
                cwd=spec.directory or ("/" if spec.user else None),
                process_group=0,
                user=spec.user.uid if spec.user else None,
                group=spec.user.gid if spec.user else None,
                extra_groups=() if spec.user else None,
                pass_fds=tuple(keep_open),
                # Runs after setuid, which would clear the setting. Two system calls, so safe beside other threads.
                preexec_fn=_die_with_parent(spec.death_signal),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code once the process has ended (minus the signal's number if by a signal), else None. Leaves no zombie."""
        with self._lock:
            if self._returncode is None:
                # WNOWAIT: the group is cleared while the zombie still holds its number, which could else be somebody else's.
                ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is not None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(self.pid, signal.SIGKILL)
                    self._returncode = self._process.wait()
            return self._returncode

    def send(self, number: signal.Signals) -> None:
        """Signal the process; nothing happens when it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    def kill_group(self) -> None:
        """End the process and whatever it started, without asking."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait_until_ended(self, *, seconds: float) -> bool:
        """Whether it ended in time."""
        try:
            wait_until(lambda: self.poll() is not None, seconds=seconds, describe="the end")
        except WaitTimeoutError:
            return False
        return True

    def read_last_lines(self, count: int = 20) -> list[str]:
        """The end of what this process has logged since it was started."""
        with contextlib.suppress(OSError), self.spec.log_path.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - 16384))
            return log.read().decode(errors="replace").splitlines()[-count:]
        return []


def describe_exit(returncode: int) -> str:
    """In words: "exit code 3", "signal SIGKILL"."""
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"signal {signal.Signals(-returncode).name}"
    except ValueError:
        return f"signal {-returncode}"


def build_environment(own: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a child: the inherited few, and its own."""
    inherited = {name: value for name, value in os.environ.items() if name in INHERITED_VARIABLES}
    return inherited | dict(own)


def _die_with_parent(number: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def run_in_child() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        # The parent may have died between fork and prctl; then the signal never comes.
        if os.getppid() != parent:
            os._exit(1)

    return run_in_child


def _rotate(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > LARGEST_LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
