"""The figures of the demo: how soon it is there, how soon a form is in the cluster, how soon the cluster is on the page, how much
memory it takes."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml
from playwright.sync_api import Page, sync_playwright

from aidashboard.stack.ports import free_port
from bench.demo_session import DemoSession, run_demo, scratch_folder
from bench.figures import Figure, percentile

ROUNDS = 30
SANDBOX_PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "kueue",
    "kube-state-metrics",
    "prometheus",
)


def measure(*, minutes: float) -> Iterator[Figure]:
    """One demo from an empty folder, then the same folder again."""
    with scratch_folder() as folder:
        data_dir = folder / "data"
        with run_demo(data_dir, port=free_port()) as session:
            yield Figure(name="fresh start to first page", value=session.first_page_seconds, unit="s", target=15)
            yield Figure(name="fresh start to live figures", value=session.live_seconds, unit="s")
            yield from measure_sync(session)
            yield from measure_liveness(session)
            remaining = minutes * 60 - (time.monotonic() - session.started_at)
            time.sleep(max(0.0, remaining))
            yield from measure_memory(session)
        with run_demo(data_dir, port=free_port()) as session:
            yield Figure(name="restart to first page", value=session.first_page_seconds, unit="s", target=8)
            yield Figure(name="restart to live cluster figures", value=session.live_seconds, unit="s", target=45)


def measure_sync(session: DemoSession) -> Iterator[Figure]:
    """A Max is changed through the API; how long until the API server has it, and until the product says Synced.

    The peer is `kubectl apply` of the same change, from its start until the object is read back.
    """
    tree = session.get("quota-trees/")["results"][0]
    in_cluster, synced, peer = [], [], []
    for number in range(ROUNDS):
        node = _find_node(session, tree["id"], "mlops")
        ceiling = str(40 + number % 2)
        body = {
            "changes": [
                {
                    "kind": "change-node",
                    "node": str(node["id"]),
                    "version": node["version"],
                    "max": {"nvidia.com/gpu": ceiling},
                }
            ]
        }
        started = time.monotonic()
        session.post(f"quota-trees/{tree['id']}/changes/", body)
        wanted = int(ceiling) - int(_gpu(node["min"]))
        while _borrowing_limit(session, node["queue_name"]) != wanted:
            time.sleep(0.02)
        in_cluster.append(time.monotonic() - started)
        while session.get(f"quota-trees/{tree['id']}/")["sync"]["state"] != "synced":
            time.sleep(0.02)
        synced.append(time.monotonic() - started)
        peer.append(_time_kubectl(session, node["queue_name"]))
    yield Figure(name="form saved -> object in the API server, p95", value=percentile(in_cluster, 0.95), unit="s")
    yield Figure(name="form saved -> Synced on the page, median", value=statistics.median(synced), unit="s")
    yield Figure(name="form saved -> Synced on the page, p95", value=percentile(synced, 0.95), unit="s", target=3)
    yield Figure(name="peer: kubectl apply and get of the same change, p95", value=percentile(peer, 0.95), unit="s")


def measure_liveness(session: DemoSession) -> Iterator[Figure]:
    """A Job is created with kubectl; how long from its creation until its name stands on an open Workloads page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_context(base_url=session.url).new_page()
        login = session.summary["admin"]
        page.goto("/login")
        page.fill("input[name=login]", login["username"])
        page.fill("input[name=password]", login["password"])
        page.press("input[name=password]", "Enter")
        page.wait_for_url(lambda url: "/login" not in url)
        page.goto("/workloads/?search=bench-")
        seconds = [_time_appearance(session, page, number) for number in range(ROUNDS)]
        browser.close()
    yield Figure(name="change in the cluster -> on an open page, median", value=statistics.median(seconds), unit="s")
    yield Figure(
        name="change in the cluster -> on an open page, p95", value=percentile(seconds, 0.95), unit="s", target=1
    )


def measure_memory(session: DemoSession) -> Iterator[Figure]:
    """PSS, which shares what processes share, of the product with PostgreSQL and Valkey; the sandbox's processes do not count."""
    minutes = (time.monotonic() - session.started_at) / 60
    root = psutil.Process(session.process.pid)
    total = 0
    for process in [root, *root.children(recursive=True)]:
        command = process.cmdline()
        is_sandbox = any(Path(word).name in SANDBOX_PROGRAMS for word in command[:1]) or "sandbox" in " ".join(
            command[1:3]
        )
        if not is_sandbox:
            total += process.memory_full_info().pss
    yield Figure(
        name=f"memory of product, PostgreSQL, Valkey after {minutes:.0f} min", value=total / 1e6, unit="MB", target=500
    )


def _find_node(session: DemoSession, tree_id: int, name: str) -> dict[str, Any]:  # Any: the API's JSON
    nodes = session.get("quota-nodes/", tree=str(tree_id), page_size="200")["results"]
    return next(node for node in nodes if node["name"] == name)


def _gpu(amounts: dict[str, str]) -> str:
    return amounts.get("nvidia.com/gpu", "0")


def _borrowing_limit(session: DemoSession, queue: str) -> int:
    text = session.kubectl("get", "clusterqueue", queue, "-o", "json")
    for group in json.loads(text)["spec"]["resourceGroups"]:
        for resource in group["flavors"][0]["resources"]:
            if resource["name"] == "nvidia.com/gpu":
                return int(resource["borrowingLimit"])
    raise LookupError(queue)


def _time_kubectl(session: DemoSession, queue: str) -> float:
    """A label is applied by somebody else's field manager and read back."""
    document = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": queue, "labels": {"bench": str(time.monotonic_ns())}},
    }
    started = time.monotonic()
    session.kubectl("apply", "--server-side", "--field-manager=bench", "-f", "-", input=yaml.safe_dump(document))
    _borrowing_limit(session, queue)
    return time.monotonic() - started


def _time_appearance(session: DemoSession, page: Page, number: int) -> float:
    name = f"bench-{number}-{time.monotonic_ns() % 100_000}"
    container = {"name": "main", "image": "x", "resources": {"requests": {"cpu": "1"}}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "mlops"},
        "spec": {
            "ttlSecondsAfterFinished": 60,
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        },
    }
    session.kubectl("create", "-f", "-", input=yaml.safe_dump(job))
    created = time.monotonic()
    page.get_by_role("link", name=name).first.wait_for(timeout=10_000)
    return time.monotonic() - created
