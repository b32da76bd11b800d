"""Writes of the cluster registry. The connection is checked before the transaction begins; credentials go into no log or audit event."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from accounts.models import User
from accounts.services import record_event
from aidashboard.kit.errors import Finding
from aidashboard.kit.events import Topic, publish
from clusters.credentials import decrypt_access, encrypt_credential
from clusters.domain.access import ClusterAccess, Credential
from clusters.domain.kubeconfig import judge_address, judge_server_name, judge_token, parse_kubeconfig
from clusters.errors import (
    ClusterChangedError,
    ClusterCheckFailedError,
    ClusterInUseError,
    ClusterInvalidError,
    ClusterMissingError,
    ClusterNameTakenError,
    ManagedObjectMissingError,
)
from clusters.live import Probe, probe_access
from clusters.models import Cluster, Connection, ManagedObject, SyncState
from clusters.signals import retry_requested


def register_cluster(
    *,
    name: str,
    kubeconfig: str,
    by: User | None,
    display_name: str = "",
    context: str = "",
    skip_check: bool = False,
) -> Cluster:
    """Register a cluster from one context of a kubeconfig.

    Raises: KubeconfigInvalidError, ClusterInvalidError, ClusterCheckFailedError (422) with findings; ClusterNameTakenError (409).
    """
    access = parse_kubeconfig(kubeconfig, context=context)
    return _register(name=name, display_name=display_name, access=access, by=by, skip_check=skip_check)


def register_cluster_with_token(
    *,
    name: str,
    api_server_url: str,
    token: str,
    certificate_authority: str,
    by: User | None,
    display_name: str = "",
    tls_server_name: str = "",
    skip_check: bool = False,
) -> Cluster:
    """Register a cluster from its address and a bearer token. Without a CA certificate the system's own are trusted.

    Raises: ClusterInvalidError, ClusterCheckFailedError (422) with findings; ClusterNameTakenError (409).
    """
    access = _build_token_access(api_server_url, token, certificate_authority, tls_server_name)
    return _register(name=name, display_name=display_name, access=access, by=by, skip_check=skip_check)


def change_credential(
    *,
    cluster: Cluster,
    by: User | None,
    kubeconfig: str = "",
    context: str = "",
    token: str = "",
    expected_version: int | None = None,
    skip_check: bool = False,
) -> Cluster:
    """Give a cluster another credential: a kubeconfig, which may bring another address too, or a bearer token for the same one.

    Raises: KubeconfigInvalidError, ClusterInvalidError, ClusterCheckFailedError (422); ClusterChangedError (409) when somebody changed
        the cluster since `expected_version`, or, for a token, since `cluster` was read: it was checked at that address.
    """
    if kubeconfig:
        access = parse_kubeconfig(kubeconfig, context=context)
    else:
        access = _build_token_access(
            cluster.api_server_url, token, cluster.certificate_authority, cluster.tls_server_name
        )
        expected_version = cluster.version if expected_version is None else expected_version
    probe = _check(access, skip_check=skip_check)
    with transaction.atomic():
        row = _lock(cluster)
        if expected_version is not None and row.version != expected_version:
            raise ClusterChangedError(
                f"Cluster {row.name} was changed by somebody else meanwhile.", hint="Read it again and decide anew."
            )
        before = {"api_server_url": row.api_server_url}
        _set_access(row, access, probe)
        row.version += 1
        row.save(
            update_fields=[
                "api_server_url",
                "certificate_authority",
                "tls_server_name",
                "credential",
                "version",
                "connection",
                "connection_message",
                "connection_since",
                "last_seen_at",
                "kubernetes_version",
                "kueue_version",
            ]
        )
        record_event(
            "cluster.credential-changed",
            by=by,
            about=row,
            summary=f"Credential of cluster {row.name} changed",
            details={"before": before, "after": _describe(access)},
        )
        _tell_after_commit(row)
    return row


def rename_cluster(*, cluster: Cluster, display_name: str, by: User | None) -> Cluster:
    """Change the name that people see. Raises: ClusterInvalidError (422)."""
    with transaction.atomic():
        row = _lock(cluster)
        before, row.display_name = row.display_name, display_name
        _check_fields(row)
        if before != display_name:
            row.save(update_fields=["display_name"])
            details = {"before": {"display_name": before}, "after": {"display_name": display_name}}
            record_event(
                "cluster.renamed",
                by=by,
                about=row,
                summary=f"Cluster {row.name} is shown as {display_name!r}",
                details=details,
            )
            _tell_after_commit(row)
    return row


def forget_cluster(*, cluster: Cluster, by: User | None) -> None:
    """Forget a cluster and all that was observed in it. Nothing in the cluster itself is touched.

    Raises: ClusterInUseError (409) listing what has to go first: quota trees, and objects that we still keep in it.
    """
    with transaction.atomic():
        row = _lock(cluster)
        kept = ManagedObject.objects.filter(cluster=row).exclude(state=SyncState.CONFLICT).count()
        if kept:
            raise _in_use(row, [f"{kept} objects that AI Dashboard keeps in it"])
        record_event(
            "cluster.forgotten",
            by=by,
            about=row,
            summary=f"Cluster {row.name} forgotten",
            details={"api_server_url": row.api_server_url},
        )
        _tell_after_commit(row)
        try:
            with transaction.atomic():
                row.delete()
        except ProtectedError as error:
            names = sorted({f"{found._meta.verbose_name} {found}" for found in error.protected_objects})
            raise _in_use(row, names) from error


def check_cluster(*, cluster: Cluster) -> Probe:
    """Ask the cluster now, with the stored credential. Changes nothing. Raises: CredentialUnreadableError (503)."""
    return probe_access(decrypt_access(cluster))


def retry_managed_object(*, managed: ManagedObject, by: User | None) -> ManagedObject:
    """Ask for another attempt at an object, at once and without waiting out the pause after failures.

    Raises: ManagedObjectMissingError (404) when it was pruned meanwhile.
    """

    def announce() -> None:
        retry_requested.send_robust(sender=ManagedObject, owner=managed.owner)

    with transaction.atomic():
        rows = ManagedObject.objects.select_related("cluster").select_for_update(of=("self",))
        row = rows.filter(pk=managed.pk).first()
        if row is None:
            raise ManagedObjectMissingError(f"We do not keep {managed} any more.")
        row.attempts = 0
        row.save(update_fields=["attempts"])
        record_event(
            "managed-object.retried",
            by=by,
            about=row,
            summary=f"{row} in {row.cluster.name} is to be tried again",
            details={"owner": row.owner, "state": row.state},
        )
        transaction.on_commit(announce, robust=True)
    return row


def _register(*, name: str, display_name: str, access: ClusterAccess, by: User | None, skip_check: bool) -> Cluster:
    row = Cluster(name=name, display_name=display_name)
    _check_fields(row)
    _refuse_taken(name)
    probe = _check(access, skip_check=skip_check)
    _set_access(row, access, probe)
    with transaction.atomic():
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            raise _taken(name) from error
        record_event(
            "cluster.registered", by=by, about=row, summary=f"Cluster {name} registered", details=_describe(access)
        )
        _tell_after_commit(row)
    return row


def _set_access(row: Cluster, access: ClusterAccess, probe: Probe | None) -> None:
    row.api_server_url = access.api_server_url
    row.certificate_authority = access.certificate_authority
    row.tls_server_name = access.tls_server_name
    row.credential = encrypt_credential(access.credential)
    row.connection = Connection.REACHABLE if probe else Connection.UNKNOWN
    row.connection_message = " ".join(finding.message for finding in probe.findings) if probe else ""
    if probe:
        row.connection_since = row.last_seen_at = timezone.now()
        row.kubernetes_version, row.kueue_version = probe.kubernetes_version[:60], probe.kueue_version


def _check(access: ClusterAccess, *, skip_check: bool) -> Probe | None:
    if skip_check:
        return None
    probe = probe_access(access)
    if not probe.is_usable:
        broken = [finding for finding in probe.findings if not finding.is_warning]
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise ClusterCheckFailedError(
            f"{broken[0].message}{more}", code="cluster-check-failed", findings=probe.findings
        )
    return probe


def _build_token_access(url: str, token: str, certificate_authority: str, tls_server_name: str) -> ClusterAccess:
    findings = [*judge_address(url), *judge_token(token.strip()), *judge_server_name(tls_server_name.strip())]
    if certificate_authority.strip() and "-----BEGIN CERTIFICATE-----" not in certificate_authority:
        message = "the CA certificate must be PEM, from -----BEGIN CERTIFICATE----- to its end"
        findings.append(Finding(rule="form", field="certificate_authority", message=message))
    if findings:
        raise ClusterInvalidError(findings[0].message, findings=findings)
    return ClusterAccess(
        api_server_url=url.rstrip("/"),
        certificate_authority=certificate_authority.strip(),
        tls_server_name=tls_server_name.strip(),
        credential=Credential(bearer_token=token.strip()),
    )


def _check_fields(row: Cluster) -> None:
    try:
        row.clean_fields(exclude={field.name for field in Cluster._meta.fields} - {"name", "display_name"})
    except ValidationError as error:
        findings = [
            Finding(
                rule="field",
                field=field,
                value=str(getattr(row, field, "")),
                message=f"{field} {getattr(row, field, '')!r}: {message}",
            )
            for field, messages in error.message_dict.items()
            for message in messages
        ]
        raise ClusterInvalidError(findings[0].message, findings=findings) from error


def _lock(cluster: Cluster) -> Cluster:
    row = Cluster.objects.select_for_update().filter(pk=cluster.pk).first()
    if row is None:
        raise ClusterMissingError(f"There is no cluster {cluster.name!r} any more.")
    return row


def _refuse_taken(name: str) -> None:
    if Cluster.objects.filter(name=name).exists():
        raise _taken(name)


def _taken(name: str) -> ClusterNameTakenError:
    message = f"There is already a cluster {name!r}."
    return ClusterNameTakenError(message, findings=[Finding(rule="unique", field="name", value=name, message=message)])


def _in_use(row: Cluster, what: list[str]) -> ClusterInUseError:
    findings = [
        Finding(rule="cluster-in-use", field="name", value=row.name, subject=item, message=f"{item} must go first")
        for item in what
    ]
    return ClusterInUseError(f"Cluster {row.name} is in use: {', '.join(what)}.", findings=findings)


def _describe(access: ClusterAccess) -> dict[str, str]:
    return {"api_server_url": access.api_server_url, "credential": access.credential.kind}


def _tell_after_commit(row: Cluster) -> None:
    cluster_id = row.pk  # now: a row that is deleted has none afterwards

    def announce() -> None:
        publish({Topic.CLUSTERS}, cluster_id=cluster_id)

    # A function and no partial: Django names it in its log when it fails, and a partial has no name.
    transaction.on_commit(announce, robust=True)
