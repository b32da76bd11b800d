"""How busy a card is at a moment: pure functions of behaviour, seed and time.

Vocabulary: a *seed* is a number from 0 to 1 that belongs to one card in one pod; *age* is how long the pod runs. The same
seed, age and time give the same load, now and a day later, so a written history and the live figures meet without a step.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandbox.scenario.model import Behaviour

STARTUP_SECONDS: Final = 25.0
NOTEBOOK_WORK_SECONDS: Final = 90.0

_TAU = 2 * math.pi


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the work asks of a card. All are ratios from 0 to 1.

    `active`: the engine runs a kernel; `tensor`, `memory_traffic`, `link`: of the peak rates; `memory`: of the framebuffer.
    """

    active: float
    tensor: float
    memory_traffic: float
    link: float
    memory: float


FREE: Final = Load(active=0.0, tensor=0.0, memory_traffic=0.0, link=0.0, memory=0.0)


def seed_of(*parts: str) -> float:
    """A seed from 0 to 1 out of names."""
    return zlib.crc32("/".join(parts).encode()) / 0x1_0000_0000


def load_at(behaviour: Behaviour, *, seed: float, age_seconds: float, time: float) -> Load:
    return _CURVES[behaviour](seed, max(age_seconds, 0.0), time)


def seconds_until_fault(seed: float) -> float:
    """When a failing job brings its card down, counted from the start of the pod."""
    return 20.0 + 20.0 * seed


def fault_code(seed: float) -> int:
    """The XID that a failing job leaves behind: mostly the program's own fault, one time in eight the card's."""
    return 94 if (seed * 97.0) % 1.0 < 0.125 else 31


def _ripple(seed: float, time: float, period_seconds: float) -> float:
    """Smooth noise from -1 to 1: two waves whose periods never meet."""
    phase = seed * 61.0
    return 0.6 * math.sin(_TAU * time / period_seconds + phase) + 0.4 * math.sin(
        _TAU * time / (period_seconds * 0.371) + phase * 3.7
    )


def _steady_training(seed: float, age: float, time: float) -> Load:
    """Full speed after loading, with a short pause for each checkpoint."""
    memory = 0.70 + 0.24 * seed
    if age < STARTUP_SECONDS:
        share = age / STARTUP_SECONDS
        return Load(active=0.06 * share, tensor=0.0, memory_traffic=0.05 * share, link=0.3, memory=memory * share)
    pause_every = 240.0 + 360.0 * seed
    if age % pause_every > pause_every - 10.0:
        return Load(active=0.08, tensor=0.0, memory_traffic=0.12, link=0.45, memory=memory)
    active = 0.94 + 0.05 * _ripple(seed, time, 47.0)
    return Load(
        active=active,
        tensor=active * (0.34 + 0.22 * seed),
        memory_traffic=active * (0.58 - 0.2 * seed),
        link=0.18 + 0.1 * seed,
        memory=memory,
    )


def _input_starved(seed: float, age: float, time: float) -> Load:
    """Short work, long waits for data: a saw-tooth whose mean lies near a fifth."""
    memory = 0.35 + 0.2 * seed
    if age < STARTUP_SECONDS:
        return Load(active=0.0, tensor=0.0, memory_traffic=0.02, link=0.1, memory=memory * age / STARTUP_SECONDS)
    cycle = 17.3 + 11.9 * seed
    is_working = (time + seed * 100.0) % cycle < cycle * 0.27
    active = 0.72 + 0.15 * _ripple(seed, time, 9.0) if is_working else 0.02
    return Load(
        active=active,
        tensor=active * 0.22,
        memory_traffic=active * 0.4,
        link=0.12 if is_working else 0.7,
        memory=memory,
    )


def _bursty_inference(seed: float, age: float, time: float) -> Load:
    """Requests come in bursts over a slow swell; the weights stay in memory."""
    memory = 0.55 + 0.3 * seed
    if age < STARTUP_SECONDS:
        return Load(active=0.0, tensor=0.0, memory_traffic=0.1, link=0.5, memory=memory * age / STARTUP_SECONDS)
    swell = 0.45 + 0.35 * _ripple(seed, time, 1130.0)
    burst = max(0.0, _ripple(seed + 0.5, time, 13.7))
    active = min(0.95, max(0.01, swell * (0.25 + burst)))
    return Load(active=active, tensor=active * 0.3, memory_traffic=active * 0.75, link=active * 0.15, memory=memory)


def _hoarding_notebook(seed: float, age: float, time: float) -> Load:
    """A few cells were run, then the person went away: memory stays taken, nothing is computed."""
    memory = 0.08 + 0.3 * seed
    if age > NOTEBOOK_WORK_SECONDS:
        return Load(active=0.0, tensor=0.0, memory_traffic=0.0, link=0.0, memory=memory)
    active = max(0.0, 0.35 * _ripple(seed, time, 21.0))
    share = min(1.0, age / STARTUP_SECONDS)
    return Load(active=active, tensor=active * 0.2, memory_traffic=active * 0.4, link=0.05, memory=memory * share)


def _failing_gpu(seed: float, age: float, time: float) -> Load:
    """Training until the fault; then the card does nothing and keeps its memory."""
    if age < seconds_until_fault(seed):
        return _steady_training(seed, age, time)
    return Load(active=0.0, tensor=0.0, memory_traffic=0.0, link=0.0, memory=0.70 + 0.24 * seed)


_CURVES: Final[dict[Behaviour, Callable[[float, float, float], Load]]] = {
    Behaviour.STEADY_TRAINING: _steady_training,
    Behaviour.INPUT_STARVED: _input_starved,
    Behaviour.BURSTY_INFERENCE: _bursty_inference,
    Behaviour.HOARDING_NOTEBOOK: _hoarding_notebook,
    Behaviour.FAILING_GPU: _failing_gpu,
}
