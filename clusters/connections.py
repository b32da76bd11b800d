"""Open connections to registered clusters, shared by the threads of a process and replaced when a credential changes."""

from __future__ import annotations

import threading

from clusters.credentials import decrypt_access
from clusters.kube.client import KubeClient
from clusters.models import Cluster

_lock = threading.Lock()
_clients: dict[int, tuple[int, KubeClient]] = {}


def open_client(cluster: Cluster) -> KubeClient:
    """The process's client of a cluster.

    Raises: CredentialUnreadableError; ClusterUnreachableError when a certificate can't be read.
    """
    with _lock:
        version, client = _clients.get(cluster.pk, (0, None))
        if client is not None and version == cluster.version:
            return client
    fresh = KubeClient(decrypt_access(cluster))
    with _lock:
        _clients[cluster.pk] = (cluster.version, fresh)
    if client is not None:
        client.close()
    return fresh
