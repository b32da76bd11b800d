"""`python -m sandbox.driver`: the teams of a scenario as a process, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

from sandbox.api import KubeApi
from sandbox.driver.playing import Player
from sandbox.scenario import ScenarioError, load_scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.driver", description="Play the teams of a scenario.")
    parser.add_argument("--kubeconfig", type=Path, required=True, help="how to reach the API server")
    parser.add_argument("--scenario", default="demo", help="a shipped scenario's name, or a file")
    parser.add_argument("--seed", type=int, help="which sequence of jobs (default: the scenario's)")
    parser.add_argument("--speed", type=float, help="hours of lab time in an hour (default: the scenario's)")
    options = parser.parse_args()
    try:
        scenario = load_scenario(options.scenario)
    except ScenarioError as error:
        parser.error(error.message)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    player = Player(
        KubeApi.from_kubeconfig(options.kubeconfig),
        scenario,
        seed=scenario.seed if options.seed is None else options.seed,
        speed=options.speed or scenario.pace.speed,
        tell=lambda line: print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}", flush=True),
    )
    player.play(stop)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
