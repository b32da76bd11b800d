"""Asks a process of the sandbox whether it is ready, over its own health address."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

ASK_SECONDS = 2.0

# By process: scheme, name of the port, path.
_HEALTH = {
    "etcd": ("http", "etcd", "/health"),
    "kube-apiserver": ("https", "kube-apiserver", "/readyz"),
    "kube-controller-manager": ("https", "kube-controller-manager", "/healthz"),
    "kube-scheduler": ("https", "kube-scheduler", "/healthz"),
    "kwok": ("http", "kwok", "/healthz"),
    "kueue": ("http", "kueue-health", "/readyz"),
    "kube-state-metrics": ("http", "kube-state-metrics", "/healthz"),
    "prometheus": ("http", "prometheus", "/-/ready"),
}
CORE_PROCESSES = tuple(_HEALTH)


def find_health_url(process: str, *, port: Callable[[str], int]) -> str | None:
    """Where a process of the sandbox says how it is; None for one that others started beside it."""
    if process not in _HEALTH:
        return None
    scheme, port_name, path = _HEALTH[process]
    return f"{scheme}://127.0.0.1:{port(port_name)}{path}"


def is_answering(url: str) -> bool:
    """True when a GET of a loopback address gives a status below 400. Never raises, never takes long."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(host, port, timeout=ASK_SECONDS, context=_trusting_context())
    else:
        connection = http.client.HTTPConnection(host, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def answers(process: str, *, port: Callable[[str], int]) -> Callable[[], bool]:
    """Whether a process of the table is ready, as a condition for the supervisor."""
    url = find_health_url(process, port=port)
    if url is None:
        raise KeyError(process)
    return lambda: is_answering(url)


def _trusting_context() -> ssl.SSLContext:
    # Health addresses on loopback: some components serve them with a certificate they made up at their start.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
