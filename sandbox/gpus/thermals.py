"""Power, temperature and the counters of a card, carried from one moment to the next. Pure.

Power follows the load within seconds, temperature follows power within a minute or two, energy is the integral of power.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from sandbox.gpus.curves import Load
from sandbox.gpus.hardware import GpuModel

POWER_SECONDS: Final = 2.5
HEAT_SECONDS: Final = 55.0
# The memory of a running exporter is never older than this (`server.SAVE_SECONDS`, with room for a slow machine).
UNSEEN_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CardState:
    """Units: watts, degrees Celsius, mJ since the driver was loaded, bytes over NVLink since then, Unix seconds."""

    at: float
    watts: float
    celsius: float
    energy_mj: float
    nvlink_bytes: float


def build_idle_state(model: GpuModel, *, seed: float, at: float) -> CardState:
    """A card that has idled and worked for some weeks, depending on its seed."""
    uptime = (10 + 40 * seed) * 86400.0
    return CardState(
        at=at,
        watts=model.idle_watts,
        celsius=model.idle_celsius + ambient_celsius(seed),
        energy_mj=uptime * 1000.0 * (model.idle_watts + 0.5 * (model.limit_watts - model.idle_watts)),
        nvlink_bytes=uptime * 0.08 * model.nvlink_bytes_per_second,
    )


def ambient_celsius(seed: float) -> float:
    """How much warmer or cooler than its sisters a card sits in its rack."""
    return 6.0 * seed - 3.0


def target_watts(model: GpuModel, load: Load) -> float:
    """The draw that a load settles at. A held card without work draws a little more than a free one."""
    held = 0.03 if load.memory > 0 else 0.0
    share = held + 0.62 * load.active + 0.45 * load.tensor + 0.12 * load.memory_traffic
    return model.idle_watts + (model.limit_watts - model.idle_watts) * min(share, 0.985)


def advance(state: CardState, model: GpuModel, load: Load, *, seed: float, at: float) -> CardState:
    """The card at `at`, having had `load` since `state.at`. Time that runs backwards changes nothing."""
    seconds = at - state.at
    if seconds <= 0:
        return state
    goal = target_watts(model, load)
    watts = goal + (state.watts - goal) * math.exp(-seconds / POWER_SECONDS)
    # The mean over the interval, not its end: exact for the exponential above.
    mean = goal + (state.watts - goal) * (1 - math.exp(-seconds / POWER_SECONDS)) * POWER_SECONDS / seconds
    span = model.limit_watts - model.idle_watts
    warm = model.idle_celsius + ambient_celsius(seed)
    warm += (model.full_celsius - model.idle_celsius) * (mean - model.idle_watts) / span
    celsius = warm + (state.celsius - warm) * math.exp(-seconds / HEAT_SECONDS)
    return CardState(
        at=at,
        watts=watts,
        celsius=celsius,
        energy_mj=state.energy_mj + mean * seconds * 1000.0,
        nvlink_bytes=state.nvlink_bytes + load.link * model.nvlink_bytes_per_second * seconds,
    )


def resume(state: CardState, model: GpuModel, *, at: float, is_exact: bool) -> CardState:
    """A remembered card after the exporter was away, during which it idled as far as anybody knows.

    `is_exact`: nothing was reported after the memory was written. Otherwise the counters must not fall below what may have
    been reported: a counter that falls looks like a reboot to Prometheus, and `increase()` would count weeks of energy at
    once; so the first unseen seconds are charged at full power.
    """
    away = max(0.0, at - state.at)
    unseen = 0.0 if is_exact else min(away, UNSEEN_SECONDS)
    has_cooled = away > UNSEEN_SECONDS
    return CardState(
        at=at,
        watts=model.idle_watts if has_cooled else state.watts,
        celsius=model.idle_celsius if has_cooled else state.celsius,
        energy_mj=state.energy_mj + 1000.0 * (unseen * model.limit_watts + (away - unseen) * model.idle_watts),
        nvlink_bytes=state.nvlink_bytes + unseen * model.nvlink_bytes_per_second,
    )


def sm_clock(model: GpuModel, load: Load, watts: float) -> int:
    """A free card rests; one that is held stays at full clock, a little lower where power is short."""
    if load.memory <= 0:
        return model.idle_clock
    shortage = max(0.0, watts / model.limit_watts - 0.85)
    return int(model.boost_clock * (1 - 0.6 * shortage)) // 15 * 15
