"""The played day and its series."""

import io
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from sandbox.gpus.hardware import find_model
from sandbox.gpus.thermals import CardState, build_idle_state
from sandbox.history.importing import HistoryError, default_queue_names, write_history
from sandbox.history.playing import Day, play_day
from sandbox.history.series import write_gpu_series, write_queue_series, write_state_series
from sandbox.scenario import Scenario, load_scenario

END = 1_790_000_000.0
START = END - 6 * 3600
TIMES = [START + step * 300 for step in range(73)]
SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>.+)\} (?P<value>\S+) (?P<time>\d+)")


@pytest.fixture(scope="module")
def demo() -> Scenario:
    return load_scenario("demo")


@pytest.fixture(scope="module")
def day(demo: Scenario) -> Day:
    return play_day(demo, start=START, end=END)


def test_no_card_is_held_twice(day: Day):
    held: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for run in day.runs:
        for index in run.indices:
            held.setdefault((run.node, index), []).append((run.started_at, run.ended_at))
    for stretches in held.values():
        assert all(first[1] <= second[0] for first, second in pairwise(sorted(stretches)))


def test_broken_and_cordoned_hardware_runs_nothing(demo: Scenario, day: Day):
    assert not {run.node for run in day.runs} & {*demo.faults.cordoned, *demo.faults.not_ready}
    used = {(run.node, index) for run in day.runs for index in run.indices}
    assert not used & {(fault.node, fault.gpu) for fault in demo.faults.cards if fault.is_missing or fault.is_withdrawn}


def test_teams_stay_under_their_ceilings_and_borrow_beyond_their_guarantees(demo: Scenario, day: Day):
    borrowed = False
    for time in TIMES:
        used: Counter[str] = Counter()
        for run in day.runs:
            if run.started_at <= time < run.ended_at:
                used[run.namespace] += len(run.indices)
        for team in demo.teams:
            assert used[team.namespace] <= team.ceiling_gpus
            borrowed |= used[team.namespace] > team.guaranteed_gpus
    assert borrowed


def test_pod_names_are_unique_in_their_namespace(day: Day):
    counted = Counter((run.namespace, run.pod) for run in day.runs)
    assert max(counted.values()) == 1


def test_the_same_day_is_played_twice_alike(demo: Scenario, day: Day):
    assert play_day(demo, start=START, end=END) == day


def gpu_text(demo: Scenario, day: Day) -> tuple[str, dict[str, CardState]]:
    out = io.StringIO()
    last = write_gpu_series(out, demo, day, times=TIMES[-13:])
    return out.getvalue(), last


@pytest.mark.slow
def test_gpu_series_are_well_formed_ordered_and_silent_for_what_is_broken(demo: Scenario, day: Day):
    text, _ = gpu_text(demo, day)
    lines = text.splitlines()
    assert lines[-1] == "# EOF"
    times: dict[str, int] = {}
    for line in lines[:-1]:
        match = SAMPLE.fullmatch(line)
        assert match, line
        series = match["name"] + match["labels"]
        assert times.get(series, 0) < int(match["time"])
        times[series] = int(match["time"])
    util = [line for line in lines if line.startswith("DCGM_FI_DEV_GPU_UTIL{")]
    # 400 cards without one that is missing and two nodes that are not ready, 13 moments each.
    assert len(util) == (400 - 1 - 8 - 4) * 13
    assert 'Hostname="a100-13"' not in text


@pytest.mark.slow
def test_energy_of_a_card_never_falls_and_ends_where_the_live_card_begins(demo: Scenario, day: Day):
    text, last = gpu_text(demo, day)
    energy: dict[str, list[int]] = {}
    for line in text.splitlines():
        if line.startswith("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{"):
            found = re.search(r'UUID="([^"]+)".* (\d+) \d+$', line)
            assert found
            energy.setdefault(found[1], []).append(int(found[2]))
    assert len(energy) == 387
    for uuid, values in energy.items():
        assert values == sorted(values)
        assert int(last[uuid].energy_mj) == values[-1]
        assert last[uuid].at == END


def test_cards_start_the_day_with_weeks_of_energy():
    model = find_model("NVIDIA-L40S")
    assert build_idle_state(model, seed=0.0, at=0).energy_mj > 10 * 86400 * 1000 * model.idle_watts


def test_history_that_promtool_refuses_leaves_nothing_behind(tmp_path: Path):
    data, promtool = tmp_path / "prometheus" / "data", tmp_path / "promtool"
    promtool.write_text("#!/bin/sh\necho no thanks >&2\nexit 1\n")
    promtool.chmod(0o700)
    with pytest.raises(HistoryError, match="no thanks"):
        write_history(load_scenario("tests"), data=data, promtool=promtool, hours=1)
    assert list(data.parent.iterdir()) == []


def test_requests_and_queue_usage_tell_the_same_story(demo: Scenario, day: Day):
    state, queues = io.StringIO(), io.StringIO()
    write_state_series(state, demo, day, times=TIMES[-1:])
    write_queue_series(queues, demo, day, times=TIMES[-1:], names=default_queue_names(demo))
    requested: Counter[str] = Counter()
    for line in state.getvalue().splitlines():
        if line.startswith("kube_pod_container_resource_requests{"):
            found = re.search(r'namespace="([^"]+)".* (\d+) \d+$', line)
            assert found
            requested[found[1]] += int(found[2])
    used = {}
    for line in queues.getvalue().splitlines():
        if line.startswith("kueue_cluster_queue_resource_usage{"):
            found = re.search(r'cluster_queue="root-[a-z]+-([a-z]+)".* (\d+) \d+$', line)
            assert found
            used[found[1]] = int(found[2])
    assert len(used) == 12
    assert requested == Counter(used)
