"""Resources in the words of the pages: their names, units and amounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aidashboard.kit.quantity import is_counted_in_bytes
from frontend.words import format_bytes, format_number

GPU: Final = "nvidia.com/gpu"
UNLIMITED: Final = "unlimited"
_NAMES: Final = {"cpu": "CPU", "memory": "Memory", "ephemeral-storage": "Storage", GPU: "GPU"}


def name_resource(resource: str) -> str:
    """The name in a header: `GPU` for the usual ones, Kubernetes' own for the rest."""
    return _NAMES.get(resource, resource)


def unit_of(resource: str) -> str:
    """The unit that stands in the header, empty for things that are counted."""
    if resource == "cpu":
        return "cores"
    return "GiB" if is_counted_in_bytes(resource) else ""


def show_amount(resource: str, amount: int | None) -> str:
    """An amount without its unit; None is unlimited."""
    if amount is None:
        return UNLIMITED
    if resource == "cpu":
        return format_number(round(amount / 1000, 1))
    if is_counted_in_bytes(resource):
        return format_bytes(amount)
    return format_number(amount)


def count_amount(resource: str, amount: int) -> str:
    """An amount with its noun or unit, for sentences.

    Example: 1 GPU, 24 GPUs, 12.5 CPU cores, 64 GiB of memory.
    """
    shown = show_amount(resource, amount)
    if resource == GPU:
        return f"{shown} GPU" if amount == 1 else f"{shown} GPUs"
    if resource == "cpu":
        return f"{shown} CPU cores"
    if is_counted_in_bytes(resource):
        return f"{shown} GiB of {name_resource(resource).lower()}"
    return f"{shown} {resource}"


def choose_resource(wanted: str, resources: Sequence[str]) -> str:
    """The resource that was asked for when there is one of that name, else GPUs, else the first."""
    if wanted in resources:
        return wanted
    if GPU in resources or not resources:
        return GPU
    return next((resource for resource in resources if "gpu" in resource), resources[0])
