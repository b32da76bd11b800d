"""Kubeconfig texts: for the components (client certificates) and for whoever holds a token. Pure."""

from __future__ import annotations

import base64

import yaml

CLUSTER_NAME = "sandbox"


def build_certificate_kubeconfig(*, server: str, authority: bytes, user: str, certificate: bytes, key: bytes) -> str:
    """Everything inline, so that the file can be copied anywhere."""
    credentials = {"client-certificate-data": _inline(certificate), "client-key-data": _inline(key)}
    return _build(server=server, authority=authority, user=user, credentials=credentials)


def build_token_kubeconfig(*, server: str, authority: bytes, user: str, token: str, namespace: str) -> str:
    """What an administrator would hand to a product: the address, the authority and a bearer token."""
    return _build(server=server, authority=authority, user=user, credentials={"token": token}, namespace=namespace)


def _build(*, server: str, authority: bytes, user: str, credentials: dict[str, str], namespace: str = "") -> str:
    context = {"cluster": CLUSTER_NAME, "user": user} | ({"namespace": namespace} if namespace else {})
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": CLUSTER_NAME, "cluster": {"server": server, "certificate-authority-data": _inline(authority)}}
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": CLUSTER_NAME, "context": context}],
        "current-context": CLUSTER_NAME,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _inline(content: bytes) -> str:
    return base64.b64encode(content).decode()
