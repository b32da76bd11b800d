"""Who holds which card, what is reported, and what survives a restart."""

from dataclasses import replace
from pathlib import Path

from sandbox.gpus.exposition import Holder, Reading, render
from sandbox.gpus.fleet import Fleet, Memory
from sandbox.gpus.inventory import Claim, NodeFacts, PodFacts, read_node, read_pod
from sandbox.gpus.memory import load_memory, save_memory
from sandbox.scenario import build_nodes, load_scenario
from sandbox.scenario.model import Behaviour

NOW = 1_790_000_000.0


def facts(name: str, **changes) -> NodeFacts:
    nodes = {node["metadata"]["name"]: node for node in build_nodes(load_scenario("tests"))}
    nodes[name]["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    node = read_node(nodes[name])
    assert node is not None
    return replace(node, **changes)


def pod(
    uid: str,
    node: str,
    count: int,
    *,
    resource: str = "nvidia.com/gpu",
    behaviour=Behaviour.STEADY_TRAINING,
    started=-600.0,
):
    holder = Holder(namespace="alpha", pod=f"pod-{uid}", container="main")
    claims = (Claim(holder=holder, resource=resource, count=count),)
    return PodFacts(uid=uid, node=node, behaviour=behaviour, started_at=NOW + started, claims=claims)


def fleet_of(*nodes: NodeFacts, memory: Memory | None = None) -> Fleet:
    fleet = Fleet(memory)
    fleet.replace_nodes(nodes, now=NOW)
    return fleet


def holders(fleet: Fleet, *, now: float = NOW + 5) -> dict[int, str]:
    """Shape: {card index: pod name}."""
    held = {}
    for reading in fleet.read(now=now):
        if 'pod="' in reading.labels:
            held[reading.unit.index] = reading.labels.split('pod="')[1].split('"')[0]
    return held


def by_index(fleet: Fleet, *, now: float = NOW + 5) -> dict[int, Reading]:
    return {reading.unit.index: reading for reading in fleet.read(now=now)}


def test_each_pod_gets_cards_of_its_own():
    fleet = fleet_of(facts("big-00"))
    fleet.put_pod(pod("a", "big-00", 3))
    fleet.put_pod(pod("b", "big-00", 2))
    assert holders(fleet) == {0: "pod-a", 1: "pod-a", 2: "pod-a", 3: "pod-b", 4: "pod-b"}


def test_pod_keeps_its_cards_while_others_come_and_go():
    fleet = fleet_of(facts("big-00"))
    fleet.put_pod(pod("a", "big-00", 2))
    fleet.put_pod(pod("b", "big-00", 2))
    fleet.remove_pod("a")
    fleet.put_pod(pod("b", "big-00", 2))
    fleet.put_pod(pod("c", "big-00", 3))
    assert holders(fleet) == {0: "pod-c", 1: "pod-c", 2: "pod-b", 3: "pod-b", 4: "pod-c"}


def test_pod_waits_until_a_card_is_free():
    fleet = fleet_of(facts("big-00"))
    fleet.put_pod(pod("a", "big-00", 8))
    fleet.put_pod(pod("b", "big-00", 1))
    assert set(holders(fleet).values()) == {"pod-a"}
    fleet.remove_pod("a")
    assert holders(fleet) == {0: "pod-b"}


def test_pod_seen_before_its_node_gets_its_cards_later():
    fleet = Fleet()
    fleet.put_pod(pod("a", "big-00", 1))
    fleet.put_node(facts("big-00"), now=NOW)
    assert holders(fleet) == {0: "pod-a"}


def test_restart_moves_no_pod_to_another_card(tmp_path: Path):
    fleet = fleet_of(facts("big-00"))
    fleet.put_pod(pod("a", "big-00", 2, started=-100))
    fleet.put_pod(pod("b", "big-00", 2, started=-300))
    fleet.remove_pod("a")
    before = holders(fleet)
    save_memory(tmp_path / "gpus.json", fleet.remember(is_exact=False))

    again = fleet_of(facts("big-00"), memory=load_memory(tmp_path / "gpus.json"))
    again.replace_pods([pod("c", "big-00", 4, started=-900), pod("b", "big-00", 2, started=-300)])
    after = holders(again)
    assert before == {2: "pod-b", 3: "pod-b"}
    assert {index: name for index, name in after.items() if name == "pod-b"} == before
    assert sorted(after.values()).count("pod-c") == 4


def test_restart_without_memory_assigns_in_the_order_of_start():
    fleet = fleet_of(facts("big-00"))
    fleet.replace_pods([pod("late", "big-00", 1, started=-10), pod("early", "big-00", 1, started=-900)])
    assert holders(fleet) == {0: "pod-early", 1: "pod-late"}


def test_counters_go_on_after_a_restart(tmp_path: Path):
    fleet = fleet_of(facts("big-00"))
    fleet.put_pod(pod("a", "big-00", 8))
    saved_at = NOW + 60
    fleet.read(now=saved_at)
    save_memory(tmp_path / "gpus.json", fleet.remember(is_exact=False))
    last = by_index(fleet, now=saved_at + 15)[0].state.energy_mj

    again = Fleet(load_memory(tmp_path / "gpus.json"))
    again.replace_nodes([facts("big-00")], now=saved_at + 16)
    assert by_index(again, now=saved_at + 17)[0].state.energy_mj >= last


def test_counters_go_on_when_the_labels_of_a_node_change():
    node = facts("big-00")
    fleet = fleet_of(node)
    fleet.put_pod(pod("a", "big-00", 8))
    before = by_index(fleet, now=NOW + 600)[0].state.energy_mj
    fleet.put_node(replace(node, units=node.units[:4]), now=NOW + 601)
    assert by_index(fleet, now=NOW + 602)[0].state.energy_mj >= before


def test_unreadable_memory_is_an_empty_one(tmp_path: Path):
    (tmp_path / "gpus.json").write_text('{"format": 1, "cards": [')
    assert load_memory(tmp_path / "gpus.json") == Memory()


def test_missing_card_reports_nothing_and_is_given_to_nobody():
    fleet = fleet_of(facts("big-02"))
    fleet.put_pod(pod("a", "big-02", 7))
    assert sorted(holders(fleet)) == [0, 1, 2, 3, 4, 5, 6]
    assert len(fleet.read(now=NOW + 5)) == 7


def test_node_that_is_not_ready_reports_nothing():
    assert fleet_of(facts("big-00", is_ready=False)).read(now=NOW) == []


def test_xid_and_ecc_of_an_annotation_appear_and_age_out_of_the_window():
    fleet = fleet_of(facts("small-00"))
    assert (by_index(fleet)[2].xid, by_index(fleet)[2].xid_count, by_index(fleet)[2].double_bit_errors) == (79, 1, 1)
    assert by_index(fleet, now=NOW + 400)[2].xid_count == 0
    assert by_index(fleet, now=NOW + 400)[2].xid == 79
    fleet.put_node(facts("small-00", xids={}), now=NOW + 500)
    assert by_index(fleet, now=NOW + 500)[2].xid == 0


def test_failing_job_leaves_an_xid_on_one_card_for_an_hour():
    fleet = fleet_of(facts("big-00"))
    fleet.put_pod(pod("a", "big-00", 2, behaviour=Behaviour.FAILING_GPU, started=0))
    assert by_index(fleet, now=NOW + 10)[0].xid == 0
    assert by_index(fleet, now=NOW + 60)[0].xid in {31, 94}
    assert by_index(fleet, now=NOW + 60)[1].xid == 0
    fleet.remove_pod("a")
    assert by_index(fleet, now=NOW + 1800)[0].xid in {31, 94}
    assert by_index(fleet, now=NOW + 4000)[0].xid == 0


def test_mig_instances_report_no_utilisation_and_share_the_power_of_the_board():
    fleet = fleet_of(facts("sliced-00"))
    fleet.put_pod(pod("a", "sliced-00", 1, resource="nvidia.com/mig-3g.40gb"))
    readings = fleet.read(now=NOW + 5)
    text = render(readings)
    assert len(readings) == 4
    assert "DCGM_FI_DEV_GPU_UTIL" not in text
    assert 'GPU_I_PROFILE="3g.40gb",GPU_I_ID="1"' in text
    first, second = readings[:2]
    assert first.load.active > 0.5
    assert second.load.active == 0
    assert first.state.watts == second.state.watts > first.unit.model.idle_watts * 2


def test_pod_is_read_with_its_container_and_behaviour():
    item = {
        "metadata": {
            "uid": "u1",
            "name": "train-0",
            "namespace": "alpha",
            "creationTimestamp": "2026-11-22T10:00:00Z",
            "annotations": {"sandbox.aidashboard.io/behaviour": "input-starved"},
        },
        "spec": {
            "nodeName": "big-00",
            "containers": [
                {"name": "sidecar"},
                {"name": "main", "resources": {"limits": {"nvidia.com/gpu": "2", "cpu": "4"}}},
            ],
        },
        "status": {"phase": "Running", "startTime": "2026-11-22T10:00:05Z"},
    }
    found = read_pod(item)
    assert found is not None
    assert found.behaviour is Behaviour.INPUT_STARVED
    assert [(claim.holder.container, claim.count) for claim in found.claims] == [("main", 2)]
    assert read_pod(item | {"status": {"phase": "Pending"}}) is None


def test_pod_without_behaviour_trains():
    item = {
        "metadata": {"uid": "u", "name": "p", "namespace": "n", "creationTimestamp": "2026-11-22T10:00:00Z"},
        "spec": {"nodeName": "x", "containers": [{"name": "c", "resources": {"requests": {"nvidia.com/gpu": "1"}}}]},
        "status": {"phase": "Running"},
    }
    found = read_pod(item)
    assert found is not None
    assert found.behaviour is Behaviour.STEADY_TRAINING
