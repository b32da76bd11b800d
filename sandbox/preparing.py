"""Puts into a fresh cluster what its components need: Kueue's objects, and the rights of those who watch it.

Server-side apply over a handful of connections: one kubectl process takes three times as long for the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from aidashboard.stack.waiting import WaitTimeoutError, wait_until

from . import kueue
from .api import KubeApi
from .certificates import HOLDERS
from .errors import StartError
from .kueue import KueueManifests, Manifest

FIELD_MANAGER = "sandbox"
APPLY_PATCH = "application/apply-patch+yaml"
THREADS = 6
SERVED_SECONDS = 60.0

METRICS_READER = "sandbox-prometheus"

# Where each kind that is applied here lives; {namespace} only in the paths of those that are in one.
_COLLECTIONS = {
    "APIService": "/apis/apiregistration.k8s.io/v1/apiservices",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "Namespace": "/api/v1/namespaces",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "Secret": "/api/v1/namespaces/{namespace}/secrets",
    "Service": "/api/v1/namespaces/{namespace}/services",
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts",
    "ValidatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
}


def build_grants() -> tuple[Manifest, ...]:
    """What the sandbox's own readers may do: kube-state-metrics may list, Prometheus may read Kueue's metrics."""
    group = "rbac.authorization.k8s.io"
    state_role = "sandbox-kube-state-metrics"
    reader = {"kind": "ServiceAccount", "name": METRICS_READER, "namespace": kueue.NAMESPACE}
    return (
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": state_role},
            "rules": [
                _may_read("", ["namespaces", "nodes", "pods", "resourcequotas"]),
                _may_read("apps", ["deployments", "statefulsets"]),
                _may_read("batch", ["jobs"]),
            ],
        },
        _bind(state_role, {"kind": "User", "name": HOLDERS["kube-state-metrics"].user, "apiGroup": group}),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": METRICS_READER, "namespace": kueue.NAMESPACE},
        },
        _bind("kueue-metrics-reader", reader),
    )


def hash_manifests(manifests: Iterable[Manifest]) -> str:
    """Tells whether a cluster was prepared with exactly these."""
    return hashlib.sha256(json.dumps(list(manifests), sort_keys=True).encode()).hexdigest()


def prepare(api: KubeApi, manifests: KueueManifests) -> None:
    """Everything that Kueue must find when it starts. Blocks until its kinds are served.

    Raises: ApiError; StartError when a definition is not accepted.
    """
    with ThreadPoolExecutor(THREADS, thread_name_prefix="apply") as threads:
        namespaces = [item for item in manifests.definitions if item["kind"] == "Namespace"]
        definitions = [item for item in manifests.definitions if item["kind"] != "Namespace"]
        for item in namespaces:
            apply_object(api, item)
        list(threads.map(lambda item: apply_object(api, item), (*definitions, *manifests.objects, *build_grants())))
        list(threads.map(lambda item: apply_object(api, item), manifests.webhooks))
    names = {item["metadata"]["name"] for item in definitions}
    _wait_until_true(api, kind="CustomResourceDefinition", names=names, condition="Established")


def apply_api_services(api: KubeApi, manifests: KueueManifests, *, now: datetime) -> None:
    """Make Kueue's visibility API part of the server's, and return when it answers. Kueue must be running.

    Until it does, every namespace that is deleted stays, because the server cannot tell what may be in it.

    Raises: ApiError; StartError when it does not become available.
    """
    for item in manifests.api_services:
        # After a restart the server has asked in vain already and pauses for longer and longer; a change makes it ask now.
        annotations = {"sandbox.aidashboard.io/started-at": now.isoformat()}
        apply_object(api, item | {"metadata": item["metadata"] | {"annotations": annotations}})
    names = {item["metadata"]["name"] for item in manifests.api_services}
    _wait_until_true(api, kind="APIService", names=names, condition="Available")


def apply_object(api: KubeApi, item: Manifest) -> None:
    """Server-side apply of one object of the kinds above."""
    metadata = item["metadata"]
    collection = _COLLECTIONS[item["kind"]].format(namespace=metadata.get("namespace", ""))
    path = f"{collection}/{metadata['name']}?fieldManager={FIELD_MANAGER}&force=true"
    api.patch(path, item, content_type=APPLY_PATCH)


def request_token(api: KubeApi, *, namespace: str, service_account: str, seconds: int) -> str:
    """A bearer token of a ServiceAccount (TokenRequest). The server may shorten it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": seconds},
    }
    token: str = api.create(path, body)["status"]["token"]
    return token


def _wait_until_true(api: KubeApi, *, kind: str, names: Set[str], condition: str) -> None:
    missing: Set[str] = names

    def is_complete() -> bool:
        nonlocal missing
        items = api.list(_COLLECTIONS[kind]).items
        missing = names - {item["metadata"]["name"] for item in items if _has_condition(item, condition)}
        return not missing

    try:
        wait_until(is_complete, seconds=SERVED_SECONDS, describe="the API server to serve Kueue's kinds")
    except WaitTimeoutError as error:
        raise StartError(f"The API server does not serve {', '.join(sorted(missing))}.") from error


def _has_condition(item: dict[str, Any], kind: str) -> bool:  # a raw object with status.conditions
    conditions = item.get("status", {}).get("conditions") or []
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _may_read(group: str, resources: list[str]) -> Manifest:
    return {"apiGroups": [group], "resources": resources, "verbs": ["list", "watch"]}


def _bind(role: str, subject: Manifest) -> Manifest:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"sandbox-{role.removeprefix('sandbox-')}"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
