"""From series to blocks: writes OpenMetrics files, hands them to promtool, and leaves the exporter's memory behind."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from aidashboard.kit.errors import UnavailableError
from sandbox.gpus.fleet import Memory
from sandbox.gpus.memory import save_memory
from sandbox.gpus.thermals import CardState
from sandbox.history.playing import play_day
from sandbox.history.series import QueueNames, write_gpu_series, write_queue_series, write_state_series
from sandbox.prometheus import GPU_JOB
from sandbox.scenario.model import Scenario, Team

HOURS: Final = 24.0
# Prometheus looks five minutes back for a sample: with this step there is always exactly one.
STEP_SECONDS: Final = 300.0
IMPORT_SECONDS: Final = 120.0
# Blocks of 18 hours instead of 2: promtool reads its input once per block.
BLOCK_DURATION: Final = "24h"

STATE_JOB: Final = "kube-state-metrics"
QUEUE_JOB: Final = "kueue"


class HistoryError(UnavailableError):
    """promtool refused the history. The cluster works without it; its charts begin now."""

    default_code = "sandbox-history"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySummary:
    series_bytes: int
    pods: int
    seconds: float


def default_queue_names(scenario: Scenario, *, root: str = "root") -> QueueNames:
    """What the queues are called when each part of the path `root.department.team` is kept."""
    department_of = {team.name: department.name for department in scenario.departments for team in department.teams}

    def cohort(team: Team) -> str:
        return f"{root}-{department_of[team.name]}"

    return QueueNames(cluster_queue=lambda team: f"{cohort(team)}-{team.name}", cohort=cohort, flavor="aidashboard")


def write_history(
    scenario: Scenario,
    *,
    data: Path,
    promtool: Path,
    memory: Path | None = None,
    names: QueueNames | None = None,
    until: float | None = None,
    hours: float = HOURS,
) -> HistorySummary:
    """Fill Prometheus' data folder with the hours before `until` (Unix seconds, now by default).

    `memory` is the file with which the exporter will start (`gpus.json` beside the kubeconfig, unless it is told otherwise).
    Raises: HistoryError with what promtool said.
    """
    started_at = time.monotonic()
    # A last sample is seen for five minutes and nothing here can end a series earlier: written up to now, the past would
    # stand beside the present for that long and every sum would be doubled.
    end = (until if until is not None else time.time()) - STEP_SECONDS
    steps = int(hours * 3600 / STEP_SECONDS)
    times = [end - (steps - step) * STEP_SECONDS for step in range(steps + 1)]
    day = play_day(scenario, start=times[0], end=end)
    cards: dict[str, CardState] = {}
    size = 0

    def gpu_series(out: TextIO) -> None:
        cards.update(write_gpu_series(out, scenario, day, times=times))

    def state_series(out: TextIO) -> None:
        write_state_series(out, scenario, day, times=times)

    def queue_series(out: TextIO) -> None:
        write_queue_series(out, scenario, day, times=times, names=names or default_queue_names(scenario))

    writers: dict[str, Callable[[TextIO], None]] = {
        GPU_JOB: gpu_series,
        STATE_JOB: state_series,
        QUEUE_JOB: queue_series,
    }
    if data.exists() and any(data.iterdir()):
        raise HistoryError(f"{data} holds figures already; a history can only come before the first of them")
    # Beside the data, which has to lie where there is room: the text takes some 250 MB for a moment. The blocks are moved
    # at the very end, so that a start that was cut short leaves no half of a history behind.
    scratch = data.with_name("history.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    blocks = scratch / data.name
    blocks.mkdir(parents=True, mode=0o700)
    try:
        for job, write in writers.items():
            path = scratch / f"{job}.om"
            with path.open("w", encoding="utf-8") as out:
                write(out)
            size += path.stat().st_size
            # As in the live configuration (sandbox.prometheus): one target per job, named like it.
            _import(promtool, path, blocks, labels={"job": job, "instance": job})
            path.unlink()
        if memory is not None:
            save_memory(memory, Memory(cards=cards, is_exact=True))
        blocks.rename(data)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return HistorySummary(series_bytes=size, pods=len(day.runs), seconds=time.monotonic() - started_at)


def _import(promtool: Path, series: Path, data: Path, *, labels: Mapping[str, str]) -> None:
    command = [str(promtool), "tsdb", "create-blocks-from", f"--max-block-duration={BLOCK_DURATION}", "--quiet"]
    command += ["openmetrics", *(f"--label={name}={value}" for name, value in labels.items()), str(series), str(data)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=IMPORT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HistoryError(f"promtool could not import the history: {error}") from error
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()[-400:]
        raise HistoryError(f"promtool could not import the history: {said}")
