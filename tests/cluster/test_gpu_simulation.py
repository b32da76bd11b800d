"""The simulated GPUs and teams on the real cluster: who holds which card, what Prometheus sees, what the driver does."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from aidashboard.stack.supervision import ProcessSpec
from aidashboard.stack.waiting import wait_until
from sandbox.checking import is_answering
from sandbox.cluster import Sandbox
from sandbox.history import HistoryError, write_history
from sandbox.kwok import NOT_READY
from sandbox.prometheus import GPU_JOB
from sandbox.scenario import create_nodes, load_scenario
from tests.cluster.conftest import TEST_LABEL, TestNamespace, build_node
from tests.cluster.conftest import create_nodes as create_plain_nodes

EXPORTER = "gpu-exporter"
PROJECT = Path(__file__).parent.parent.parent
UTIL = re.compile(r"DCGM_FI_DEV_GPU_UTIL\{(?P<labels>[^}]*)\} (?P<value>\d+)")

Series = dict[str, str]


@pytest.fixture(scope="module")
def exporter(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The exporter of the shared sandbox, scraped by its Prometheus."""
    port = sandbox.port(GPU_JOB)
    sandbox.supervisor.start(
        ProcessSpec(
            name=EXPORTER,
            command=(sys.executable, "-m", "sandbox.gpus", f"--kubeconfig={sandbox.kubeconfig}", f"--port={port}"),
            directory=PROJECT,
            log_path=sandbox.layout.log(EXPORTER),
            is_ready=lambda: is_answering(f"http://127.0.0.1:{port}/healthz"),
        )
    )
    sandbox.add_target(GPU_JOB, f"127.0.0.1:{port}")
    yield sandbox
    sandbox.supervisor.stop(EXPORTER)


def scrape(sandbox: Sandbox) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{sandbox.port(GPU_JOB)}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def utilisation(sandbox: Sandbox) -> list[Series]:
    """The labels of every DCGM_FI_DEV_GPU_UTIL series, with its value as `value`."""
    return [
        {**dict(re.findall(r'(\w+)="([^"]*)"', match["labels"])), "value": match["value"]}
        for match in UTIL.finditer(scrape(sandbox))
    ]


def cards_of(sandbox: Sandbox, namespace: str) -> dict[str, set[str]]:
    """Shape: {pod: UUIDs}."""
    held: dict[str, set[str]] = {}
    for series in utilisation(sandbox):
        if series.get("namespace") == namespace:
            held.setdefault(series["pod"], set()).add(series["UUID"])
    return held


def gpu_pod(name: str, *, gpus: int, node: str = "", behaviour: str = "steady-training") -> dict[str, object]:
    requests = {"nvidia.com/gpu": str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {"sandbox.aidashboard.io/behaviour": behaviour}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "main", "image": "pytorch", "resources": {"requests": requests, "limits": requests}}
            ],
            **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
        },
    }


def test_running_pods_hold_cards_of_their_node_until_they_end(exporter: Sandbox, namespace: TestNamespace):
    namespace.apply(gpu_pod("a", gpus=3), gpu_pod("b", gpus=2))
    wait_until(
        lambda: {pod: len(cards) for pod, cards in cards_of(exporter, namespace.name).items()} == {"a": 3, "b": 2},
        seconds=20,
        describe="both pods to hold their cards",
    )
    node = namespace.kubectl("get", "pod", "a", "-o", "jsonpath={.spec.nodeName}")
    held = [
        series for series in utilisation(exporter) if series.get("pod") == "a" and series["namespace"] == namespace.name
    ]
    assert {series["Hostname"] for series in held} == {node}
    assert {series["container"] for series in held} == {"main"}
    namespace.kubectl("delete", "pod", "a")
    wait_until(lambda: "a" not in cards_of(exporter, namespace.name), seconds=20, describe="the cards of a to be free")


def test_killed_exporter_gives_every_pod_the_same_cards_again(exporter: Sandbox, namespace: TestNamespace):
    namespace.apply(*(gpu_pod(f"p{index}", gpus=1, node="gpu-1") for index in range(4)))
    wait_until(lambda: len(cards_of(exporter, namespace.name)) == 4, seconds=20, describe="four pods with cards")
    namespace.kubectl("delete", "pod", "p0")
    wait_until(lambda: len(cards_of(exporter, namespace.name)) == 3, seconds=20, describe="three pods with cards")
    before = cards_of(exporter, namespace.name)
    exporter.supervisor.stop(EXPORTER)
    exporter.supervisor.restart(EXPORTER)
    assert cards_of(exporter, namespace.name) == before


