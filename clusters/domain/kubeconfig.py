"""Reading a kubeconfig that somebody hands us.

It is data and is treated so: nothing in it is run, no file it names is opened, and what would need either is refused with a
sentence that says what to do instead. Everything that is wrong is reported at once.

Source: k8s.io/client-go, tools/clientcmd/api/v1, types.go.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

import yaml

from aidashboard.kit.errors import Finding
from clusters.domain.access import ClusterAccess, Credential
from clusters.errors import KubeconfigInvalidError

LONGEST_KUBECONFIG: Final = 256 * 1024
TOKEN_HINT: Final = "make a ServiceAccount for AI Dashboard (deploy/rbac) and use its token"  # noqa: S105  (advice)
_FILE_FIELDS: Final = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
    "tokenFile": "token",
}

_PRINTABLE: Final = re.compile(r"[!-~]+")
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*|[0-9A-Fa-f:]{2,39}"
)

Section = Mapping[str, object]


def parse_kubeconfig(text: str, *, context: str = "") -> ClusterAccess:
    """The address and credential of one context: the named one, else the current one, else the only one.

    Raises: KubeconfigInvalidError (422) with a finding for everything that is wrong.
    """
    document = _load(text)
    contexts = _named(document, "contexts")
    name = _choose_context(document, contexts, context)
    cluster, user = _follow(document, contexts[name], name)
    findings = [*_judge_cluster(cluster), *_judge_user(user)]
    if findings:
        raise KubeconfigInvalidError(findings[0].message, findings=findings)
    return ClusterAccess(
        api_server_url=_text(cluster, "server").rstrip("/"),
        certificate_authority=_decode(cluster, "certificate-authority-data"),
        tls_server_name=_text(cluster, "tls-server-name"),
        credential=Credential(
            bearer_token=_text(user, "token"),
            # A token wins over a certificate in client-go too, and one way in is enough.
            client_certificate="" if _text(user, "token") else _decode(user, "client-certificate-data"),
            client_key="" if _text(user, "token") else _decode(user, "client-key-data"),
        ),
    )


def judge_address(url: str) -> list[Finding]:
    """What is wrong with the address of an API server: only https with a host is accepted."""
    try:
        parts = urlsplit(url)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return [_finding("address", "server", url, f"{url!r} is not a URL: write https://HOST:PORT")]
    if parts.username or parts.password:
        return [_finding("address", "server", "", "the address must not hold a user name or a password")]
    if parts.scheme == "http":
        message = f"{url} is plain http: the credential would travel in the clear, use the https address"
        return [_finding("plain-http", "server", url, message)]
    is_whole = parts.scheme == "https" and parts.hostname and has_valid_port
    if not is_whole or parts.query or parts.fragment or not _PRINTABLE.fullmatch(url):
        message = f"{url!r} is not the address of an API server: write https://HOST:PORT"
        return [_finding("address", "server", url, message)]
    return []


def judge_token(token: str) -> list[Finding]:
    """What is wrong with a bearer token: it is one word of plain ASCII."""
    if not token:
        return [Finding(rule="token-missing", field="token", message="a bearer token is needed")]
    if not _PRINTABLE.fullmatch(token):
        message = "the token has spaces, line breaks or other foreign characters inside: paste it whole and alone"
        return [Finding(rule="token-form", field="token", message=message)]
    return []


def judge_server_name(name: str) -> list[Finding]:
    """What is wrong with the name to expect in the server's certificate; empty is allowed."""
    if not name or _HOST_NAME.fullmatch(name):
        return []
    message = f"{name!r} is no host name: write the name in the API server's certificate, or nothing"
    return [_finding("server-name", "tls-server-name", name, message)]


def _load(text: str) -> Section:
    if len(text) > LONGEST_KUBECONFIG:
        raise _refuse("size", f"the kubeconfig has {len(text)} characters; more than {LONGEST_KUBECONFIG} can't be one")
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise _refuse("yaml", f"the kubeconfig is not YAML{place}: paste the whole file as it is") from error
    except ValueError as error:
        # What looks like a date or a number and is none: PyYAML lets Python complain.
        raise _refuse(
            "yaml", "the kubeconfig holds something like a date or a number that is none: put it in quotes"
        ) from error
    except RecursionError as error:
        raise _refuse("yaml", "the kubeconfig is nested too deeply to be one") from error
    if not isinstance(document, Mapping):
        raise _refuse("form", "the kubeconfig is not a mapping with clusters, users and contexts: paste the whole file")
    if document.get("kind", "Config") != "Config":
        raise _refuse("form", f"this is a {document.get('kind')}, not a kubeconfig (kind: Config)")
    return document


def _choose_context(document: Section, contexts: Mapping[str, Section], wanted: str) -> str:
    name = wanted or _text(document, "current-context")
    known = ", ".join(sorted(contexts)) or "none"
    if name and name not in contexts:
        raise _refuse("context", f"there is no context {name!r} in the kubeconfig; it has: {known}", value=name)
    if name:
        return name
    if len(contexts) == 1:
        return next(iter(contexts))
    if not contexts:
        raise _refuse("context", "the kubeconfig has no context: add one that names a cluster and a user")
    raise _refuse("context", f"the kubeconfig has no current context and several to choose from: name one of {known}")


