"""What the exporter remembers between two starts, as a small JSON file: counters, who holds which card, and faults.

A history that was written for a fresh cluster leaves the same file behind, so that the live counters go on where it ends.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from sandbox.gpus.fleet import Fault, Memory
from sandbox.gpus.thermals import CardState

_FORMAT = 1


def load_memory(path: Path) -> Memory:
    """The remembered state; an empty one when there is no file, or one that cannot be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != _FORMAT:
            return Memory()
        return Memory(
            cards={
                key: CardState(at=at, watts=watts, celsius=celsius, energy_mj=energy, nvlink_bytes=nvlink)
                for key, (at, watts, celsius, energy, nvlink) in data["cards"].items()
            },
            pods={uid: tuple(keys) for uid, keys in data["pods"].items()},
            faults={key: Fault(code=code, at=at) for key, (code, at) in data["faults"].items()},
            is_exact=data["is_exact"] is True,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # Losing it costs a step in some counters, which is no reason not to start.
        return Memory()


def save_memory(path: Path, memory: Memory) -> None:
    """Write all or nothing: a reader never meets half a file."""
    data = {
        "format": _FORMAT,
        "is_exact": memory.is_exact,
        "cards": {
            key: (
                state.at,
                round(state.watts, 2),
                round(state.celsius, 2),
                round(state.energy_mj),
                round(state.nvlink_bytes),
            )
            for key, state in memory.cards.items()
        },
        "pods": {uid: list(keys) for uid, keys in memory.pods.items()},
        "faults": {key: (fault.code, fault.at) for key, fault in memory.faults.items()},
    }
    scratch = path.with_name(f"{path.name}.partial")
    scratch.write_text(json.dumps(data), encoding="utf-8")
    os.replace(scratch, path)