def test_busy_and_hoarding_pods_can_be_told_apart(exporter: Sandbox, namespace: TestNamespace):
    namespace.apply(gpu_pod("busy", gpus=1), gpu_pod("hoard", gpus=1, behaviour="hoarding-notebook"))

    def busy_at_full_speed() -> bool:
        values = {
            series["pod"]: int(series["value"])
            for series in utilisation(exporter)
            if series.get("namespace") == namespace.name
        }
        return values.get("busy", 0) > 60 and values.get("hoard", 100) < 50

    wait_until(busy_at_full_speed, seconds=60, describe="the busy card to be busy")


def test_annotated_fault_appears_and_goes(exporter: Sandbox):
    node = "gpu-2"
    exporter.kubectl("annotate", "node", node, "sandbox.aidashboard.io/xid=5=79", "sandbox.aidashboard.io/ecc=5=2")
    wanted = re.compile(rf'DCGM_FI_DEV_XID_ERRORS\{{gpu="5",[^}}]*Hostname="{node}"[^}}]*err_code="79"[^}}]*\}} 79')
    wait_until(lambda: wanted.search(scrape(exporter)) is not None, seconds=10, describe="the XID to be reported")
    assert re.search(rf'DCGM_FI_DEV_ROW_REMAP_FAILURE\{{gpu="5",[^}}]*Hostname="{node}"[^}}]*\}} 1', scrape(exporter))
    exporter.kubectl("annotate", "node", node, "sandbox.aidashboard.io/xid-", "sandbox.aidashboard.io/ecc-")
    wait_until(lambda: wanted.search(scrape(exporter)) is None, seconds=10, describe="the XID to be gone")


def test_missing_card_and_node_that_is_not_ready_fall_silent(exporter: Sandbox, namespace: TestNamespace):
    name = f"silent-{namespace.name}"
    create_plain_nodes(exporter, build_node(name, labels={TEST_LABEL: namespace.name}))

    def reporting() -> int:
        return sum(series["Hostname"] == name for series in utilisation(exporter))

    wait_until(lambda: reporting() == 8, seconds=20, describe="eight cards")
    exporter.kubectl("annotate", "node", name, "sandbox.aidashboard.io/missing-gpus=3")
    wait_until(lambda: reporting() == 7, seconds=10, describe="seven cards")
    exporter.kubectl("label", "node", name, f"{NOT_READY}=true")
    wait_until(lambda: reporting() == 0, seconds=20, describe="silence")


def test_prometheus_scrapes_without_complaint(exporter: Sandbox):
    def ask(query: str) -> list[dict[str, object]]:
        address = f"{exporter.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - http on loopback
            return list(json.load(answer)["data"]["result"])

    wait_until(
        lambda: [item["value"][1] for item in ask(f'up{{job="{GPU_JOB}"}}')] == ["1"],  # type: ignore[index]  # raw JSON
        seconds=30,
        describe="Prometheus to scrape the exporter",
    )
    assert len(ask('DCGM_FI_DEV_GPU_UTIL{Hostname="gpu-0"}')) == 8
    checked = subprocess.run(
        [exporter.programs.promtool, "check", "metrics"],
        input=scrape(exporter),
        capture_output=True,
        text=True,
        check=False,
    )
    # 3: readable, but the names are not as Prometheus would like them. They are NVIDIA's.
    assert checked.returncode in (0, 3), checked.stderr


def test_nodes_of_a_scenario_are_created_once_and_show_their_faults(sandbox: Sandbox):
    scenario = load_scenario("tests")
    try:
        assert create_nodes(sandbox.api, scenario) == 7
        assert create_nodes(sandbox.api, scenario) == 0

        def ready() -> dict[str, str]:
            items = json.loads(sandbox.kubectl("get", "nodes", "-l", "aidashboard.io/node-pool", "-o", "json"))["items"]
            return {
                item["metadata"]["name"]: condition["status"]
                for item in items
                for condition in item["status"].get("conditions", [])
                if condition["type"] == "Ready"
            }

        wait_until(
            lambda: [name for name, status in ready().items() if status != "True"] == ["big-03"] and len(ready()) == 7,
            seconds=30,
            describe="all nodes but big-03 to be ready",
        )
        node = json.loads(sandbox.kubectl("get", "node", "big-02", "-o", "json"))
        assert (node["status"]["capacity"]["nvidia.com/gpu"], node["status"]["allocatable"]["nvidia.com/gpu"]) == (
            "8",
            "7",
        )
        assert json.loads(sandbox.kubectl("get", "node", "small-01", "-o", "json"))["spec"]["unschedulable"] is True
    finally:
        sandbox.kubectl("delete", "nodes", "-l", "aidashboard.io/node-pool", "--wait=false")


