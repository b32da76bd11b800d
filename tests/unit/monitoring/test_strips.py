"""What a cell of the heat strip shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from monitoring.domain.capacity import build_capacity
from monitoring.domain.gpus import GpuDevice, GpuState, PodRef
from monitoring.domain.strips import NodeFacts, build_strips, judge_device

POD = PodRef(namespace="team-a", pod="train-0")
DEVICE = GpuDevice(node="node-a", gpu="0", uuid="GPU-a0", used_ratio=0.8, pods=(POD,))
NODE = NodeFacts(name="node-a", gpu_capacity=2, gpu_allocatable=2, physical_gpus=2)


@pytest.mark.parametrize(
    ("device", "is_idle", "state", "why"),
    [
        (DEVICE, False, GpuState.BUSY, ""),
        (replace(DEVICE, used_ratio=0.05), False, GpuState.LOW, ""),
        (replace(DEVICE, used_ratio=0.0), True, GpuState.IDLE, ""),
        (replace(DEVICE, used_ratio=0.0, pods=()), False, GpuState.FREE, ""),
        (replace(DEVICE, pods=()), False, GpuState.BUSY, ""),
        (replace(DEVICE, used_ratio=None), False, GpuState.NO_TELEMETRY, ""),
        (replace(DEVICE, fatal_xid=79), False, GpuState.UNHEALTHY, "XID 79"),
        (replace(DEVICE, last_xid=31), False, GpuState.BUSY, ""),
        (replace(DEVICE, has_row_remap_failure=True), False, GpuState.UNHEALTHY, "row remap failure"),
        (replace(DEVICE, temperature_celsius=92.0), False, GpuState.UNHEALTHY, "92 °C"),
    ],
)
def test_a_device_is_in_one_state(device: GpuDevice, is_idle: bool, state: GpuState, why: str) -> None:
    assert judge_device(device, is_idle=is_idle) == (state, why)


def test_a_card_that_stopped_reporting_keeps_its_cell() -> None:
    (strip,) = build_strips([NODE], devices={"node-a": [replace(DEVICE, gpu="1")]})
    assert [(cell.gpu, cell.state, cell.why) for cell in strip.cells] == [
        ("0", GpuState.NO_TELEMETRY, "reports nothing"),
        ("1", GpuState.BUSY, ""),
    ]


def test_time_slices_are_not_cards() -> None:
    sliced = replace(NODE, gpu_capacity=4, physical_gpus=1)
    (strip,) = build_strips([sliced], devices={"node-a": [DEVICE]})
    assert len(strip.cells) == 1


def test_two_instances_are_two_cells_of_one_card() -> None:
    instances = [replace(DEVICE, mig_instance="1"), replace(DEVICE, mig_instance="2")]
    (strip,) = build_strips([replace(NODE, physical_gpus=1)], devices={"node-a": instances})
    assert [cell.gpu for cell in strip.cells] == ["0", "0"]


def test_without_telemetry_the_inventory_says_how_many_cells_there_are() -> None:
    (strip,) = build_strips([replace(NODE, physical_gpus=0)], devices={}, allocated={"node-a": 1})
    assert [cell.state for cell in strip.cells] == [GpuState.NO_TELEMETRY] * 2
    assert strip.gpus_allocated == 1


def test_free_gpus_of_a_cordoned_node_are_not_free() -> None:
    nodes = [
        NodeFacts(name="a", gpu_capacity=8, gpu_allocatable=8),
        NodeFacts(name="b", gpu_capacity=4, gpu_allocatable=4, is_cordoned=True, reasons=("cordoned",)),
        NodeFacts(name="c", gpu_capacity=8, gpu_allocatable=7, reasons=("1 of 8 GPUs not allocatable",)),
    ]
    capacity = build_capacity(nodes, allocated={"a": 5, "b": 1})
    assert (capacity.gpus_total, capacity.gpus_usable, capacity.gpus_allocated, capacity.gpus_free) == (20, 15, 6, 10)
    assert [(row.free, row.nodes) for row in capacity.free_histogram] == [(7, 1), (3, 1)]
    assert [problem.node for problem in capacity.problems] == ["b", "c"]
