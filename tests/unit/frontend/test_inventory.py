"""How nodes, allocation and telemetry become the numbers of the pages."""

from typing import Any  # Any: fields of a dataclass, by name

from frontend.pages.inventory import Inventory, build_inventory
from monitoring.domain.gpus import GpuDevice, GpuState
from monitoring.domain.strips import GpuCell, NodeFacts, NodeStrip


def node(name: str, *cells: GpuCell, gpus: int = 8, allocated: int = 0, **fields: Any) -> NodeStrip:
    defaults: dict[str, Any] = {"gpu_capacity": gpus, "gpu_allocatable": gpus, "pool": "h100"}
    return NodeStrip(node=NodeFacts(name=name, **{**defaults, **fields}), cells=cells, gpus_allocated=allocated)


def busy(index: int, ratio: float) -> GpuCell:
    device = GpuDevice(node="n", gpu=str(index), uuid=f"GPU-{index}", used_ratio=ratio)
    return GpuCell(gpu=str(index), state=GpuState.BUSY, device=device)


def build(*strips: NodeStrip) -> Inventory:
    return build_inventory(strips, has_telemetry=False)


def test_free_is_what_usable_nodes_have_left():
    inventory = build(
        node("a", allocated=3),
        node("b"),
        node("c", is_cordoned=True, reasons=("cordoned",), allocated=1),
        node("d", is_ready=False, reasons=("NotReady",)),
    )
    assert (inventory.gpus, inventory.allocated, inventory.free, inventory.largest_block) == (32, 4, 13, 8)


def test_free_cards_are_counted_by_the_block_they_come_in():
    inventory = build(node("a", allocated=4), node("b", allocated=8), node("c", allocated=4), node("d"))
    assert inventory.count_free_blocks() == {8: 1, 4: 2}


def test_a_card_that_the_node_does_not_offer_is_not_free():
    inventory = build(node("a", gpu_allocatable=7, reasons=("7 of 8 GPUs allocatable",), allocated=7))
    assert inventory.free == 0
    assert inventory.broken[0].lost == 1


def test_without_telemetry_held_cards_are_silent_and_the_rest_is_free():
    line = build(node("a", gpus=4, allocated=3)).nodes[0]
    assert [cell.state for cell in line.cells] == [GpuState.NO_TELEMETRY] * 3 + [GpuState.FREE]
    assert line.used_ratio is None


def test_an_unhealthy_gpu_breaks_its_node_and_says_why():
    cells = (busy(0, 0.5), GpuCell(gpu="1", state=GpuState.UNHEALTHY, why="XID 79"))
    inventory = build_inventory([node("a", *cells, gpus=2, allocated=1)], has_telemetry=True)
    assert inventory.broken[0].reasons == ("GPU 1: XID 79",)


def test_utilisation_is_the_average_over_the_cards_that_report():
    cells = (busy(0, 0.5), busy(1, 1.0), GpuCell(gpu="2", state=GpuState.NO_TELEMETRY))
    inventory = build_inventory([node("a", *cells, gpus=3)], has_telemetry=True)
    assert inventory.nodes[0].used_ratio == 0.75


def test_nodes_stand_in_the_order_of_their_numbers():
    names = [line.name for line in build(node("n-10"), node("n-9"), node("n-1")).nodes]
    assert names == ["n-1", "n-9", "n-10"]
