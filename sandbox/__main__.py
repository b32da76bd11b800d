"""`python -m sandbox build|up|down|status|reset`: the cluster by itself, for trying things out with kubectl."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from aidashboard.kit.errors import AppError
from aidashboard.stack.locking import DataDirBusyError, DataDirLock
from aidashboard.stack.signals import StopRequested, stop_signals
from aidashboard.stack.supervision import EventKind, ProcessEvent
from aidashboard.stack.waiting import WaitTimeoutError, wait_until

from .build import BuildProgress, build, cache_folder, find_programs
from .cluster import Sandbox
from .layout import Layout
from .scenario import load_scenario
from .simulation import prepare_history, start_simulation, start_teams
from .status import SandboxStatus, read_status

DOWN_SECONDS = 60.0


class BuildLine:
    """Shows a build: one line that rewrites itself on a terminal, one line per program elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._shown = ""

    def __call__(self, progress: BuildProgress) -> None:
        of_how_many = f" ({progress.index} of {progress.count})" if progress.index else ""
        text = f"{progress.program}{of_how_many}, about {_minutes(progress.seconds_left)} left"
        if self._is_terminal:
            print(f"\r\033[K{text}", end="", flush=True)
        elif progress.program != self._shown:
            print(text, flush=True)
        self._shown = progress.program

    def end(self) -> None:
        """Leave the line."""
        if self._shown and self._is_terminal:
            print("\r\033[K", end="", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parse(arguments)
    command = {"build": _build, "up": _up, "down": _down, "status": _status, "reset": _reset}[options.command]
    try:
        return command(options)
    except AppError as error:
        print(f"{error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return 1
    except DataDirBusyError as error:
        print(f"{error} `python -m sandbox down --dir {options.dir}` stops it.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A real Kubernetes control plane with Kueue, simulated nodes and Prometheus on loopback.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    commands.add_parser("build", help="build the programs that are missing, and nothing else")
    up = commands.add_parser("up", help="start the cluster in a folder, the first time a new one; Ctrl-C stops it")
    up.add_argument("--detach", action="store_true", help="return when it is ready and leave it running")
    up.add_argument("--fair-sharing", action="store_true", help="let Kueue share fairly")
    up.add_argument(
        "--scenario", metavar="NAME", help="with the nodes, GPUs and teams of a scenario (demo, tests, or a file)"
    )
    up.add_argument("--no-monitoring", action="store_true", help="without Prometheus and kube-state-metrics")
    up.add_argument("--ready-fd", type=int, help=argparse.SUPPRESS)  # for --detach: where to say that all is up
    down = commands.add_parser("down", help="stop the cluster of a folder; everything in it is kept")
    status = commands.add_parser("status", help="show its processes; exit status 1 if not all are well")
    reset = commands.add_parser("reset", help="delete everything in a stopped cluster")
    reset.add_argument("--yes", action="store_true", help="do not ask")
    for command in (up, down, status, reset):
        command.add_argument("--dir", type=Path, required=True, metavar="D", help="the folder of the cluster")
    return parser.parse_args(arguments)


def _build(_: argparse.Namespace) -> int:
    _ensure_programs()
    print(f"The programs lie in {cache_folder()}.")
    return 0


def _ensure_programs() -> None:
    if find_programs() is not None:
        return
    started, line = time.monotonic(), BuildLine()
    try:
        with stop_signals():
            build(line)
    finally:
        line.end()
    print(f"Built in {_minutes(time.monotonic() - started)}.")


def _up(options: argparse.Namespace) -> int:
    if options.detach:
        return _up_detached(options)
    _ensure_programs()
    scenario = load_scenario(options.scenario) if options.scenario else None
    sandbox = Sandbox(
        options.dir,
        fair_sharing=options.fair_sharing,
        with_monitoring=not options.no_monitoring,
        on_event=_tell,
    )
    with stop_signals():
        try:
            started = time.monotonic()
            if scenario is not None and sandbox.with_monitoring:
                prepare_history(sandbox, scenario)
            with sandbox:
                if scenario is not None:
                    start_simulation(sandbox, scenario)
                    start_teams(sandbox, options.scenario)
                print(f"Ready after {time.monotonic() - started:.1f} s.")
                _print_addresses(read_status(options.dir))
                print("Ctrl-C stops it.", flush=True)
                if options.ready_fd is not None:
                    os.write(options.ready_fd, b"ready\n")
                sandbox.watch(Event())
        except StopRequested:
            print("Stopped; the folder keeps the cluster.")
    return 0


def _up_detached(options: argparse.Namespace) -> int:
    status = read_status(options.dir)
    if status.holder is not None:
        raise DataDirBusyError(f"{status.directory} is in use by process {status.holder}.")
    _ensure_programs()
    layout = Layout(options.dir.resolve())
    layout.create()
    read_end, write_end = os.pipe()
    arguments = [sys.executable, "-m", "sandbox", "up", "--dir", str(options.dir)]
    arguments += ["--fair-sharing"] * options.fair_sharing + ["--no-monitoring"] * options.no_monitoring
    arguments += ["--scenario", options.scenario] if options.scenario else []
    arguments += ["--ready-fd", str(write_end)]
    with layout.log("sandbox").open("w") as log:
        # A session of its own: closing the terminal must not take the cluster with it.
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(write_end,),
        )
    os.close(write_end)
    with os.fdopen(read_end) as ready:
        try:
            word = ready.readline()
        except KeyboardInterrupt:
            process.terminate()
            raise
        if not word:  # it ended
            process.wait()
            print(layout.log("sandbox").read_text(encoding="utf-8").strip(), file=sys.stderr)
            return 1
    _print_addresses(read_status(options.dir))
    print(f"`python -m sandbox down --dir {options.dir}` stops it.")
    return 0


def _down(options: argparse.Namespace) -> int:
    lock = DataDirLock(options.dir.resolve())
    holder = lock.find_holder()
    if holder is None:
        print(f"Nothing runs in {options.dir}.")
        return 0
    os.kill(holder, signal.SIGTERM)
    try:
        wait_until(lambda: lock.find_holder() is None, seconds=DOWN_SECONDS, describe="it to stop")
    except WaitTimeoutError:
        print(f"Process {holder} was asked to stop and still runs after {DOWN_SECONDS:.0f} s.", file=sys.stderr)
        return 1
    print("Stopped; the folder keeps the cluster.")
    return 0


def _status(options: argparse.Namespace) -> int:
    status = read_status(options.dir)
    if status.holder is None:
        print(f"Nothing runs in {options.dir}. `python -m sandbox up --dir {options.dir}` starts it.")
        return 1
    width = max((len(item.name) for item in status.processes), default=7)
    print(f"{'process':<{width}}  {'pid':>8}  state")
    for item in status.processes:
        print(f"{item.name:<{width}}  {item.pid:>8}  {item.word}")
    if not status.is_ready:
        print("It is still starting.")
    _print_addresses(status)
    return 0 if status.is_up else 1


def _reset(options: argparse.Namespace) -> int:
    layout = Layout(options.dir.resolve())
    if not layout.marker.exists():
        print(f"{options.dir} holds no sandbox; nothing was deleted.", file=sys.stderr)
        return 1
    if not options.yes and not _confirm(f"Delete the cluster in {options.dir} with everything in it? [y/N] "):
        print("Nothing was deleted.")
        return 1
    with DataDirLock(layout.directory):
        for path in layout.contents():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    print("Deleted. The next `up` starts with an empty cluster.")
    return 0


def _confirm(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False  # nobody there to ask


def _tell(event: ProcessEvent) -> None:
    match event.kind:
        case EventKind.READY:
            print(f"  {event.name} is ready ({event.seconds:.1f} s)", flush=True)
        case EventKind.CRASHED:
            print(f"  {event.name} crashed: {event.detail}", flush=True)
        case EventKind.RESTARTED:
            print(f"  {event.name} is back", flush=True)
        case _:
            pass


def _print_addresses(status: SandboxStatus) -> None:
    if status.api_server_url:
        print(f"API server  {status.api_server_url}")
        print(f"Prometheus  {status.prometheus_url or 'not started'}")
        kubectl = shutil.which("kubectl") or str(cache_folder() / "bin" / "kubectl")
        print(f"kubectl     {kubectl} --kubeconfig {status.kubeconfig} get nodes")


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