def _follow(document: Section, context: Section, name: str) -> tuple[Section, Section]:
    found: list[Section] = []
    for field, section in (("cluster", "clusters"), ("user", "users")):
        entries = _named(document, section)
        key = _text(context, field)
        if key not in entries:
            known = ", ".join(sorted(entries)) or "none"
            raise _refuse(
                "context", f"context {name!r} names {field} {key!r}, which is not there; {section}: {known}", value=key
            )
        found.append(entries[key])
    return found[0], found[1]


def _judge_cluster(cluster: Section) -> list[Finding]:
    findings = [*judge_address(_text(cluster, "server")), *judge_server_name(_text(cluster, "tls-server-name"))]
    findings += _judge_files(cluster)
    if cluster.get("insecure-skip-tls-verify"):
        findings.append(
            _finding(
                "insecure",
                "insecure-skip-tls-verify",
                "true",
                "insecure-skip-tls-verify would give the credential to anybody in between: "
                "remove it and give certificate-authority-data",
            )
        )
    if _text(cluster, "proxy-url"):
        findings.append(
            _finding("proxy", "proxy-url", _text(cluster, "proxy-url"), "proxy-url is not supported: remove it")
        )
    findings += _judge_encoded(cluster, "certificate-authority-data", "CERTIFICATE")
    return findings


def _judge_user(user: Section) -> list[Finding]:
    findings: list[Finding] = []
    for field, noun in (("exec", "a program"), ("auth-provider", "a login plug-in")):
        if field in user:
            message = f"the user logs in by {noun} ({field}), which AI Dashboard never runs: {TOKEN_HINT}"
            findings.append(_finding("plugin", field, "", message))
    if "username" in user or "password" in user:
        findings.append(_finding("basic", "username", "", f"Kubernetes has no password login any more: {TOKEN_HINT}"))
    findings += _judge_files(user)
    findings += _judge_encoded(user, "client-certificate-data", "CERTIFICATE")
    findings += _judge_encoded(user, "client-key-data", "PRIVATE KEY")
    has_certificate, has_key = ("client-certificate-data" in user), ("client-key-data" in user)
    if has_certificate != has_key:
        missing = "client-key-data" if has_certificate else "client-certificate-data"
        findings.append(
            _finding("credential", missing, "", f"{missing} is missing: a certificate and its key go together")
        )
    if _text(user, "token"):
        findings += judge_token(_text(user, "token"))
    elif not findings and not has_certificate:
        findings.append(
            _finding("credential", "token", "", f"the user has neither token nor client certificate: {TOKEN_HINT}")
        )
    return findings


def _judge_files(section: Section) -> list[Finding]:
    return [
        _finding(
            "file",
            field,
            "",
            f"{field} names a file of another machine: put its content into {instead} "
            "(kubectl config view --raw --flatten --minify does it)",
        )
        for field, instead in _FILE_FIELDS.items()
        if section.get(field)
    ]


def _judge_encoded(section: Section, field: str, block: str) -> list[Finding]:
    if field not in section:
        return []
    try:
        text = _decode(section, field)
    except (binascii.Error, ValueError):
        return [_finding("encoding", field, "", f"{field} is not base64")]
    if "-----BEGIN " not in text or f"{block}-----" not in text:
        return [_finding("encoding", field, "", f"{field} does not hold a PEM block of a {block.lower()}")]
    return []


def _decode(section: Section, field: str) -> str:
    return base64.b64decode("".join(_text(section, field).split()), validate=True).decode("ascii")


def _named(document: Section, section: str) -> dict[str, Section]:
    """The entries of a list such as `clusters: [{name, cluster: {...}}]` by their names."""
    entries = document.get(section) or []
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise _refuse("form", f"{section} must be a list of named entries")
    found: dict[str, Section] = {}
    for entry in entries:
        body = entry.get(section.removesuffix("s")) if isinstance(entry, Mapping) else None
        if (
            not isinstance(entry, Mapping)
            or not isinstance(entry.get("name"), str)
            or not isinstance(body or {}, Mapping)
        ):
            raise _refuse("form", f"every entry of {section} must have a name and a {section.removesuffix('s')}")
        found[entry["name"]] = body or {}
    return found


def _text(section: Section, field: str) -> str:
    value = section.get(field)
    return value.strip() if isinstance(value, str) else ""


def _finding(rule: str, field: str, value: str, message: str) -> Finding:
    return Finding(rule=f"kubeconfig-{rule}", field=field, value=value, message=message)


def _refuse(rule: str, message: str, *, value: str = "") -> KubeconfigInvalidError:
    return KubeconfigInvalidError(message, findings=[_finding(rule, "kubeconfig", value, message)])
