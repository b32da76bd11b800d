"""Which cards a node has: their names as NVIDIA's tools would print them, derived from node and index alone.

Vocabulary: a *unit* is what a pod can hold, a whole card or one MIG instance of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sandbox.gpus.hardware import GpuModel, find_model
from sandbox.scenario.model import GPU_RESOURCE

_NAMESPACE: Final = uuid.UUID("5f0c2f0a-6d0e-5a8b-9c5a-2f1f64aa8f10")
_BUSES: Final = (0x1B, 0x2A, 0x3D, 0x4C, 0x5D, 0x9B, 0xAB, 0xBA, 0xCA, 0xDB, 0xDC, 0xDE, 0xE1, 0xE2, 0xE3, 0xE4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One schedulable piece of a node. `instance` is the MIG instance from 1 on, 0 for a whole card."""

    node: str
    index: int
    uuid: str
    pci_bus_id: str
    model: GpuModel
    memory_mib: int
    resource: str
    instance: int = 0
    profile: str = ""

    @property
    def key(self) -> str:
        return f"{self.uuid}/{self.instance}" if self.instance else self.uuid

    @property
    def slice_ratio(self) -> float:
        """The share of the card's engines that this unit has."""
        return int(self.profile[0]) / 7 if self.profile else 1.0


def gpu_uuid(node: str, index: int) -> str:
    return f"GPU-{uuid.uuid5(_NAMESPACE, f'{node}/{index}')}"


def pci_bus_id(index: int) -> str:
    return f"00000000:{_BUSES[index % len(_BUSES)]:02X}:00.0"


def list_units(
    *, node: str, product: str, count: int, memory_mib: int, mig_profiles: tuple[str, ...] = ()
) -> tuple[Unit, ...]:
    """All units of a node, in the order of their indices."""
    model = find_model(product)
    units: list[Unit] = []
    for index in range(count):
        card = Unit(
            node=node,
            index=index,
            uuid=gpu_uuid(node, index),
            pci_bus_id=pci_bus_id(index),
            model=model,
            memory_mib=memory_mib,
            resource=GPU_RESOURCE,
        )
        units += [_instance(card, number, profile) for number, profile in enumerate(mig_profiles, 1)] or [card]
    return tuple(units)


def _instance(card: Unit, number: int, profile: str) -> Unit:
    return Unit(
        node=card.node,
        index=card.index,
        uuid=card.uuid,
        pci_bus_id=card.pci_bus_id,
        model=card.model,
        memory_mib=int(profile.split(".")[1].removesuffix("gb")) * 1000,
        resource=f"nvidia.com/mig-{profile}",
        instance=number,
        profile=profile,
    )


def read_indexed(text: str) -> Mapping[int, int]:
    """The value of a fault annotation: `3=79,5=31` -> {3: 79, 5: 31}; a bare `5` -> {5: 1}. What cannot be read is left out."""
    found: dict[int, int] = {}
    for part in text.split(","):
        index, _, value = part.strip().partition("=")
        if index.isdigit() and (value or "1").isdigit():
            found[int(index)] = int(value or "1")
    return found
