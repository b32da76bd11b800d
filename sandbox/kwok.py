"""KWOK, which plays the kubelets: which stages nodes and pods go through, what their logs say, and its process.

The life cycle is KWOK's own set of stages with two changes, both for the sake of tests: nothing is left to chance (its
random delays are dropped), and a pod ends only if it says so. The stages that a pod or node asks for by annotation or
label are ours and lie in `stages/`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from aidashboard.stack.supervision import ProcessSpec

from .certificates import Certificates
from .checking import answers
from .components import ENDED_AT_ONCE, Port, go_environment
from .layout import Layout
from .programs import Programs

OWN_STAGES = Path(__file__).parent / "stages"

# On a pod (for a Job: on its template). Durations as Go writes them: 30s, 2m.
COMPLETE_AFTER = "pod-complete.stage.kwok.x-k8s.io/delay"
FAIL_AFTER = "pod-fail.stage.kwok.x-k8s.io/delay"
FAIL_REASON = "pod-fail.stage.kwok.x-k8s.io/reason"
FAIL_MESSAGE = "pod-fail.stage.kwok.x-k8s.io/message"
FAIL_EXIT_CODE = "pod-fail.stage.kwok.x-k8s.io/exit-code"
STUCK_REASON = "pod-stuck.stage.kwok.x-k8s.io/reason"
READY_AFTER = "pod-ready.stage.kwok.x-k8s.io/delay"
GONE_AFTER = "pod-delete.stage.kwok.x-k8s.io/delay"
# On a node: a label with the value "true".
NOT_READY = "node-not-ready.stage.kwok.x-k8s.io"

# How long a step takes unless the pod's annotation says otherwise.
STEP_MILLISECONDS = {
    "pod-create": 100,
    "pod-init-container-running": 200,
    "pod-init-container-completed": 200,
    "pod-ready": 200,
    "pod-delete": 500,
}

# A lease that runs out turns the node NotReady; KWOK renews it every quarter of this.
NODE_LEASE_SECONDS = 40

Stage = dict[str, Any]  # a raw Kubernetes object


def read_stages(published: Path) -> list[Stage]:
    """KWOK's stages, adapted, and ours after them."""
    stages = [adapt_stage(stage) for stage in _read_folder(published)]
    return [*stages, *_read_folder(OWN_STAGES)]


def build_configuration(*, stages: Iterable[Stage], log_file: Path) -> str:
    """The text of KWOK's configuration: the stages, and one log file that every container shows."""
    logs = {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "every-container"},
        "spec": {"logs": [{"logsFile": str(log_file), "follow": True}]},
    }
    return yaml.safe_dump_all([*stages, logs], sort_keys=False)


def build_training_log(*, now: datetime) -> str:
    """What a training run of the last half hour would have printed, in CRI form."""
    lines = ["loading checkpoint", "world size 1, mixed precision bf16", "dataset ready: 1281167 samples"]
    steps = 180
    for step in range(1, steps + 1):
        loss = 0.31 + 2.1 * math.exp(-step / 45) + 0.02 * math.sin(step)
        rate = 2840 + 60 * math.sin(step / 7)
        lines.append(f"epoch {step // 60 + 1} step {step * 50} loss {loss:.4f} samples/s {rate:.0f}")
        if step % 60 == 0:
            lines.append(f"saved checkpoint step-{step * 50}")
    pause = timedelta(seconds=10)
    first = now.astimezone(UTC) - pause * len(lines)
    return "".join(
        f"{(first + pause * index).strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z stdout F {line}\n"
        for index, line in enumerate(lines)
    )


def build_kwok(*, programs: Programs, layout: Layout, certificates: Certificates, port: Port) -> ProcessSpec:
    return ProcessSpec(
        name="kwok",
        command=(
            str(programs.kwok),
            f"--kubeconfig={layout.client_kubeconfig('kwok')}",
            f"--config={layout.kwok / 'kwok.yaml'}",
            "--manage-all-nodes=true",
            f"--node-lease-duration-seconds={NODE_LEASE_SECONDS}",
            f"--server-address=127.0.0.1:{port('kwok')}",
            "--node-ip=127.0.0.1",
            f"--node-port={port('kwok')}",
            f"--tls-cert-file={certificates.kubelet.certificate}",
            f"--tls-private-key-file={certificates.kubelet.key}",
            # Pods get addresses of their own, not those of the Services.
            "--cidr=10.64.0.1/16",
        ),
        environment=go_environment(memory_mib=400),
        log_path=layout.log("kwok"),
        is_ready=answers("kwok", port=port),
        ready_seconds=60,
        death_signal=ENDED_AT_ONCE,
        stop_seconds=5,
    )


def _read_folder(folder: Path) -> list[Stage]:
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]


def adapt_stage(stage: Stage) -> Stage:
    """One of KWOK's stages without chance, and aware of ours."""
    name, spec = stage["metadata"]["name"], dict(stage["spec"])
    if name in STEP_MILLISECONDS:
        # A jitter below the delay would also cut it short: KWOK takes the smaller of the two.
        spec["delay"] = {
            "durationMilliseconds": STEP_MILLISECONDS[name],
            "durationFrom": {"expressionFrom": f'.metadata.annotations["{name}.stage.kwok.x-k8s.io/delay"]'},
        }
    if name == "pod-ready":
        spec["selector"] = _also(spec["selector"], f'.metadata.annotations["{STUCK_REASON}"]')
    if name == "node-initialize":
        # It also heals nodes that are not ready; ours shall stay so. A new one still has to be initialised.
        spec["selector"] = _also(
            spec["selector"], f'select(.status.phase == "Running" and .metadata.labels["{NOT_READY}"] == "true")'
        )
    return stage | {"spec": spec}


def _also(selector: dict[str, Any], key: str) -> dict[str, Any]:
    """The selector, and nothing at `key` (raw Kubernetes JSON)."""
    return selector | {"matchExpressions": [*selector["matchExpressions"], {"key": key, "operator": "DoesNotExist"}]}
