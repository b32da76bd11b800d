"""The command `aidashboard`: runs the product on one machine, and management commands in its environment."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aidashboard.demo.run import Demo
from aidashboard.kit.errors import AppError
from aidashboard.settings.env import EnvironmentValueError
from aidashboard.stack import product
from aidashboard.stack.locking import DataDirBusyError
from aidashboard.stack.options import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    LOOPBACK_HOSTS,
    StackOptions,
    default_data_dir,
    own_variables,
)
from aidashboard.stack.running import read_running
from aidashboard.stack.servers import ServerSetUpError
from aidashboard.stack.signals import StopRequested, stop_signals
from aidashboard.stack.stack import Stack
from aidashboard.stack.supervision import ProcessStartError

# Refusals that a person can act on: their message is enough, a traceback would hide it.
REFUSALS: Final = (AppError, EnvironmentValueError, DataDirBusyError, ServerSetUpError, ProcessStartError, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it ended as wanted, 1 when it could not, 2 when the arguments make no sense."""
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except REFUSALS as error:
        print(f"aidashboard: {error}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aidashboard", description="The open control plane for GPU teams.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="run the product on this machine, with PostgreSQL and Valkey of its own")
    add_stack_arguments(up)
    up.set_defaults(run=run_up)
    demo = commands.add_parser("demo", help="run it with a simulated GPU cluster and an example organisation")
    add_stack_arguments(demo)
    demo.add_argument(
        "--scenario", default="demo", help="which cluster and people: a name, or a scenario file (default: %(default)s)"
    )
    demo.set_defaults(run=run_demo)
    manage = commands.add_parser("manage", help="run a management command, such as createsuperuser, in a running stack")
    add_data_dir(manage)
    manage.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    manage.set_defaults(run=run_manage)
    return parser


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=default_data_dir(os.environ),
        metavar="FOLDER",
        help="where everything is kept (default: %(default)s)",
    )


def add_stack_arguments(parser: argparse.ArgumentParser) -> None:
    """What `up` and every command built on the stack can be told."""
    add_data_dir(parser)
    parser.add_argument(
        "--host", default=DEFAULT_HOST, help="the address to listen on; 0.0.0.0 for all (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="the web port; 0 for any free one (default: %(default)s)"
    )


def build_stack_options(options: argparse.Namespace) -> StackOptions:
    return StackOptions(
        data_dir=options.data_dir.absolute(),
        host=options.host,
        port=options.port,
        variables=own_variables(os.environ),
    )


def run_up(options: argparse.Namespace) -> int:
    """Start everything, say where it is, and keep it running until somebody stops it."""
    stack = Stack(build_stack_options(options), report=report)
    try:
        with stop_signals(), stack:
            report(summarise(stack))
            stack.run_until_stopped()
    except StopRequested:
        report("AI Dashboard has stopped.")
    return 0


def run_demo(options: argparse.Namespace) -> int:
    """Start everything with a sandbox cluster beside it, and keep it running until somebody stops it."""
    return Demo(build_stack_options(options), scenario_name=options.scenario, report=report).run()


def run_manage(options: argparse.Namespace) -> int:
    """Replace this process by the management command, so that it has the terminal to itself."""
    running = read_running(options.data_dir.absolute())
    arguments = [sys.executable, "-m", "django", *(options.command or ["help"])]
    os.chdir(product.HOME)
    os.execve(sys.executable, arguments, {**os.environ, **running.environment})  # noqa: S606  (no shell on purpose)


def summarise(stack: Stack) -> str:
    """All that a person needs to know about a stack that has started."""
    options = stack.options
    rows = {
        "Pages": stack.url,
        "Data": str(options.data_dir),
        "Logs": str(options.logs_dir),
        "First login": f"aidashboard manage --data-dir {options.data_dir} createsuperuser",
        "Stop": "Ctrl-C",
    }
    lines = ["AI Dashboard is running.", *(f"  {name + ':':13}{value}" for name, value in rows.items())]
    if options.host not in LOOPBACK_HOSTS and not options.environment.is_set("ALLOWED_HOSTS"):
        lines.append(
            "  Other machines are refused until AIDASHBOARD_ALLOWED_HOSTS names the host in their address bar."
        )
    return "\n".join(lines)


def report(line: str) -> None:
    # Flushed, so that a log of the terminal shows it at once.
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
