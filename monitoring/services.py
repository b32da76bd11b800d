"""Writes of metrics sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record_event
from aidashboard.kit.errors import Finding
from clusters.domain.kubeconfig import judge_token
from clusters.models import Cluster
from monitoring.asking import find_source
from monitoring.credentials import open_token, seal_token
from monitoring.detection import detect
from monitoring.domain.sources import Detected
from monitoring.errors import SourceInvalidError, SourceMissingError
from monitoring.models import PrometheusSource
from monitoring.prometheus.client import PrometheusClient
from monitoring.prometheus.errors import PrometheusError

BAD_URL: Final = "write an address such as http://prometheus.example.org:9090"
_API_PATH: Final = "/api/v1"


def set_prometheus(
    *,
    cluster: Cluster,
    url: str,
    bearer_token: str | None = None,
    by: User | None,
    now: datetime | None = None,
    skip_check: bool = False,
) -> PrometheusSource:
    """Connect a cluster to its Prometheus, after asking it what it has. `bearer_token` None keeps the stored one, "" removes it.

    Raises: SourceInvalidError (422) when the address has the wrong form, or nothing useful answers there.
    """
    now = now or timezone.now()
    address = _check_url(url)
    token = _check_token(_choose_token(cluster, address, bearer_token))
    detected = None if skip_check else _probe(address, token, now=now)
    with transaction.atomic():
        source, is_new = PrometheusSource.objects.update_or_create(
            cluster=cluster,
            defaults={
                "url": address,
                "bearer_token": seal_token(token) if token else None,
                "detected": detected.to_json() if detected else {},
                "probed_at": now if detected else None,
                "message": "",
            },
        )
        record_event(
            "prometheus.set",
            by=by,
            about=cluster,
            summary=f"Cluster {cluster.name} {'connected to' if is_new else 'now reads'} Prometheus {address}",
            details={"url": address, "has_token": bool(token)},
        )
    return source


def remove_prometheus(*, cluster: Cluster, by: User) -> None:
    """Raises: SourceMissingError (404)."""
    with transaction.atomic():
        deleted, _ = PrometheusSource.objects.filter(cluster=cluster).delete()
        if not deleted:
            raise SourceMissingError(f"Cluster {cluster.name} has no metrics source.")
        record_event("prometheus.removed", by=by, about=cluster, summary=f"Metrics source of {cluster.name} removed")


def _check_url(url: str) -> str:
    """The address without a trailing slash or API path. Raises: SourceInvalidError."""
    text = url.strip().rstrip("/").removesuffix(_API_PATH)
    try:
        parts = urlsplit(text)
        has_valid_port = parts.port is None or parts.port > 0
    except ValueError as error:
        raise _invalid(url, "url", f"{url!r} is no address: {BAD_URL}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or not has_valid_port or any(map(str.isspace, text)):
        raise _invalid(url, "url", f"{url!r} is no http or https address: {BAD_URL}")
    if parts.username or parts.password:
        # Not echoed: the address holds a password.
        raise _invalid("", "url-credentials", "the address must not hold a user or password: use the bearer token")
    if parts.query or parts.fragment:
        raise _invalid(url, "url", f"{url!r} must end with the path: {BAD_URL}")
    return text


def _choose_token(cluster: Cluster, address: str, bearer_token: str | None) -> str:
    if bearer_token is not None:
        return bearer_token.strip()
    stored = find_source(cluster)
    # A stored token goes to the address it was given for, and nowhere else.
    return open_token(stored) if stored is not None and stored.url == address else ""


def _check_token(token: str) -> str:
    """Raises: SourceInvalidError for what no header can carry; the message keeps it to itself."""
    findings = [replace(finding, field="bearer_token") for finding in judge_token(token)] if token else []
    if findings:
        raise SourceInvalidError(findings[0].message, findings=findings)
    return token


def _probe(address: str, token: str, *, now: datetime) -> Detected:
    try:
        return detect(PrometheusClient(url=address, bearer_token=token), now=now)
    except PrometheusError as error:
        raise _invalid(
            address, f"probe-{error.reason}", f"Prometheus at {address} can't be used: {error.message}"
        ) from error


def _invalid(value: str, rule: str, message: str) -> SourceInvalidError:
    return SourceInvalidError(message, findings=[Finding(rule=rule, field="url", value=value, message=message)])
