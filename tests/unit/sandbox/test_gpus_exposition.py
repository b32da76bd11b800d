"""The text of `/metrics`: names, types, units and labels of dcgm-exporter."""

import re

from sandbox.gpus.cards import gpu_uuid, list_units, read_indexed
from sandbox.gpus.exposition import Holder, Reading, build_labels, render
from sandbox.gpus.fleet import Fleet
from sandbox.gpus.inventory import read_node
from sandbox.scenario import build_nodes, load_scenario

NOW = 1_790_000_000.0
SAMPLE = re.compile(
    r'(?P<name>DCGM_\w+)\{(?P<labels>(?:[A-Za-z_]\w*="[^"]*",?)+)\} (?P<value>-?\d+(\.\d+)?(e[+-]?\d+)?)'
)

DEFAULT_METRICS = {
    "DCGM_FI_DEV_SM_CLOCK": "gauge",
    "DCGM_FI_DEV_MEM_CLOCK": "gauge",
    "DCGM_FI_DEV_GPU_TEMP": "gauge",
    "DCGM_FI_DEV_MEMORY_TEMP": "gauge",
    "DCGM_FI_DEV_POWER_USAGE": "gauge",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "counter",
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": "counter",
    "DCGM_FI_DEV_GPU_UTIL": "gauge",
    "DCGM_FI_DEV_MEM_COPY_UTIL": "gauge",
    "DCGM_FI_DEV_ENC_UTIL": "gauge",
    "DCGM_FI_DEV_DEC_UTIL": "gauge",
    "DCGM_FI_DEV_XID_ERRORS": "gauge",
    "DCGM_FI_DEV_FB_FREE": "gauge",
    "DCGM_FI_DEV_FB_USED": "gauge",
    "DCGM_FI_DEV_FB_RESERVED": "gauge",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": "counter",
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS": "gauge",
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": "counter",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": "counter",
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": "gauge",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": "gauge",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": "gauge",
    "DCGM_FI_PROF_DRAM_ACTIVE": "gauge",
    "DCGM_FI_PROF_PCIE_TX_BYTES": "gauge",
    "DCGM_FI_PROF_PCIE_RX_BYTES": "gauge",
}


def group(pattern: str, text: str) -> str:
    """The first group of the only match."""
    (found,) = re.findall(pattern, text)
    return str(found)


def demo_readings() -> list[Reading]:
    fleet = Fleet()
    nodes = []
    for node in build_nodes(load_scenario("demo")):
        node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
        nodes.append(read_node(node))
    fleet.replace_nodes([node for node in nodes if node is not None], now=NOW)
    return fleet.read(now=NOW + 1)


def test_every_default_metric_is_there_with_its_type():
    types = dict(re.findall(r"# TYPE (\w+) (\w+)", render(demo_readings())))
    assert DEFAULT_METRICS.items() <= types.items()


def test_every_line_is_a_comment_or_a_sample_and_families_stay_together():
    families: list[str] = []
    for line in render(demo_readings()).splitlines():
        if line.startswith("# "):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        if not families or families[-1] != match["name"]:
            families.append(match["name"])
    assert len(families) == len(set(families))


def test_all_cards_but_the_missing_one_report_memory_that_adds_up():
    readings = demo_readings()
    assert len(readings) == 399
    text = render(readings)
    for card in (readings[0], readings[-1]):
        parts = [
            int(group(rf"{name}\{{[^}}]*{card.unit.uuid}[^}}]*\}} (\d+)", text))
            for name in ("DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_RESERVED")
        ]
        assert sum(parts) == card.unit.memory_mib


def test_free_card_has_no_pod_labels_and_held_card_has_three():
    unit = list_units(node="n", product="NVIDIA-L40S", count=1, memory_mib=46068)[0]
    free = build_labels(unit, driver_version="580", holder=None)
    held = build_labels(unit, driver_version="580", holder=Holder(namespace="a", pod="b", container="c"))
    assert free == (
        f'gpu="0",UUID="{gpu_uuid("n", 0)}",pci_bus_id="00000000:1B:00.0",device="nvidia0",modelName="NVIDIA L40S",'
        'Hostname="n",DCGM_FI_DRIVER_VERSION="580"'
    )
    assert held == free + ',container="c",namespace="a",pod="b"'


def test_volta_reports_no_row_remapping_and_l40s_no_memory_temperature_or_nvlink():
    text = render(demo_readings())
    remapped = [line for line in text.splitlines() if line.startswith("DCGM_FI_DEV_ROW_REMAP_FAILURE{")]
    assert not any("V100" in line for line in remapped)
    for name in ("DCGM_FI_DEV_MEMORY_TEMP", "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL"):
        lines = [line for line in text.splitlines() if line.startswith(name + "{")]
        assert lines
        assert not any("L40S" in line for line in lines)


def test_xid_carries_its_code_and_words_and_is_counted_while_fresh():
    text = render(demo_readings())
    assert 'err_code="79",err_msg="GPU has fallen off the bus"} 79' in text
    assert text.count("DCGM_EXP_XID_ERRORS_COUNT{") == 3
    assert 'window_size_in_ms="300000",xid="79"} 1' in text


def test_second_double_bit_error_finds_no_spare_row():
    lines = [line for line in render(demo_readings()).splitlines() if line.startswith("DCGM_FI_DEV_ROW_REMAP_FAILURE{")]
    assert [group(r'Hostname="([^"]+)"', line) for line in lines if line.endswith(" 1")] == ["a100-02"]


def test_names_of_cards_never_change():
    assert gpu_uuid("h100-00", 0) == "GPU-a539901c-c652-5193-9e39-47cb8ec5266f"
    assert len({unit.uuid for unit in (reading.unit for reading in demo_readings())}) == 399


def test_fault_annotation_is_read_leniently():
    assert read_indexed("3=79, 5=31") == {3: 79, 5: 31}
    assert read_indexed("7") == {7: 1}
    assert read_indexed("x=1,,4=z") == {}
