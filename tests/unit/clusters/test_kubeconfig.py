"""A kubeconfig is data: nothing in it is run or opened, and everything wrong is said at once."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clusters.domain.kubeconfig import judge_address, judge_server_name, parse_kubeconfig
from clusters.errors import KubeconfigInvalidError
from tests.unit.clusters.properties import quickly

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n"


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def build(
    *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, current: str = "x", **document: Any
) -> str:
    base: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"} | (cluster or {})}],
        "users": [{"name": "u", "user": {"token": "secret-token"} if user is None else user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": current,
    }
    return yaml.safe_dump(base | document)


def refuse(text: str, **options: str) -> list[tuple[str, str]]:
    with pytest.raises(KubeconfigInvalidError) as caught:
        parse_kubeconfig(text, **options)
    return [(finding.rule.removeprefix("kubeconfig-"), finding.message) for finding in caught.value.findings]


def test_a_token_and_an_address_are_enough():
    access = parse_kubeconfig(
        build(cluster={"certificate-authority-data": encode(CERTIFICATE), "tls-server-name": "kube"})
    )
    assert (access.api_server_url, access.tls_server_name) == ("https://10.0.0.1:6443", "kube")
    assert access.certificate_authority == CERTIFICATE
    assert access.credential.bearer_token == "secret-token"
    assert access.credential.kind == "token"


def test_a_client_certificate_with_its_key_is_enough():
    access = parse_kubeconfig(
        build(user={"client-certificate-data": encode(CERTIFICATE), "client-key-data": encode(KEY)})
    )
    assert (access.credential.client_certificate, access.credential.client_key) == (CERTIFICATE, KEY)
    assert access.credential.kind == "certificate"


def test_secrets_never_show_in_a_repr():
    shown = repr(parse_kubeconfig(build(user={"token": "secret-token"})))
    assert "secret-token" not in shown
    assert "10.0.0.1" in shown


@pytest.mark.parametrize("value", ["2001-99-99", "9" * 5000])
def test_a_date_or_number_that_is_none_is_refused(value):
    """PyYAML lets Python's own complaint through for these."""
    assert refuse(f"current-context: {value}")[0][0] == "yaml"


def test_malformed_yaml_is_refused_with_its_place():
    assert refuse("clusters: [\n  {") == [
        ("yaml", "the kubeconfig is not YAML, line 2, column 4: paste the whole file as it is")
    ]


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "42", "!!python/object/apply:os.system ['true']"])
def test_what_is_no_kubeconfig_is_refused(text):
    assert refuse(text)[0][0] in {"form", "yaml"}


def test_another_kind_is_refused_by_name():
    assert refuse("kind: Secret\n") == [("form", "this is a Secret, not a kubeconfig (kind: Config)")]


def test_a_huge_text_is_refused_unread():
    assert refuse("a" * 300_000)[0][0] == "size"


def test_without_a_current_context_the_only_one_is_taken():
    assert parse_kubeconfig(build(current="")).api_server_url == "https://10.0.0.1:6443"


def test_without_a_current_context_several_must_be_chosen_from():
    contexts = [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("b", "a")]
    rule, message = refuse(build(contexts=contexts, current=""))[0]
    assert (rule, message.endswith("name one of a, b")) == ("context", True)
    assert parse_kubeconfig(build(contexts=contexts, current=""), context="b").credential.bearer_token


def test_an_unknown_context_lists_those_there_are():
    assert refuse(build(), context="prod") == [("context", "there is no context 'prod' in the kubeconfig; it has: x")]


def test_a_context_that_names_nothing_is_refused():
    contexts = [{"name": "x", "context": {"cluster": "c", "user": "nobody"}}]
    assert refuse(build(contexts=contexts)) == [
        ("context", "context 'x' names user 'nobody', which is not there; users: u")
    ]
    assert refuse(build(contexts=[], current=""))[0][0] == "context"


