"""Starts, watches, restarts and stops child processes.

`Supervisor` may be used from any thread: it forks from a thread of its own that lives as long as it does, because the kernel's
death signal (PR_SET_PDEATHSIG) comes when the forking *thread* ends. Dropping a supervisor therefore ends its children, too.
Nothing here knows which processes there are.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from aidashboard.stack.events import EventKind as EventKind
from aidashboard.stack.events import ProcessEvent as ProcessEvent
from aidashboard.stack.processes import Child, describe_exit
from aidashboard.stack.processes import ProcessSpec as ProcessSpec
from aidashboard.stack.processes import ProcessUser as ProcessUser
from aidashboard.stack.waiting import wait_until

FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 30.0
# A child that ran this long before it crashed is no crash loop: its next restart comes at once again.
STEADY_SECONDS: Final = 60.0
# After a crash, a process without `is_ready` counts as back when it has not crashed again for so long: loading takes its time.
SETTLED_SECONDS: Final = 3.0
WATCH_SECONDS: Final = 0.2
# After a second Ctrl-C: enough for PostgreSQL to write its last page, too short to annoy.
HURRIED_STOP_SECONDS: Final = 2.0
# SIGKILL takes effect when the kernel lets go of the process, which may sit in a disk write.
KILL_SECONDS: Final = 10.0


class ProcessStartError(RuntimeError):
    """A process could not be started or did not become ready; the message ends with the last lines of its log."""


class SupervisorClosedError(ProcessStartError):
    """`stop_all` has been called: nothing is started any more."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A spec and its current child. `group` numbers the call that started it: what starts together stops together.

    `is_wanted`: `watch` brings it back. Not before its start has succeeded, so that a start that fails is told once, not retried.
    """

    spec: ProcessSpec
    child: Child
    group: int
    is_wanted: bool = False
    is_ready: bool = False
    backoff_seconds: float = FIRST_BACKOFF_SECONDS
    restart_at: float | None = None


class Supervisor:
    """Keeps a set of named processes. `stop_all` closes it for good; make a new one to start again.

    `on_event` is called from whatever thread noticed, and must not raise. The file descriptors `keep_open` are inherited by
    every child.
    """

    def __init__(
        self, *, on_event: Callable[[ProcessEvent], None] = lambda event: None, keep_open: Sequence[int] = ()
    ) -> None:
        self._on_event = on_event
        self._keep_open = tuple(keep_open)
        self._forker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="forker")
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()
        self._groups = 0
        self._is_closed = threading.Event()
        self._is_hurried = threading.Event()

    # --- starting ---------------------------------------------------------------------------------------------------------

    def start(self, spec: ProcessSpec) -> None:
        """Start one process and return when it is ready.

        Raises: ProcessStartError when it does not start, ends or stays unready; it is then stopped and forgotten.
        """
        self.start_all([spec])

    def start_all(self, specs: Iterable[ProcessSpec]) -> None:
        """Start processes side by side and return when all are ready.

        Raises: ProcessStartError for the first that fails; all of this call are then stopped and forgotten.
        """
        self.launch(specs)()

    def launch(self, specs: Iterable[ProcessSpec], *, together_with: str = "") -> Callable[[], None]:
        """The first half of `start_all`: start the processes, and return the function that waits until they are ready.

        They stop together with the process `together_with`, if one is named.

        Raises: as `start_all`, and so does the function.
        """
        group = self._get(together_with).group if together_with else self._next_group()
        entries: list[_Entry] = []
        try:
            for spec in specs:
                self._fork(partial(self._add, spec, group))
                entries.append(self._get(spec.name))
        except BaseException:
            self._forget(entries)
            raise
        return partial(self._finish_start, entries)

    def run(self, spec: ProcessSpec) -> None:
        """Start a process that does one thing and ends, and return when it has ended well; at most `ready_seconds`.

        Raises: ProcessStartError when it fails or takes too long.
        """
        self._fork(partial(self._add, spec, self._next_group()))
        entry = self._get(spec.name)
        try:
            wait_until(lambda: self._has_succeeded(entry), seconds=math.inf, describe=spec.name)
        finally:
            self._forget([entry])

    def restart(self, name: str) -> None:
        """Stop the process if it runs, start the same command again, and return when it is ready.

        Raises: ProcessStartError as `start`; KeyError for a name never started.
        """
        self.stop(name)
        entry = self._get(name)
        try:
            self._fork(partial(self._respawn, entry))
            self._wait_until_ready([entry])
        except BaseException:
            self._end([entry])
            raise
        entry.is_wanted = True

    # --- asking and signalling ---------------------------------------------------------------------------------------------

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of their start."""
        with self._lock:
            return tuple(self._entries)

    def is_running(self, name: str) -> bool:
        return self._get(name).child.poll() is None

    def pid(self, name: str) -> int:
        """Of the current process, or of the last one if it has ended."""
        return self._get(name).child.pid

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, as a fault would; a running `watch` restarts what dies of it."""
        self._get(name).child.send(number)

    # --- stopping -----------------------------------------------------------------------------------------------------------

    def stop(self, name: str) -> None:
        """Stop one process; `restart` brings it back."""
        entry = self._get(name)
        entry.is_wanted = False
        # A restart by `watch` that is under way is finished first, so that its child is the one stopped here.
        self._fork(_do_nothing)
        self._end([entry])

    def stop_all(self) -> None:
        """Stop everything, last started first, and start nothing ever after.

        What was started together stops together: all of it is asked to end, in the order of its start, and then waited for.

        Ctrl-C does not interrupt it: it shortens the patience with processes that are slow to end.
        """
        self._is_closed.set()
        # On the forking thread: a start that is under way is finished first, so its child is known here, and none follows.
        try:
            stopping = self._forker.submit(self._stop_everything)
        except RuntimeError:
            return  # stopped before, and the thread has gone
        while not self._has_ended(stopping):
            self._is_hurried.set()
        self._forker.shutdown(wait=False)

    # --- watching -------------------------------------------------------------------------------------------------------------

    def watch(self, until: threading.Event) -> None:
        """Restart what crashes, with growing pauses, until the event is set."""
        while not until.wait(WATCH_SECONDS):
            if self._is_closed.is_set():
                return
            self.watch_once()

    def watch_once(self) -> None:
        """One round of `watch`, for loops that have more to do."""
        with self._lock:
            entries = list(self._entries.values())
        for entry in entries:
            if entry.is_wanted:
                self._look_after(entry)

    def _look_after(self, entry: _Entry) -> None:
        now = time.monotonic()
        if entry.restart_at is not None:
            if now >= entry.restart_at:
                entry.restart_at = None
                self._try_respawn(entry)
            return
        returncode = entry.child.poll()
        if returncode is not None:
            self._schedule_restart(entry, describe_exit(returncode))
        elif not entry.is_ready:
            self._look_whether_ready(entry)

    def _look_whether_ready(self, entry: _Entry) -> None:
        seconds = time.monotonic() - entry.child.started_at
        if entry.spec.is_ready() if entry.spec.is_ready else seconds > SETTLED_SECONDS:
            entry.is_ready = True
            self._report(EventKind.RESTARTED, entry, seconds=seconds)
        elif seconds > entry.spec.ready_seconds:
            entry.child.kill_group()
            entry.child.wait_until_ended(seconds=KILL_SECONDS)
            self._schedule_restart(entry, f"not ready after {entry.spec.ready_seconds:g} s")

    def _schedule_restart(self, entry: _Entry, reason: str) -> None:
        if time.monotonic() - entry.child.started_at > STEADY_SECONDS:
            entry.backoff_seconds = FIRST_BACKOFF_SECONDS
        pause = entry.backoff_seconds
        entry.backoff_seconds = min(pause * 2, LONGEST_BACKOFF_SECONDS)
        entry.restart_at = time.monotonic() + pause
        self._report(EventKind.CRASHED, entry, detail=f"{reason}; starting again in {pause:g} s", seconds=pause)

    def _try_respawn(self, entry: _Entry) -> None:
        try:
            self._fork(partial(self._respawn_wanted, entry))
        except SupervisorClosedError:
            return
        except ProcessStartError as error:
            self._schedule_restart(entry, str(error))

    # --- inside -----------------------------------------------------------------------------------------------------------------

    def _fork(self, work: Callable[[], None]) -> None:
        """Run `work` on the forking thread. An interrupt in the calling thread cannot lose a child that was just started."""
        try:
            future = self._forker.submit(work)
        except RuntimeError as error:
            raise SupervisorClosedError("the supervisor is stopped") from error
        future.result()

    def _add(self, spec: ProcessSpec, group: int) -> None:
        with self._lock:
            old = self._entries.get(spec.name)
        if old is not None and old.child.poll() is None:
            raise ProcessStartError(f"{spec.name} runs already")
        child = self._spawn(spec)
        entry = _Entry(spec=spec, child=child, group=group)
        with self._lock:
            self._entries.pop(spec.name, None)
            self._entries[spec.name] = entry
        self._report(EventKind.STARTED, entry)

    def _respawn(self, entry: _Entry) -> None:
        entry.child = self._spawn(entry.spec)
        entry.is_ready = False
        entry.restart_at = None
        self._report(EventKind.STARTED, entry)

    def _respawn_wanted(self, entry: _Entry) -> None:
        if entry.is_wanted:  # `stop` may have come first
            self._respawn(entry)

    def _spawn(self, spec: ProcessSpec) -> Child:
        if self._is_closed.is_set():
            raise SupervisorClosedError(f"{spec.name} is not started: the supervisor is stopped")
        try:
            return Child(spec, keep_open=self._keep_open)
        except OSError as error:
            raise ProcessStartError(f"{spec.name} cannot be started: {error}") from error

    def _finish_start(self, entries: Iterable[_Entry]) -> None:
        try:
            self._wait_until_ready(entries)
        except BaseException:
            self._forget(entries)
            raise
        for entry in entries:
            entry.is_wanted = True

    def _wait_until_ready(self, entries: Iterable[_Entry]) -> None:
        waiting = list(entries)

        def are_all_ready() -> bool:
            for entry in waiting[:]:
                if self._is_up(entry):
                    waiting.remove(entry)
                    entry.is_ready = True
                    self._report(EventKind.READY, entry, seconds=time.monotonic() - entry.child.started_at)
            return not waiting

        # Each process has its own time limit, which `_is_up` holds.
        wait_until(are_all_ready, seconds=math.inf, describe="all to be ready")

    def _is_up(self, entry: _Entry) -> bool:
        """Whether the process is ready.

        Raises: ProcessStartError when that will not happen any more.
        """
        returncode = self._poll_starting(entry)
        if returncode is not None:
            raise ProcessStartError(_with_log(f"{entry.spec.name} ended with {describe_exit(returncode)}", entry.child))
        if entry.spec.is_ready is None or entry.spec.is_ready():
            return True
        self._check_time(entry, "was not ready")
        return False

    def _has_succeeded(self, entry: _Entry) -> bool:
        """Whether a process of `run` has ended well.

        Raises: ProcessStartError when it has failed.
        """
        returncode = self._poll_starting(entry)
        if returncode is None:
            self._check_time(entry, "had not ended")
        elif returncode != 0:
            raise ProcessStartError(_with_log(f"{entry.spec.name} ended with {describe_exit(returncode)}", entry.child))
        return returncode == 0

    def _poll_starting(self, entry: _Entry) -> int | None:
        if self._is_closed.is_set():
            raise SupervisorClosedError(f"{entry.spec.name} was stopped before it was ready")
        return entry.child.poll()

    @staticmethod
    def _check_time(entry: _Entry, complaint: str) -> None:
        limit = entry.spec.ready_seconds
        if time.monotonic() - entry.child.started_at > limit:
            raise ProcessStartError(_with_log(f"{entry.spec.name} {complaint} after {limit:g} s", entry.child))

    def _next_group(self) -> int:
        with self._lock:
            self._groups += 1
            return self._groups

    def _forget(self, entries: Iterable[_Entry]) -> None:
        """Stop and drop what a failed start has left."""
        entries = list(entries)
        self._end(entries)
        with self._lock:
            for entry in entries:
                if self._entries.get(entry.spec.name) is entry:
                    del self._entries[entry.spec.name]

    @staticmethod
    def _has_ended(stopping: Future[None]) -> bool:
        """Wait for the end; False when Ctrl-C came first."""
        try:
            stopping.result()
        except KeyboardInterrupt:
            return False
        return True

    def _stop_everything(self) -> None:
        with self._lock:
            entries = list(self._entries.values())
        for entry in entries:
            entry.is_wanted = False
        try:
            for group in sorted({entry.group for entry in entries}, reverse=True):
                self._end([entry for entry in entries if entry.group == group])
        finally:
            for entry in entries:
                entry.child.kill_group()

    def _end(self, entries: list[_Entry]) -> None:
        """Ask all to end, then wait for each and kill what does not. The first is asked first."""
        running = [entry for entry in entries if entry.child.poll() is None]
        asked_at = time.monotonic()
        for entry in running:
            entry.child.send(entry.spec.stop_signal)
        for entry in running:
            detail = "" if self._wait_for_end(entry, asked_at) else self._kill_stubborn(entry)
            self._report(EventKind.STOPPED, entry, detail=detail, seconds=time.monotonic() - asked_at)

    def _wait_for_end(self, entry: _Entry, asked_at: float) -> bool:
        def is_decided() -> bool:
            patience = entry.spec.stop_seconds
            if self._is_hurried.is_set():
                patience = min(patience, HURRIED_STOP_SECONDS)
            return entry.child.poll() is not None or time.monotonic() - asked_at > patience

        wait_until(is_decided, seconds=math.inf, describe=f"{entry.spec.name} to end")
        return entry.child.poll() is not None

    @staticmethod
    def _kill_stubborn(entry: _Entry) -> str:
        entry.child.kill_group()
        entry.child.wait_until_ended(seconds=KILL_SECONDS)
        return f"killed: did not end on {entry.spec.stop_signal.name}"

    def _get(self, name: str) -> _Entry:
        with self._lock:
            return self._entries[name]

    def _report(self, kind: EventKind, entry: _Entry, *, detail: str = "", seconds: float = 0.0) -> None:
        self._on_event(
            ProcessEvent(kind=kind, name=entry.spec.name, pid=entry.child.pid, detail=detail, seconds=seconds)
        )


def _do_nothing() -> None:
    pass


def _with_log(sentence: str, child: Child) -> str:
    lines = child.read_last_lines()
    if not lines:
        return f"{sentence}; it logged nothing ({child.spec.log_path})"
    return "\n  ".join([f"{sentence}; the end of {child.spec.log_path}:", *lines])
