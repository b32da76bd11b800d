"""The product's own way into the sandbox: the ServiceAccount and role of deploy/rbac, directly or through a proxy with faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clusters.domain.access import ClusterAccess
from clusters.domain.kubeconfig import parse_kubeconfig
from clusters.kube.client import KubeClient, Timing
from sandbox.cluster import Sandbox
from tests.cluster.fault_proxy import AnsweringProxy, FaultProxy

RBAC = Path(__file__).parents[3] / "deploy" / "rbac" / "aidashboard.yaml"
# Faults are met quickly here, so that a test of a timeout does not take as long as one.
QUICK = Timing(connect_seconds=1, read_seconds=1, attempts=3, first_pause_seconds=0.02, budget_seconds=8)


@pytest.fixture(scope="session")
def product_kubeconfig(sandbox: Sandbox) -> str:
    """What an operator would paste: a token of the product's ServiceAccount, with the shipped role and nothing else."""
    sandbox.apply(RBAC.read_text())
    return sandbox.token_kubeconfig("aidashboard-system", "aidashboard")


@pytest.fixture(scope="session")
def product_access(product_kubeconfig: str) -> ClusterAccess:
    return parse_kubeconfig(product_kubeconfig)


@pytest.fixture
def api(product_access: ClusterAccess) -> Iterator[KubeClient]:
    client = KubeClient(product_access, timing=replace(QUICK, connect_seconds=3, read_seconds=10))
    yield client
    client.close()


@pytest.fixture
def admin_api(sandbox: Sandbox) -> Iterator[KubeClient]:
    """The cluster's administrator, by client certificate: prepares and looks, the product never gets this."""
    client = KubeClient(parse_kubeconfig(sandbox.kubeconfig.read_text()))
    yield client
    client.close()


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[FaultProxy]:
    parts = urlsplit(sandbox.api_server_url)
    assert parts.hostname
    assert parts.port
    proxy = FaultProxy(parts.hostname, parts.port)
    proxy.start()
    yield proxy
    proxy.is_hanging = False
    proxy.close_port()


@pytest.fixture
def answering(sandbox: Sandbox, product_access: ClusterAccess, tmp_path: Path) -> Iterator[AnsweringProxy]:
    proxy = AnsweringProxy(
        sandbox.api_server_url, target_authority=product_access.certificate_authority, directory=tmp_path
    )
    proxy.start()
    yield proxy
    proxy.stop()


@pytest.fixture
def answered_access(answering: AnsweringProxy, product_access: ClusterAccess) -> ClusterAccess:
    """The cluster through the answering proxy."""
    return replace(product_access, api_server_url=answering.url, certificate_authority=answering.certificate_authority)


@pytest.fixture
def answered_api(answered_access: ClusterAccess) -> Iterator[KubeClient]:
    client = KubeClient(answered_access, timing=replace(QUICK, read_seconds=5))
    yield client
    client.close()
