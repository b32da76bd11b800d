"""The connection to an API server: credentials, deadlines, retries, and what each fault becomes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from clusters.domain.access import ClusterAccess, Credential
from clusters.domain.kubeconfig import parse_kubeconfig
from clusters.kube.client import KubeClient
from clusters.kube.errors import (
    ClusterForbiddenError,
    ClusterUnauthorizedError,
    ClusterUnreachableError,
    GoneError,
    KubeError,
    ObjectChangedError,
    ServerFaultError,
    TooManyRequestsError,
    UnexpectedAnswerError,
    UnreachableCause,
)
from sandbox.cluster import Sandbox
from tests.cluster.clusters.conftest import QUICK
from tests.cluster.fault_proxy import Answer, AnsweringProxy, FaultProxy, make_certificate

NODES = "/api/v1/nodes"
PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"


def status(code: int, **details: object) -> Answer:
    body = {"kind": "Status", "status": "Failure", "code": code, "message": f"answer {code}", "details": details}
    return Answer(status=code, body=orjson.dumps(body))


def test_a_token_and_a_client_certificate_both_open_the_door(api, sandbox: Sandbox):
    assert api.call("GET", "/version")["gitVersion"].startswith("v1.")
    assert api.call("GET", NODES)["kind"] == "NodeList"
    certificate = KubeClient(parse_kubeconfig(sandbox.kubeconfig.read_text()))
    assert certificate.call("GET", "/api/v1/secrets")["kind"] == "SecretList"


def test_a_wrong_token_is_unauthorized(product_access: ClusterAccess):
    client = KubeClient(replace(product_access, credential=Credential(bearer_token="wrong")))
    with pytest.raises(ClusterUnauthorizedError):
        client.call("GET", NODES)


def test_another_authority_is_not_trusted(product_access: ClusterAccess):
    stranger, _ = make_certificate()
    with pytest.raises(ClusterUnreachableError) as caught:
        KubeClient(replace(product_access, certificate_authority=stranger), timing=QUICK).call("GET", NODES)
    assert (caught.value.cause, caught.value.is_retryable) == (UnreachableCause.TLS, False)
    assert "certificate verify failed" in caught.value.message


def test_the_name_in_the_certificate_is_checked_and_can_be_chosen(product_access: ClusterAccess):
    with pytest.raises(ClusterUnreachableError) as caught:
        KubeClient(replace(product_access, tls_server_name="elsewhere.example"), timing=QUICK).call("GET", NODES)
    assert caught.value.cause is UnreachableCause.TLS
    named = replace(product_access, tls_server_name="kubernetes.default.svc")
    assert KubeClient(named).call("GET", NODES)["kind"] == "NodeList"


def test_a_token_that_can_not_be_sent_is_an_error_of_the_family(product_access: ClusterAccess):
    broken = replace(product_access, credential=Credential(bearer_token="schl\u00fcssel\n"))
    with pytest.raises(ClusterUnreachableError) as caught:
        KubeClient(broken, timing=QUICK).call("GET", NODES)
    assert "schl" not in caught.value.message


def test_no_key_is_left_in_a_file(sandbox: Sandbox, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    KubeClient(parse_kubeconfig(sandbox.kubeconfig.read_text())).call("GET", "/version")
    assert list(tmp_path.iterdir()) == []


def test_a_client_shows_its_address_and_no_secret(api, product_access: ClusterAccess):
    assert product_access.credential.bearer_token not in repr(api)
    assert product_access.api_server_url in repr(api)


# --- the network ----------------------------------------------------------------------------------------------------------


def through(proxy: FaultProxy, access: ClusterAccess) -> KubeClient:
    return KubeClient(replace(access, api_server_url=proxy.url), timing=QUICK)


def test_a_closed_port_is_refused(proxy: FaultProxy, product_access: ClusterAccess):
    proxy.close_port()
    with pytest.raises(ClusterUnreachableError) as caught:
        through(proxy, product_access).call("GET", NODES)
    assert caught.value.cause is UnreachableCause.REFUSED
    assert "refuses connections" in caught.value.message


def test_a_server_that_hangs_costs_a_bounded_time(proxy: FaultProxy, product_access: ClusterAccess):
    client = through(proxy, product_access)
    client.call("GET", NODES)
    proxy.is_hanging = True
    begun = time.monotonic()
    with pytest.raises(ClusterUnreachableError) as caught:
        client.call("GET", NODES)
    assert time.monotonic() - begun < QUICK.budget_seconds + QUICK.read_seconds + QUICK.connect_seconds
    assert caught.value.cause is UnreachableCause.TIMEOUT
    proxy.is_hanging = False
    assert client.call("GET", NODES)["kind"] == "NodeList"


def test_a_connection_that_died_while_idle_is_replaced(proxy: FaultProxy, product_access: ClusterAccess):
    client = through(proxy, product_access)
    client.call("GET", NODES)
    proxy.cut()
    assert client.call("GET", NODES)["kind"] == "NodeList"


def test_a_server_that_comes_back_is_reached_again(proxy: FaultProxy, product_access: ClusterAccess):
    client = through(proxy, product_access)
    proxy.close_port()
    with pytest.raises(ClusterUnreachableError):
        client.call("GET", NODES)
    proxy.start()
    assert client.call("GET", NODES)["kind"] == "NodeList"


# --- the answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "error", "attempts"),
    [
        (401, ClusterUnauthorizedError, 1),
        (403, ClusterForbiddenError, 1),
        (409, ObjectChangedError, 1),
        (410, GoneError, 1),
        (429, TooManyRequestsError, 3),
        (500, ServerFaultError, 3),
        (503, ServerFaultError, 3),
    ],
)
def test_only_what_can_pass_by_itself_is_tried_again(
    answering: AnsweringProxy, answered_api: KubeClient, code: int, error: type[KubeError], attempts: int
):
    with answering.answering("GET /api/v1/nodes", status(code)) as rule, pytest.raises(error):
        answered_api.call("GET", NODES)
    assert rule.used == attempts


def test_a_fault_that_passes_is_not_noticed(answering: AnsweringProxy, answered_api: KubeClient):
    with answering.answering("GET /api/v1/nodes", status(500), count=2):
        assert answered_api.call("GET", NODES)["kind"] == "NodeList"


def test_a_creation_is_not_repeated_after_a_fault(answering: AnsweringProxy, answered_api: KubeClient):
    with answering.answering("POST", status(500)) as rule, pytest.raises(ServerFaultError):
        answered_api.call("POST", "/api/v1/namespaces", body={"metadata": {"name": "never"}})
    assert rule.used == 1


def test_the_server_is_given_the_time_it_asks_for(answering: AnsweringProxy, answered_api: KubeClient):
    patience = Answer(status=429, body=status(429).body, headers={"Retry-After": "1"})
    begun = time.monotonic()
    with answering.answering("GET /api/v1/nodes", patience, count=1):
        answered_api.call("GET", NODES)
    assert time.monotonic() - begun >= 1


def test_more_patience_than_we_have_is_an_error_that_says_how_much(answering: AnsweringProxy, answered_api: KubeClient):
    patience = Answer(status=429, body=status(429).body, headers={"Retry-After": "600"})
    with answering.answering("GET /api/v1/nodes", patience) as rule, pytest.raises(TooManyRequestsError) as caught:
        answered_api.call("GET", NODES)
    assert (rule.used, caught.value.retry_after_seconds) == (1, 600)


@pytest.mark.parametrize("code", [200, 403, 502])
def test_a_page_instead_of_an_answer_is_said_plainly(answering: AnsweringProxy, answered_api: KubeClient, code: int):
    page = Answer(status=code, body=PAGE, content_type="text/html")
    with answering.answering("GET /api/v1/nodes", page), pytest.raises(UnexpectedAnswerError) as caught:
        answered_api.call("GET", NODES)
    assert "HTML" in caught.value.message


def test_a_redirect_is_not_followed(answering: AnsweringProxy, answered_api: KubeClient):
    away = Answer(status=302, headers={"Location": "https://login.example/"})
    with answering.answering("GET /api/v1/nodes", away), pytest.raises(UnexpectedAnswerError) as caught:
        answered_api.call("GET", NODES)
    assert "redirects" in caught.value.message


def test_an_answer_that_breaks_off_is_asked_for_again(answering: AnsweringProxy, answered_api: KubeClient):
    broken = Answer(status=200, body=b'{"kind": "NodeList", "items": [' + b" " * 1000, cut_after=20)
    with answering.answering("GET /api/v1/nodes", broken, count=1) as rule:
        assert answered_api.call("GET", NODES)["kind"] == "NodeList"
    assert rule.used == 1
    with answering.answering("GET /api/v1/nodes", broken), pytest.raises(ClusterUnreachableError) as caught:
        answered_api.call("GET", NODES)
    assert caught.value.cause is UnreachableCause.RESET
