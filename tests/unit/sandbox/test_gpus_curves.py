"""Behaviours, power, heat and counters of one card."""

import statistics

import pytest

from sandbox.gpus.curves import FREE, Load, load_at
from sandbox.gpus.hardware import find_model
from sandbox.gpus.thermals import advance, build_idle_state, resume, sm_clock, target_watts
from sandbox.scenario.model import Behaviour

H100 = find_model("NVIDIA-H100-80GB-HBM3")
SEEDS = [0.03, 0.2, 0.41, 0.66, 0.83, 0.97]


def play(behaviour: Behaviour, seed: float, *, first: int = 100, seconds: int = 3600) -> list[Load]:
    return [load_at(behaviour, seed=seed, age_seconds=age, time=1e9 + age) for age in range(first, first + seconds, 5)]


@pytest.mark.parametrize("behaviour", list(Behaviour))
@pytest.mark.parametrize("seed", SEEDS)
def test_every_load_is_a_ratio(behaviour: Behaviour, seed: float):
    for load in play(behaviour, seed, first=0, seconds=1800):
        for value in (load.active, load.tensor, load.memory_traffic, load.link, load.memory):
            assert 0 <= value <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_steady_training_is_busy_almost_all_the_time(seed: float):
    assert statistics.mean(load.active for load in play(Behaviour.STEADY_TRAINING, seed)) > 0.85


@pytest.mark.parametrize("seed", SEEDS)
def test_input_starved_has_peaks_and_a_low_mean(seed: float):
    active = [load.active for load in play(Behaviour.INPUT_STARVED, seed)]
    assert statistics.mean(active) < 0.3
    assert max(active) > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_inference_comes_in_bursts_and_keeps_its_memory(seed: float):
    loads = play(Behaviour.BURSTY_INFERENCE, seed)
    assert statistics.pstdev(load.active for load in loads) > 0.1
    assert min(load.memory for load in loads) > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_hoarding_notebook_holds_memory_and_never_computes_after_its_first_minutes(seed: float):
    loads = play(Behaviour.HOARDING_NOTEBOOK, seed)
    assert max(load.active for load in loads) == 0
    assert min(load.memory for load in loads) > 0.05


def test_failing_job_stops_computing_but_keeps_its_memory():
    before, after = play(Behaviour.FAILING_GPU, 0.4, first=10, seconds=5), play(Behaviour.FAILING_GPU, 0.4)
    assert before[0].memory > 0
    assert {load.active for load in after} == {0.0}
    assert after[0].memory > 0.7


def test_same_seed_and_time_give_the_same_load():
    assert play(Behaviour.BURSTY_INFERENCE, 0.5) == play(Behaviour.BURSTY_INFERENCE, 0.5)


def settle(load: Load, *, seconds: float = 600, seed: float = 0.5):
    return advance(build_idle_state(H100, seed=seed, at=0), H100, load, seed=seed, at=seconds)


def test_power_follows_load_within_the_limits_of_the_model():
    busy = load_at(Behaviour.STEADY_TRAINING, seed=0.9, age_seconds=500, time=1e9)
    held = load_at(Behaviour.HOARDING_NOTEBOOK, seed=0.9, age_seconds=500, time=1e9)
    assert settle(FREE).watts == pytest.approx(H100.idle_watts)
    assert H100.idle_watts < settle(held).watts < 0.3 * H100.limit_watts
    assert 0.75 * H100.limit_watts < settle(busy).watts < H100.limit_watts
    assert target_watts(H100, Load(active=1, tensor=1, memory_traffic=1, link=1, memory=1)) < H100.limit_watts


def test_temperature_lags_behind_power():
    busy = load_at(Behaviour.STEADY_TRAINING, seed=0.5, age_seconds=500, time=1e9)
    idle, soon, late = settle(FREE), settle(busy, seconds=10), settle(busy, seconds=600)
    assert soon.watts > 0.9 * late.watts
    assert soon.celsius < idle.celsius + 0.3 * (late.celsius - idle.celsius)
    assert late.celsius < H100.full_celsius + 3


def test_energy_is_the_integral_of_power():
    start = build_idle_state(H100, seed=0.1, at=0)
    assert advance(start, H100, FREE, seed=0.1, at=3600).energy_mj - start.energy_mj == pytest.approx(70 * 3600 * 1000)


def test_energy_does_not_depend_on_how_often_it_is_read():
    busy = load_at(Behaviour.STEADY_TRAINING, seed=0.5, age_seconds=500, time=1e9)
    often = build_idle_state(H100, seed=0.5, at=0)
    for second in range(1, 61):
        often = advance(often, H100, busy, seed=0.5, at=second)
    assert often.energy_mj == pytest.approx(settle(busy, seconds=60).energy_mj, rel=1e-9)


def test_time_that_runs_backwards_changes_nothing():
    state = settle(FREE)
    assert advance(state, H100, FREE, seed=0.5, at=state.at - 5) is state


@pytest.mark.parametrize("away_seconds", [0.0, 1.0, 19.0, 119.0, 4000.0])
def test_resumed_counters_never_fall_below_what_was_reported_after_the_save(away_seconds: float):
    full = Load(active=1, tensor=1, memory_traffic=1, link=1, memory=1)
    saved = settle(full)
    reported = advance(saved, H100, full, seed=0.5, at=saved.at + min(away_seconds, 20))
    resumed = resume(saved, H100, at=saved.at + away_seconds, is_exact=False)
    assert resumed.energy_mj >= reported.energy_mj
    assert resumed.nvlink_bytes >= reported.nvlink_bytes


def test_exact_memory_is_resumed_as_if_the_card_had_idled():
    saved = settle(FREE)
    resumed = resume(saved, H100, at=saved.at + 60, is_exact=True)
    assert resumed.energy_mj - saved.energy_mj == pytest.approx(60 * 70 * 1000)


def test_free_card_rests_and_held_card_keeps_its_clock():
    held = load_at(Behaviour.HOARDING_NOTEBOOK, seed=0.9, age_seconds=500, time=1e9)
    assert sm_clock(H100, FREE, 70) == 345
    assert sm_clock(H100, held, 90) == 1980
    assert 1500 < sm_clock(H100, held, 690) < 1980


def test_unknown_product_gets_a_name_and_figures():
    model = find_model("ACME-X1")
    assert model.name == "ACME X1"
    assert model.limit_watts > model.idle_watts
