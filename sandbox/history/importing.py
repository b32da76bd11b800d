"""From series to blocks: writes OpenMetrics files, hands them to promtool, and leaves the exporter's memory behind."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
    if data.exists() and any(data.iterdir()):
        raise HistoryError(f"{data} holds figures already; a history can only come before the first of them")
    times = _list_times(until if until is not None else time.time(), hours=hours)
    day = play_day(scenario, start=times[0], end=times[-1])
    queues = names or default_queue_names(scenario)
    cards: dict[str, CardState] = {}
    writers: dict[str, Callable[[TextIO], None]] = {
        GPU_JOB: lambda out: cards.update(write_gpu_series(out, scenario, day, times=times)),
        STATE_JOB: lambda out: write_state_series(out, scenario, day, times=times),
        QUEUE_JOB: lambda out: write_queue_series(out, scenario, day, times=times, names=queues),
    }
    with _blocks_beside(data) as blocks:
        size = sum(_import_job(promtool, job, write, blocks) for job, write in writers.items())
        if memory is not None:
            save_memory(memory, Memory(cards=cards, is_exact=True))
        blocks.rename(data)
    return HistorySummary(series_bytes=size, pods=len(day.runs), seconds=time.monotonic() - started_at)


def _list_times(until: float, *, hours: float) -> list[float]:
    """The moments of the history, the last of them a step before `until`.

    A last sample is seen for five minutes and nothing here can end a series earlier: written up to now, the past would stand
    beside the present for that long and every sum would be doubled.
    """
    steps = int(hours * 3600 / STEP_SECONDS)
    return [until - (steps - step + 1) * STEP_SECONDS for step in range(steps + 1)]


@contextmanager
def _blocks_beside(data: Path) -> Iterator[Path]:
    """An empty folder for the blocks, to be moved to `data` at the very end: a start cut short leaves no half of a history.

    Beside the data, which has to lie where there is room: the text takes some 250 MB for a moment.
    """
    scratch = data.with_name("history.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    blocks = scratch / data.name
    blocks.mkdir(parents=True, mode=0o700)
    try:
        yield blocks
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _import_job(promtool: Path, job: str, write: Callable[[TextIO], None], blocks: Path) -> int:
    """Write the series of one job and turn them into blocks. Gives how many bytes the text had."""
    path = blocks.with_name(f"{job}.om")
    with path.open("w", encoding="utf-8") as out:
        write(out)
    size = path.stat().st_size
    # As in the live configuration (sandbox.prometheus): one target per job, named like it.
    _import(promtool, path, blocks, labels={"job": job, "instance": job})
    path.unlink()
    return size


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
