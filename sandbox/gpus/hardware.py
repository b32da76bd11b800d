"""What each GPU model can do: limits and idle figures from the vendor's data sheets, rounded.

A card of an unknown product gets middling figures, so that any node with GPU labels can be simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModel:
    """Units: watts, MHz, degrees Celsius, MiB, bytes per second."""

    name: str
    idle_watts: float
    limit_watts: float
    idle_clock: int
    boost_clock: int
    memory_clock: int
    idle_celsius: float
    full_celsius: float
    reserved_mib: int
    pcie_bytes_per_second: float
    nvlink_bytes_per_second: float
    reports_memory_celsius: bool
    remaps_rows: bool


_GENERIC: Final = GpuModel(
    name="",
    idle_watts=30,
    limit_watts=250,
    idle_clock=300,
    boost_clock=1600,
    memory_clock=6000,
    idle_celsius=30,
    full_celsius=74,
    reserved_mib=400,
    pcie_bytes_per_second=12e9,
    nvlink_bytes_per_second=0,
    reports_memory_celsius=False,
    remaps_rows=False,
)

_MODELS: Final = {
    "NVIDIA-H200": GpuModel(
        name="NVIDIA H200",
        idle_watts=76,
        limit_watts=700,
        idle_clock=345,
        boost_clock=1980,
        memory_clock=3201,
        idle_celsius=28,
        full_celsius=68,
        reserved_mib=618,
        pcie_bytes_per_second=50e9,
        nvlink_bytes_per_second=400e9,
        reports_memory_celsius=True,
        remaps_rows=True,
    ),
    "NVIDIA-H100-80GB-HBM3": GpuModel(
        name="NVIDIA H100 80GB HBM3",
        idle_watts=70,
        limit_watts=700,
        idle_clock=345,
        boost_clock=1980,
        memory_clock=2619,
        idle_celsius=28,
        full_celsius=70,
        reserved_mib=551,
        pcie_bytes_per_second=50e9,
        nvlink_bytes_per_second=400e9,
        reports_memory_celsius=True,
        remaps_rows=True,
    ),
    "NVIDIA-A100-SXM4-80GB": GpuModel(
        name="NVIDIA A100-SXM4-80GB",
        idle_watts=55,
        limit_watts=400,
        idle_clock=210,
        boost_clock=1410,
        memory_clock=1593,
        idle_celsius=29,
        full_celsius=66,
        reserved_mib=614,
        pcie_bytes_per_second=25e9,
        nvlink_bytes_per_second=260e9,
        reports_memory_celsius=True,
        remaps_rows=True,
    ),
    "NVIDIA-L40S": GpuModel(
        name="NVIDIA L40S",
        idle_watts=35,
        limit_watts=350,
        idle_clock=210,
        boost_clock=2520,
        memory_clock=9001,
        idle_celsius=32,
        full_celsius=77,
        reserved_mib=494,
        pcie_bytes_per_second=25e9,
        nvlink_bytes_per_second=0,
        reports_memory_celsius=False,
        remaps_rows=True,
    ),
    "Tesla-V100-SXM2-32GB": GpuModel(
        name="Tesla V100-SXM2-32GB",
        idle_watts=40,
        limit_watts=300,
        idle_clock=135,
        boost_clock=1530,
        memory_clock=877,
        idle_celsius=33,
        full_celsius=72,
        reserved_mib=340,
        pcie_bytes_per_second=12e9,
        nvlink_bytes_per_second=120e9,
        reports_memory_celsius=True,
        remaps_rows=False,
    ),
}


def find_model(product: str) -> GpuModel:
    """The model of a node label `nvidia.com/gpu.product`."""
    return _MODELS.get(product) or replace(_GENERIC, name=product.replace("-", " "))
