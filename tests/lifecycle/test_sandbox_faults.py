"""Processes of a sandbox die, hang and come back, and its folder keeps the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aidashboard.stack.waiting import wait_until
from sandbox.checking import is_answering
from sandbox.cluster import Sandbox
from sandbox.errors import KubectlError
from tests.cluster.conftest import build_node, create_nodes


def test_processes_die_hang_and_come_back(tmp_path: Path):
    with Sandbox(tmp_path / "fault", fair_sharing=True, with_monitoring=False) as sandbox:
        create_nodes(sandbox, build_node("gpu-0"))
        url = sandbox.api_server_url
        sandbox.kill("kube-apiserver")
        assert not is_answering(f"{url}/readyz")
        with pytest.raises(KubectlError):
            sandbox.kubectl("get", "nodes", "--request-timeout=2s")
        sandbox.restart("kube-apiserver")
        assert sandbox.api_server_url == url
        assert "gpu-0" in sandbox.kubectl("get", "nodes")

        sandbox.pause("kube-apiserver")
        assert not is_answering(f"{url}/readyz")
        sandbox.resume("kube-apiserver")
        wait_until(lambda: is_answering(f"{url}/readyz"), seconds=20, describe="the API server to go on")

        sandbox.kill("kueue")
        with pytest.raises(KubectlError, match="webhook"):
            sandbox.apply([_flavor_named("while-down")])
        sandbox.restart("kueue")
        sandbox.apply([_flavor_named("after")])


def test_a_folder_keeps_its_cluster_even_after_everything_was_killed(tmp_path: Path):
    folder = tmp_path / "kept"
    with Sandbox(folder, with_monitoring=False) as sandbox:
        sandbox.kubectl("create", "namespace", "kept")
        sandbox.kubectl("create", "serviceaccount", "reader", "-n", "kept")
        kubeconfig = sandbox.token_kubeconfig("kept", "reader")
        url = sandbox.api_server_url
        for name in sandbox.supervisor.names:
            sandbox.kill(name)
    with Sandbox(folder, with_monitoring=False) as sandbox:
        assert sandbox.api_server_url == url
        assert "kept" in sandbox.kubectl("get", "namespaces")
        file = tmp_path / "kubeconfig"
        file.write_text(kubeconfig)
        assert "system:serviceaccount:kept:reader" in sandbox.kubectl_as(file, "auth", "whoami"), "old tokens work"
        sandbox.apply([_flavor_named("again")])


def _flavor_named(name: str) -> dict[str, Any]:
    return {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": name}}