def test_history_becomes_blocks_that_promtool_can_read(sandbox: Sandbox, tmp_path: Path):
    scenario = load_scenario("tests")
    memory = tmp_path / "gpus.json"
    data = tmp_path / "prometheus" / "data"
    promtool = sandbox.programs.promtool
    now = time.time()
    write_history(scenario, data=data, promtool=promtool, memory=memory, until=now, hours=3)
    assert [path.name for path in data.parent.iterdir()] == ["data"]
    with pytest.raises(HistoryError, match="holds figures already"):
        write_history(scenario, data=data, promtool=promtool, hours=3)
    (data / "wal").mkdir()  # Prometheus would make it; without one promtool does not open the folder
    dumped = subprocess.run(
        [promtool, "tsdb", "dump", "--match={__name__=~'DCGM_FI_DEV_GPU_UTIL|kueue_cluster_queue_resource_usage'}", str(data)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout  # fmt: skip
    samples = dumped.splitlines()
    gpu = [line for line in samples if "DCGM_FI_DEV_GPU_UTIL" in line]
    # 40 whole cards without the missing one and the node that is not ready, 37 moments each.
    assert len(gpu) == (40 - 1 - 8) * 37
    assert all(f'job="{GPU_JOB}"' in line for line in gpu)
    assert any('cluster_queue="root-lab-alpha"' in line for line in samples)
    newest = max(int(line.split()[-1]) for line in samples) / 1000
    assert 290 < now - newest < 310
    assert len(json.loads(memory.read_text())["cards"]) == 44


@pytest.fixture
def team_scenario(namespace: TestNamespace, tmp_path: Path) -> Path:
    """The scenario `tests` with its two teams renamed to namespaces of this test, and queues for them."""
    text = (PROJECT / "sandbox" / "scenarios" / "tests.yaml").read_text()
    names = {team: f"{namespace.name}-{team}" for team in ("alpha", "beta")}
    for team, name in names.items():
        text = text.replace(f"name: {team}\n", f"name: {name}\n")
    path = tmp_path / "teams.yaml"
    path.write_text(text)
    flavor = {"name": namespace.name, "resources": [{"name": "nvidia.com/gpu", "nominalQuota": "12"}]}
    flavor["resources"] += [{"name": "cpu", "nominalQuota": "200"}, {"name": "memory", "nominalQuota": "2Ti"}]  # type: ignore[operator]  # raw JSON
    api = "kueue.x-k8s.io/v1beta2"
    namespace.apply({"apiVersion": api, "kind": "ResourceFlavor", "metadata": {"name": namespace.name}, "spec": {}})
    for name in names.values():
        groups = [{"coveredResources": ["nvidia.com/gpu", "cpu", "memory"], "flavors": [flavor]}]
        namespace.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}},
            {
                "apiVersion": api,
                "kind": "ClusterQueue",
                "metadata": {"name": name},
                "spec": {"namespaceSelector": {}, "resourceGroups": groups},
            },
        )
        namespace.apply(
            {
                "apiVersion": api,
                "kind": "LocalQueue",
                "metadata": {"name": "default", "namespace": name},
                "spec": {"clusterQueue": name},
            }
        )
    return path


def test_driver_keeps_the_teams_busy_and_stops_cleanly(sandbox: Sandbox, namespace: TestNamespace, team_scenario: Path):
    command = [
        sys.executable,
        "-m",
        "sandbox.driver",
        "--kubeconfig",
        str(sandbox.kubeconfig),
        "--scenario",
        str(team_scenario),
    ]
    driver = subprocess.Popen([*command, "--seed=5"], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    team = f"{namespace.name}-alpha"

    def get(kind: str) -> list[dict[str, dict[str, object]]]:
        return list(json.loads(sandbox.kubectl("-n", team, "get", kind, "-o", "json"))["items"])

    try:
        wait_until(lambda: len(get("jobs")) >= 2, seconds=30, describe="two jobs")
        wait_until(
            lambda: any(item["status"].get("phase") == "Running" for item in get("pods")),
            seconds=30,
            describe="a running pod",
        )
        wait_until(lambda: len(get("statefulsets")) == 1, seconds=30, describe="a notebook")
        for job in get("jobs"):
            annotations, labels = job["metadata"]["annotations"], job["metadata"]["labels"]
            assert annotations["aidashboard.io/user"] in {"ada", "ben"}  # type: ignore[index]  # raw JSON
            assert labels["kueue.x-k8s.io/queue-name"] == "default"  # type: ignore[index]  # by Kueue, not by us
        waiting = [job for job in get("jobs") if job["spec"].get("suspend")]
        assert len(waiting) <= load_scenario("tests").pace.max_waiting_per_team
    finally:
        driver.send_signal(signal.SIGTERM)
        output, _ = driver.communicate(timeout=15)
    assert driver.returncode == 0
    assert "submits" in output


def test_driver_refuses_a_scenario_with_a_mistake(sandbox: Sandbox, tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text("name: bad\npools: 3\n")
    command = [sys.executable, "-m", "sandbox.driver", "--kubeconfig", str(sandbox.kubeconfig), "--scenario", str(path)]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pools is 3: must be a list" in result.stderr
