from pathlib import Path

from aidashboard.stack.journal import Journal, describe_for_terminal
from aidashboard.stack.supervision import EventKind, ProcessEvent


def event(kind: EventKind, detail: str = "") -> ProcessEvent:
    return ProcessEvent(kind=kind, name="worker", pid=7, detail=detail)


def test_what_goes_as_planned_is_not_told():
    assert [describe_for_terminal(event(kind)) for kind in (EventKind.STARTED, EventKind.READY, EventKind.STOPPED)] == [
        ""
    ] * 3


def test_crash_is_told_with_its_reason():
    line = describe_for_terminal(event(EventKind.CRASHED, "exit code 3; starting again in 2 s"))

    assert line == "worker crashed (exit code 3; starting again in 2 s)"


def test_stop_by_force_is_told():
    assert describe_for_terminal(event(EventKind.STOPPED, "killed: did not end on SIGTERM")) == (
        "worker was killed: did not end on SIGTERM"
    )


def test_closed_terminal_and_unusable_folder_stop_nothing():
    def report(line: str) -> None:
        raise BrokenPipeError

    Journal(Path("/dev/null/logs/stack.log"), report=report).note(event(EventKind.CRASHED))
