"""The shipped role: enough to register and to work, and nothing beyond. The check before registration says what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clusters.domain.access import ClusterAccess, Credential
from clusters.domain.kubeconfig import parse_kubeconfig
from clusters.domain.rights import REQUIRED_RIGHTS
from clusters.kube.client import KubeClient
from clusters.kube.errors import ClusterForbiddenError
from clusters.live import probe_access
from sandbox.cluster import Sandbox
from tests.cluster.conftest import TestNamespace
from tests.cluster.fault_proxy import Answer, AnsweringProxy, FaultProxy


@pytest.fixture
def stranger(sandbox: Sandbox, namespace: TestNamespace) -> ClusterAccess:
    """A ServiceAccount without any role."""
    sandbox.kubectl("-n", namespace.name, "create", "serviceaccount", "stranger")
    return parse_kubeconfig(sandbox.token_kubeconfig(namespace.name, "stranger"))


def rules(access: ClusterAccess) -> list[str]:
    return [finding.rule for finding in probe_access(access).findings]


def test_with_the_shipped_role_nothing_is_missing(product_access: ClusterAccess):
    probe = probe_access(product_access)
    assert (probe.findings, probe.is_usable) == ((), True)
    assert (probe.kubernetes_version[:3], probe.kueue_version) == ("v1.", "v1beta2")


def test_every_missing_right_is_named(stranger: ClusterAccess):
    probe = probe_access(stranger)
    assert not probe.is_usable
    assert {finding.value for finding in probe.findings} == {str(right) for right in REQUIRED_RIGHTS}
    assert "lacks the right to list nodes" in " ".join(finding.message for finding in probe.findings)


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("delete", "pods"),
        ("create", "pods/exec"),
        ("create", "jobs.batch"),
        ("patch", "nodes"),
        ("delete", "namespaces"),
        ("delete", "nodes"),
        ("create", "clusterroles.rbac.authorization.k8s.io"),
        ("escalate", "clusterroles.rbac.authorization.k8s.io"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("create", "serviceaccounts/token"),
        ("patch", "workloads.kueue.x-k8s.io"),
        ("deletecollection", "clusterqueues.kueue.x-k8s.io"),
        ("patch", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
        ("*", "*"),
    ],
)
def test_the_shipped_role_may_not(api: KubeClient, verb: str, resource: str):
    assert not may(api, verb, resource)


def may(api: KubeClient, verb: str, resource: str) -> bool:
    """What the API server itself says about the product's own credential."""
    name, _, group = resource.partition(".")
    name, _, subresource = name.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": subresource}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = api.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=review)
    return bool(answer["status"]["allowed"])


def test_the_question_itself_is_answered_truly(api: KubeClient):
    assert may(api, "list", "nodes")
    assert may(api, "patch", "clusterqueues.kueue.x-k8s.io")


def test_a_secret_is_really_out_of_reach(api: KubeClient):
    with pytest.raises(ClusterForbiddenError) as caught:
        api.call("GET", "/api/v1/secrets")
    assert (caught.value.verb, caught.value.resource) == ("list", "secrets")


def test_a_wrong_credential_is_told_from_a_wrong_address(product_access: ClusterAccess, proxy: FaultProxy):
    assert rules(replace(product_access, credential=Credential(bearer_token="wrong"))) == ["unauthorized"]
    assert rules(replace(product_access, certificate_authority="")) == ["unreachable-tls"]
    proxy.close_port()
    assert rules(replace(product_access, api_server_url=proxy.url)) == ["unreachable-refused"]


def test_a_hanging_server_is_told_from_a_closed_port(product_access: ClusterAccess, proxy: FaultProxy):
    proxy.is_hanging = True
    assert rules(replace(product_access, api_server_url=proxy.url)) == ["unreachable-timeout"]


def test_a_page_is_told_from_an_api_server(answered_access: ClusterAccess, answering: AnsweringProxy):
    page = Answer(status=200, body=b"<html>Sign in</html>", content_type="text/html")
    with answering.answering("GET /version", page):
        assert rules(answered_access) == ["not-kubernetes"]


def test_without_kueue_there_is_a_warning_only(answered_access: ClusterAccess, answering: AnsweringProxy):
    missing = Answer(status=404, body=b"404 page not found\n", content_type="text/plain")
    with answering.answering("GET /apis/kueue.x-k8s.io", missing):
        probe = probe_access(answered_access)
    assert [(finding.rule, finding.is_warning) for finding in probe.findings] == [("kueue-missing", True)]
    assert (probe.is_usable, probe.kueue_version) == (True, "")


def test_an_old_kueue_is_named(answered_access: ClusterAccess, answering: AnsweringProxy):
    old = Answer(status=200, body=b'{"kind":"APIGroup","versions":[{"groupVersion":"kueue.x-k8s.io/v1beta1"}]}')
    with answering.answering("GET /apis/kueue.x-k8s.io", old):
        (finding,) = probe_access(answered_access).findings
    assert finding.rule == "kueue-old"
    assert "v1beta1" in finding.message
