"""The supervisor with real processes."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aidashboard.stack import processes
from aidashboard.stack.supervision import (
    EventKind,
    ProcessEvent,
    ProcessSpec,
    ProcessStartError,
    ProcessUser,
    Supervisor,
    SupervisorClosedError,
)
from aidashboard.stack.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def events() -> list[ProcessEvent]:
    return []


@pytest.fixture
def supervisor(events: list[ProcessEvent]) -> Iterator[Supervisor]:
    supervisor = Supervisor(on_event=events.append)
    yield supervisor
    supervisor.stop_all()


@pytest.fixture
def spec(tmp_path: Path) -> Any:  # Any: a builder with the defaults of these tests
    def build(name: str, *command: str, **fields: Any) -> ProcessSpec:
        fields.setdefault("log_path", tmp_path / "logs" / f"{name}.log")
        return ProcessSpec(name=name, command=command, **fields)

    return build


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def is_alive(pid: int) -> bool:
    """Zombies count as alive: they are leftovers, too."""
    return Path(f"/proc/{pid}").exists()


def kinds(events: list[ProcessEvent], name: str) -> list[EventKind]:
    return [event.kind for event in events if event.name == name]


# --- starting ---------------------------------------------------------------------------------------------------------------


def test_start_returns_when_the_process_is_ready(supervisor, spec, tmp_path, events):
    mark = tmp_path / "mark"

    supervisor.start(spec("server", *shell(f"sleep 0.2; touch {mark}; exec sleep 60"), is_ready=mark.exists))

    assert mark.exists()
    assert supervisor.is_running("server")
    assert kinds(events, "server") == [EventKind.STARTED, EventKind.READY]


def test_process_that_ends_before_it_is_ready_is_reported_with_its_last_words(supervisor, spec):
    with pytest.raises(ProcessStartError, match=r"(?s)server ended with exit code 3.*port 80 is taken"):
        supervisor.start(spec("server", *shell("echo port 80 is taken >&2; exit 3"), is_ready=lambda: False))

    assert supervisor.names == ()


def test_process_that_never_gets_ready_is_stopped_and_reported(supervisor, spec):
    pids: list[int] = []

    def is_ready() -> bool:
        pids.append(supervisor.pid("server"))
        return False

    with pytest.raises(ProcessStartError, match=r"server was not ready after 0\.2 s; it logged nothing"):
        supervisor.start(spec("server", "sleep", "60", is_ready=is_ready, ready_seconds=0.2))

    assert not is_alive(pids[0])


def test_program_that_does_not_exist_is_named(supervisor, spec):
    with pytest.raises(ProcessStartError, match=r"server cannot be started: .*no-such-program"):
        supervisor.start(spec("server", "no-such-program"))


def test_log_of_an_earlier_start_is_not_blamed_for_this_one(supervisor, spec, tmp_path):
    log_path = tmp_path / "server.log"
    log_path.write_text("yesterday's trouble\n")

    with pytest.raises(ProcessStartError) as failure:
        supervisor.start(spec("server", *shell("echo today; exit 1"), log_path=log_path, is_ready=lambda: False))

    assert "today" in str(failure.value)
    assert "yesterday" not in str(failure.value)
    assert log_path.read_text() == "yesterday's trouble\ntoday\n"


def test_large_log_is_put_aside_at_start(supervisor, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "LARGEST_LOG_BYTES", 100)
    log_path = tmp_path / "server.log"
    log_path.write_text("x" * 101)

    supervisor.start(spec("server", "sleep", "60", log_path=log_path))

    assert log_path.stat().st_size == 0
    assert (tmp_path / "server.log.1").stat().st_size == 101


def test_processes_of_one_call_start_side_by_side(supervisor, spec, tmp_path):
    marks = [tmp_path / f"mark-{number}" for number in range(4)]
    started_at = time.monotonic()

    supervisor.start_all(
        spec(mark.name, *shell(f"sleep 0.5; touch {mark}; exec sleep 60"), is_ready=mark.exists) for mark in marks
    )

    assert time.monotonic() - started_at < 1.5


def test_one_failure_of_a_call_stops_all_of_it(supervisor, spec):
    with pytest.raises(ProcessStartError):
        supervisor.start_all([spec("good", "sleep", "60"), spec("bad", "false", is_ready=lambda: False)])

    assert supervisor.names == ()


def test_failure_is_noticed_while_another_process_is_not_ready_yet(supervisor, spec):
    started_at = time.monotonic()

    with pytest.raises(ProcessStartError, match="quick ended with exit code 1"):
        supervisor.start_all(
            [spec("slow", "sleep", "60", is_ready=lambda: False), spec("quick", "false", is_ready=lambda: False)]
        )

    assert time.monotonic() - started_at < 5


def test_second_process_of_a_running_name_is_refused(supervisor, spec):
    supervisor.start(spec("server", "sleep", "60"))
    pid = supervisor.pid("server")

    with pytest.raises(ProcessStartError, match="server runs already"):
        supervisor.start(spec("server", "sleep", "60"))

    assert supervisor.pid("server") == pid
    assert supervisor.is_running("server")


def test_child_outlives_the_thread_that_asked_for_it(supervisor, spec):
    asking = threading.Thread(target=supervisor.start, args=(spec("server", "sleep", "60"),))
    asking.start()
    asking.join()
    time.sleep(0.2)

    assert supervisor.is_running("server")


def test_environment_is_minimal_and_own_values_win(supervisor, spec, tmp_path, monkeypatch):
    monkeypatch.setenv("AIDASHBOARD_DEBUG", "true")
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    log_path = tmp_path / "env.log"

    supervisor.start(
        spec("env", *shell("env; exec sleep 60"), log_path=log_path, environment={"TZ": "UTC", "OWN": "1"})
    )
    wait_until(lambda: "OWN=1" in log_path.read_text(), seconds=5, describe="the environment")

    lines = log_path.read_text().splitlines()
    assert "TZ=UTC" in lines
    assert f"PATH={os.environ['PATH']}" in lines
    assert not any(line.startswith("AIDASHBOARD_") for line in lines)


# Not skipped for others but absent: what only root does differently is no part that an ordinary user's machine lacks.
if os.getuid() == 0:

    def test_child_runs_under_the_given_account(supervisor, spec, tmp_path):
        nobody = pwd.getpwnam("nobody")
        log_path = tmp_path / "id.log"

        supervisor.start(
            spec(
                "id",
                *shell("id -u; id -g; id -G; pwd; exec sleep 60"),
                log_path=log_path,
                user=ProcessUser(uid=nobody.pw_uid, gid=nobody.pw_gid),
            )
        )
        wait_until(lambda: log_path.read_text().count("\n") == 4, seconds=5, describe="the ids")

        assert log_path.read_text().split() == [str(nobody.pw_uid), str(nobody.pw_gid), str(nobody.pw_gid), "/"]


# --- stopping ---------------------------------------------------------------------------------------------------------------


def test_last_started_is_stopped_first(supervisor, spec, events):
    for name in ("database", "broker", "web"):
        supervisor.start(spec(name, "sleep", "60"))

    supervisor.stop_all()

    assert [event.name for event in events if event.kind is EventKind.STOPPED] == ["web", "broker", "database"]


def test_process_that_ignores_its_signal_is_killed(supervisor, spec, tmp_path, events):
    mark = tmp_path / "mark"
    script = f"trap '' TERM; touch {mark}; while :; do sleep 1; done"
    supervisor.start(spec("stubborn", *shell(script), is_ready=mark.exists, stop_seconds=0.3))
    pid = supervisor.pid("stubborn")

    supervisor.stop_all()

    assert not is_alive(pid)
    assert events[-1].detail == "killed: did not end on SIGTERM"


def test_own_stop_signal_is_used(supervisor, spec, tmp_path):
    mark, log_path = tmp_path / "mark", tmp_path / "server.log"
    script = f"trap 'echo fast; exit' INT; touch {mark}; while :; do sleep 0.05; done"
    supervisor.start(spec("server", *shell(script), is_ready=mark.exists, log_path=log_path, stop_signal=signal.SIGINT))

    supervisor.stop("server")

    assert log_path.read_text() == "fast\n"
    assert not supervisor.is_running("server")


def test_what_a_child_has_started_goes_with_it(supervisor, spec, tmp_path):
    log_path = tmp_path / "server.log"
    supervisor.start(spec("server", *shell("sleep 60 & echo $!; wait"), log_path=log_path))
    wait_until(lambda: log_path.read_text() != "", seconds=5, describe="the grandchild")
    grandchild = int(log_path.read_text())

    supervisor.stop("server")

    wait_until(lambda: not is_alive(grandchild), seconds=5, describe="the end of the grandchild")


def test_nothing_starts_after_stop_all(supervisor, spec):
    supervisor.stop_all()
    supervisor.stop_all()

    with pytest.raises(SupervisorClosedError):
        supervisor.start(spec("server", "sleep", "60"))


def test_stop_all_ends_a_start_that_is_waiting(supervisor, spec):
    failures: list[BaseException] = []

    def start() -> None:
        try:
            supervisor.start(spec("server", "sleep", "60", is_ready=lambda: False))
        except SupervisorClosedError as error:
            failures.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    wait_until(lambda: supervisor.names == ("server",), seconds=5, describe="the start")
    pid = supervisor.pid("server")

    supervisor.stop_all()
    starting.join(timeout=5)

    assert len(failures) == 1
    assert not is_alive(pid)


def test_repeated_ctrl_c_shortens_the_stop_and_leaves_nothing(supervisor, spec, tmp_path):
    mark = tmp_path / "mark"
    script = f"trap '' TERM; touch {mark}; while :; do sleep 1; done"
    supervisor.start(spec("stubborn", *shell(script), is_ready=mark.exists, stop_seconds=60))
    pid = supervisor.pid("stubborn")
    interrupts = [threading.Timer(0.2 * number, os.kill, (os.getpid(), signal.SIGINT)) for number in (1, 2, 3)]
    for interrupt in interrupts:
        interrupt.start()
    started_at = time.monotonic()

    with contextlib.suppress(KeyboardInterrupt):
        supervisor.stop_all()

    assert not is_alive(pid)
    assert time.monotonic() - started_at < 10


# --- watching ---------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def watching(supervisor: Supervisor) -> Iterator[None]:
    until = threading.Event()
    thread = threading.Thread(target=supervisor.watch, args=(until,))
    thread.start()
    try:
        yield
    finally:
        until.set()
        thread.join()


def test_crashed_child_is_started_again(supervisor, spec, events):
    supervisor.start(spec("server", "sleep", "60"))
    first = supervisor.pid("server")

    with watching(supervisor):
        supervisor.kill("server")
        wait_until(lambda: EventKind.RESTARTED in kinds(events, "server"), seconds=10, describe="the restart")

    assert supervisor.pid("server") != first
    assert supervisor.is_running("server")
    assert kinds(events, "server")[2:] == [EventKind.CRASHED, EventKind.STARTED, EventKind.RESTARTED]
    assert events[2].detail == "signal SIGKILL; starting again in 0.5 s"


def test_pauses_between_restarts_double(supervisor, spec, events):
    supervisor.start(spec("server", *shell("sleep 0.1; exit 7")))

    with watching(supervisor):
        wait_until(lambda: kinds(events, "server").count(EventKind.CRASHED) == 3, seconds=20, describe="three crashes")

    crashes = [event for event in events if event.kind is EventKind.CRASHED]
    assert [crash.seconds for crash in crashes] == [0.5, 1, 2]
    assert crashes[0].detail == "exit code 7; starting again in 0.5 s"


def test_stopped_child_stays_stopped_and_can_be_restarted(supervisor, spec):
    supervisor.start(spec("server", "sleep", "60"))

    with watching(supervisor):
        supervisor.stop("server")
        time.sleep(1)
        assert not supervisor.is_running("server")
        supervisor.restart("server")
        assert supervisor.is_running("server")


def test_killed_child_stays_down_while_nobody_watches(supervisor, spec):
    supervisor.start(spec("other", "sleep", "60"))
    supervisor.start(spec("server", "sleep", "60"))
    first = supervisor.pid("server")

    supervisor.kill("server")
    wait_until(lambda: not supervisor.is_running("server"), seconds=5, describe="the end")
    assert supervisor.is_running("other")
    supervisor.restart("server")

    assert supervisor.is_running("server")
    assert supervisor.pid("server") != first


# --- the supervisor dies ------------------------------------------------------------------------------------------------------

PARENT = """
import signal, sys, time
from pathlib import Path
from aidashboard.stack.supervision import ProcessSpec, Supervisor
supervisor = Supervisor()
marked = Path(sys.argv[1]) / "mark"
script = f"trap 'echo died of INT; exit' INT; touch {marked}; while :; do sleep 0.05; done"
log_path = Path(sys.argv[1]) / "child.log"
supervisor.start_all([
    ProcessSpec(name="gentle", command=("sh", "-c", script), log_path=log_path, is_ready=marked.exists, death_signal=signal.SIGINT),
    ProcessSpec(name="plain", command=("sleep", "60"), log_path=log_path),
])
print(supervisor.pid("gentle"), supervisor.pid("plain"), flush=True)
exec(sys.argv[2])
"""


def start_parent(tmp_path: Path, then: str) -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), then], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        return process, [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("then", ["time.sleep(60)", "pass"], ids=["killed", "ended without stopping"])
def test_children_die_with_the_supervisor_by_the_signal_of_their_choice(tmp_path, then):
    process, children = start_parent(tmp_path, then)
    if "sleep" in then:
        process.kill()
    process.wait(timeout=10)

    assert len(children) == 2
    wait_until(lambda: not any(map(is_alive, children)), seconds=5, describe="the end of the children")
    assert "died of INT" in (tmp_path / "child.log").read_text()
