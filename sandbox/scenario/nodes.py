"""The nodes of a scenario as Kubernetes objects, and their creation.

Source: NVIDIA GPU feature discovery (node labels), device plugin (resource names).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from sandbox.api import ApiError, JsonObject, KubeApi
from sandbox.kwok import NOT_READY
from sandbox.programs import KUBERNETES_VERSION
from sandbox.scenario.model import CardFault, NodePool, Scenario

CREATE_THREADS = 16
PODS_PER_NODE = "110"

# Read by the GPU exporter; an annotation changed on a living node makes the fault appear or go.
XID_ANNOTATION = "sandbox.aidashboard.io/xid"  # "3=79,5=31": GPU index = code
ECC_ANNOTATION = "sandbox.aidashboard.io/ecc"  # "3=2": GPU index = double-bit errors; from 2 on row remapping fails
MISSING_ANNOTATION = "sandbox.aidashboard.io/missing-gpus"  # "3,5": indices that report nothing
MIG_ANNOTATION = "sandbox.aidashboard.io/mig"  # "3g.40gb,4g.40gb": the instances of every card
DRIVER_LABEL = "nvidia.com/cuda.driver-version.full"


def build_nodes(scenario: Scenario) -> Iterator[JsonObject]:
    """The Node manifests, status included, in the order of the pools."""
    for pool in scenario.pools:
        zones = [zone for zone, count in pool.zones.items() for _ in range(count)]
        for name, zone in zip(pool.node_names, zones, strict=True):
            yield _build_node(scenario, pool, name=name, zone=zone)


def create_nodes(api: KubeApi, scenario: Scenario) -> int:
    """Create the nodes that are missing and return how many that were. Existing ones are left as they are."""
    existing = {node["metadata"]["name"] for node in api.list("/api/v1/nodes").items}
    missing = [node for node in build_nodes(scenario) if node["metadata"]["name"] not in existing]

    def create(node: JsonObject) -> bool:
        try:
            api.create("/api/v1/nodes", node)
        except ApiError as error:
            if not error.is_conflict:
                raise
            return False
        return True

    if not missing:
        return 0
    with ThreadPoolExecutor(max_workers=min(CREATE_THREADS, len(missing))) as pool:
        return sum(pool.map(create, missing))


def _build_node(scenario: Scenario, pool: NodePool, *, name: str, zone: str) -> JsonObject:
    faults = [fault for fault in scenario.faults.cards if fault.node == name]
    is_ready = name not in scenario.faults.not_ready
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": pool.name,
        "topology.kubernetes.io/zone": zone,
        "aidashboard.io/node-pool": pool.name,
        "type": "kwok",
        **pool.labels,
    }
    annotations = {"kwok.x-k8s.io/node": "fake", **_fault_annotations(faults)}
    if pool.gpus_per_node:
        labels |= {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": pool.product,
            "nvidia.com/gpu.count": str(pool.gpus_per_node),
            "nvidia.com/gpu.memory": str(pool.gpu_memory_mib),
            DRIVER_LABEL: scenario.driver_version,
        }
    if pool.mig_profiles:
        labels["nvidia.com/mig.strategy"] = "mixed"
        annotations[MIG_ANNOTATION] = ",".join(pool.mig_profiles)
    if not is_ready:
        # Our own stage keeps such a node from becoming Ready (stages/node-not-ready.yaml).
        labels[NOT_READY] = "true"
    spec: JsonObject = {}
    if name in scenario.faults.cordoned:
        spec["unschedulable"] = True
    if pool.taints:
        spec["taints"] = [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in pool.taints]
    base = {"cpu": pool.cpu, "memory": pool.memory, "pods": PODS_PER_NODE, "ephemeral-storage": "4Ti"}
    status: JsonObject = {
        "capacity": base | _gpu_resources(pool, withdrawn=0),
        "allocatable": base | _gpu_resources(pool, withdrawn=scenario.withdrawn_gpus(name)),
        # Both addresses from the start: with one of them alone KWOK empties the list and `kubectl logs` finds no node.
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
        "nodeInfo": _node_info(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "spec": spec,
        "status": status,
    }


def _gpu_resources(pool: NodePool, *, withdrawn: int) -> dict[str, str]:
    cards = pool.gpus_per_node - withdrawn
    if not pool.gpus_per_node:
        return {}
    if not pool.mig_profiles:
        return {"nvidia.com/gpu": str(cards)}
    resources: dict[str, str] = {}
    for profile in dict.fromkeys(pool.mig_profiles):
        resources[f"nvidia.com/mig-{profile}"] = str(cards * pool.mig_profiles.count(profile))
    return resources


def _fault_annotations(faults: list[CardFault]) -> dict[str, str]:
    annotations = {
        XID_ANNOTATION: ",".join(f"{fault.gpu}={fault.xid}" for fault in faults if fault.xid),
        ECC_ANNOTATION: ",".join(f"{it.gpu}={it.double_bit_errors}" for it in faults if it.double_bit_errors),
        MISSING_ANNOTATION: ",".join(str(fault.gpu) for fault in faults if fault.is_missing),
    }
    return {key: value for key, value in annotations.items() if value}


def _node_info() -> dict[str, str]:
    return {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "osImage": "Debian GNU/Linux 12 (bookworm)",
        "kernelVersion": "6.1.0-40-amd64",
        "kubeletVersion": f"v{KUBERNETES_VERSION}",
        "kubeProxyVersion": "",
        "containerRuntimeVersion": "containerd://2.1.4",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }
