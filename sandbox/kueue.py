"""Kueue outside a cluster: its configuration, its process, and its manifests bent so that the API server finds it.

The manifests are the project's own; only where they point to a Service in the cluster they get a loopback address, and
the Deployment goes, because the process is ours. Everything but the process is pure.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from aidashboard.stack.supervision import ProcessSpec

from .certificates import Certificates
from .checking import answers
from .components import ENDED_AT_ONCE, Port, go_environment
from .layout import Layout
from .programs import Programs

NAMESPACE = "kueue-system"
WEBHOOK_SECRET = "kueue-webhook-server-cert"  # noqa: S105 - the name of an object
WEBHOOK_SERVICE = "kueue-webhook-service"

# Raw Kubernetes objects: each kind has a shape of its own, checked by the API server.
Manifest = dict[str, Any]

_DROPPED = frozenset({"Deployment", "ServiceMonitor"})
_WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KueueAddress:
    """Where Kueue listens, and the certificates to meet it with (PEM)."""

    webhook_port: int
    visibility_port: int
    authority: bytes
    authority_key: bytes
    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KueueManifests:
    """Kueue's objects in the order of applying.

    Definitions first, then `objects`; webhooks before the process (it reads them at its start), and the aggregated APIs
    after it: the API server asks a new one at once, and a failed one only after a pause that doubles.
    """

    definitions: tuple[Manifest, ...]
    objects: tuple[Manifest, ...]
    webhooks: tuple[Manifest, ...]
    api_services: tuple[Manifest, ...]

    def all(self) -> tuple[Manifest, ...]:
        return (*self.definitions, *self.objects, *self.webhooks, *self.api_services)


def build_manifests(published: Iterable[Manifest], address: KueueAddress) -> KueueManifests:
    """Kueue's published objects, for a process on loopback.

    A namespace counts as a definition: what follows is put into it.
    """
    definitions: list[Manifest] = []
    objects: list[Manifest] = []
    webhooks: list[Manifest] = []
    api_services: list[Manifest] = []
    for item in published:
        kind, name = item["kind"], item["metadata"]["name"]
        if kind in _DROPPED:
            continue
        if kind == "CustomResourceDefinition":
            definitions.append(_redirect_conversion(item, address))
        elif kind == "Namespace":
            definitions.insert(0, item)
        elif kind in _WEBHOOKS:
            webhooks.append(_redirect_webhooks(item, address))
        elif kind == "APIService":
            api_services.append(_redirect_api(item, address))
        elif kind == "Secret" and name == WEBHOOK_SECRET:
            objects.append(_fill_secret(item, address))
        elif kind == "Service" and "visibility" in name:
            objects.append(_as_external(item))
        else:
            objects.append(item)
    return KueueManifests(
        definitions=tuple(definitions),
        objects=tuple(objects),
        webhooks=tuple(webhooks),
        api_services=tuple(api_services),
    )


def build_configuration(*, port: Port, certificate_folder: str, fair_sharing: bool) -> str:
    """The text of Kueue's configuration file. The port names are those of `cluster.py`."""
    configuration: Manifest = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": NAMESPACE,
        "leaderElection": {"leaderElect": False},
        # As in the configuration that Kueue ships; without it every controller works on one object at a time.
        "controller": {
            "groupKindConcurrency": {
                "Job.batch": 5,
                "Pod": 5,
                "Workload.kueue.x-k8s.io": 10,
                "LocalQueue.kueue.x-k8s.io": 5,
                "Cohort.kueue.x-k8s.io": 1,
                "ClusterQueue.kueue.x-k8s.io": 5,
                "ResourceFlavor.kueue.x-k8s.io": 1,
            }
        },
        "internalCertManagement": {
            "enable": True,
            "webhookServiceName": WEBHOOK_SERVICE,
            "webhookSecretName": WEBHOOK_SECRET,
        },
        "webhook": {"host": "127.0.0.1", "port": port("kueue-webhook"), "certDir": certificate_folder},
        "metrics": {
            "bindAddress": f"127.0.0.1:{port('kueue-metrics')}",
            "enableClusterQueueResources": True,
        },
        "visibilityServer": {"bindAddress": "127.0.0.1", "bindPort": port("kueue-visibility")},
        "health": {"healthProbeBindAddress": f"127.0.0.1:{port('kueue-health')}"},
        "integrations": {"frameworks": ["batch/job", "pod", "deployment", "statefulset"]},
    }
    if fair_sharing:
        # Present means on; both strategies in this order are the usual choice.
        configuration["fairSharing"] = {"preemptionStrategies": ["LessThanOrEqualToFinalShare", "LessThanInitialShare"]}
    return yaml.safe_dump(configuration, sort_keys=False)


def build_kueue(*, programs: Programs, layout: Layout, port: Port) -> ProcessSpec:
    return ProcessSpec(
        name="kueue",
        command=(
            str(programs.kueue),
            f"--config={layout.kueue / 'config.yaml'}",
            f"--kubeconfig={layout.client_kubeconfig('kueue')}",
            "--zap-log-level=info",
        ),
        environment=go_environment(memory_mib=400),
        # It looks for `visibility-certs` in its working directory.
        directory=layout.kueue,
        log_path=layout.log("kueue"),
        is_ready=answers("kueue", port=port),
        ready_seconds=90,
        death_signal=ENDED_AT_ONCE,
        # It ignores the signal while it is still starting.
        stop_seconds=3,
    )


def read_address(certificates: Certificates, *, port: Port) -> KueueAddress:
    return KueueAddress(
        webhook_port=port("kueue-webhook"),
        visibility_port=port("kueue-visibility"),
        authority=certificates.kueue_authority.certificate.read_bytes(),
        authority_key=certificates.kueue_authority.key.read_bytes(),
        certificate=certificates.kueue.certificate.read_bytes(),
        key=certificates.kueue.key.read_bytes(),
    )


def _redirect_webhooks(item: Manifest, address: KueueAddress) -> Manifest:
    webhooks = [
        webhook | {"clientConfig": _client_config(webhook["clientConfig"]["service"]["path"], address)}
        for webhook in item["webhooks"]
    ]
    return item | {"webhooks": webhooks}


def _redirect_conversion(item: Manifest, address: KueueAddress) -> Manifest:
    conversion = item["spec"].get("conversion")
    if not conversion or conversion["strategy"] != "Webhook":
        return item
    webhook = conversion["webhook"] | {"clientConfig": _client_config("/convert", address)}
    return item | {"spec": item["spec"] | {"conversion": conversion | {"webhook": webhook}}}


def _client_config(path: str, address: KueueAddress) -> Manifest:
    return {"url": f"https://127.0.0.1:{address.webhook_port}{path}", "caBundle": _inline(address.authority)}


def _redirect_api(item: Manifest, address: KueueAddress) -> Manifest:
    service = item["spec"]["service"] | {"port": address.visibility_port}
    return item | {"spec": item["spec"] | {"service": service}}


def _as_external(item: Manifest) -> Manifest:
    """A Service that the aggregator resolves to this machine instead of to pods."""
    ports: Sequence[Manifest] = item["spec"].get("ports", [])
    return item | {"spec": {"type": "ExternalName", "externalName": "localhost", "ports": ports}}


def _fill_secret(item: Manifest, address: KueueAddress) -> Manifest:
    data = {
        "tls.crt": address.certificate,
        "tls.key": address.key,
        "ca.crt": address.authority,
        "ca.key": address.authority_key,
    }
    return item | {"type": "Opaque", "data": {name: _inline(content) for name, content in data.items()}}


def _inline(content: bytes) -> str:
    return base64.b64encode(content).decode()