@pytest.mark.parametrize("field", ["exec", "auth-provider"])
def test_programs_and_plugins_are_never_run(field):
    (finding,) = refuse(build(user={field: {"command": "/bin/sh", "args": ["-c", "touch /tmp/owned"]}}))
    assert finding[0] == "plugin"
    assert "never runs" in finding[1]


@pytest.mark.parametrize("field", ["client-certificate", "client-key", "tokenFile"])
def test_files_of_another_machine_are_refused(field):
    rules = [rule for rule, _ in refuse(build(user={field: "/etc/passwd", "token": "t"}))]
    assert rules == ["file"]


def test_everything_wrong_is_said_at_once():
    findings = refuse(
        build(
            cluster={"server": "http://10.0.0.1", "insecure-skip-tls-verify": True, "certificate-authority": "/ca.crt"},
            user={"exec": {}, "username": "u", "password": "p"},
        )
    )
    assert [rule for rule, _ in findings] == ["plain-http", "file", "insecure", "plugin", "basic"]


def test_a_certificate_without_its_key_is_refused():
    assert refuse(build(user={"client-certificate-data": encode(CERTIFICATE)}))[0][1].startswith(
        "client-key-data is missing"
    )
    assert refuse(build(user={})) == [
        (
            "credential",
            "the user has neither token nor client certificate: make a ServiceAccount for AI Dashboard (deploy/rbac) and use its token",
        )
    ]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schl\u00fcssel"])
def test_a_token_that_can_not_be_sent_is_refused_without_showing_it(token):
    ((rule, message),) = refuse(build(user={"token": token}))
    assert rule == "token-form"
    assert token not in message


@pytest.mark.parametrize("name", ["a b", "\u0000", "a" * 300, "-x", "https://h"])
def test_a_server_name_that_is_none_is_refused(name):
    assert [rule for rule, _ in refuse(build(cluster={"tls-server-name": name + "!"}))] == ["server-name"]
    assert judge_server_name(name) != []


@pytest.mark.parametrize("name", ["", "kubernetes", "kubernetes.default.svc", "10.0.0.1", "fd00::1"])
def test_a_server_name_is_a_host_name_or_address(name):
    assert judge_server_name(name) == []


def test_a_password_in_an_address_is_not_repeated():
    assert "secret" not in judge_address("http://user:secret@h")[0].message


@pytest.mark.parametrize("data", ["%%%", encode("no pem"), encode("\xff")])
def test_a_certificate_that_is_none_is_refused(data):
    assert refuse(build(cluster={"certificate-authority-data": data}))[0][0] == "encoding"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://10.0.0.1:6443", "plain-http"),
        ("10.0.0.1:6443", "address"),
        ("https://", "address"),
        ("https://h:99999", "address"),
        ("ftp://h", "address"),
        ("https://user:password@h", "address"),
        ("http://user:password@h", "address"),
        ("https://h:6443?x=1", "address"),
        ("https://h h:6443", "address"),
        ("", "address"),
    ],
)
def test_only_https_addresses_are_accepted(url, rule):
    assert [finding.rule for finding in judge_address(url)] == [f"kubeconfig-{rule}"]


@pytest.mark.parametrize("url", ["https://10.0.0.1:6443", "https://kube", "https://[::1]:6443/prefix"])
def test_https_addresses_are_accepted(url):
    assert judge_address(url) == []


@quickly
@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused_with_findings(text):
    with pytest.raises(KubeconfigInvalidError) as caught:
        parse_kubeconfig(text)
    assert caught.value.findings


_values = st.recursive(
    st.one_of(st.none(), st.text(max_size=4), st.integers(), st.booleans()),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@quickly
@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.one_of(
                _values,
                st.lists(
                    st.dictionaries(st.sampled_from(["name", "cluster", "user", "context"]), _values, max_size=3),
                    max_size=2,
                ),
            )
            for key in ("clusters", "users", "contexts", "current-context", "kind")
        },
    )
)
def test_any_mapping_is_refused_with_findings_and_never_crashes(document):
    with pytest.raises(KubeconfigInvalidError) as caught:
        parse_kubeconfig(yaml.safe_dump(document))
    assert caught.value.findings
