"""The cluster registry: what is refused, what is stored, and that no credential leaves it. The clusters themselves are not asked here."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from django.db import connection
from structlog.testing import capture_logs

from accounts.models import AuditEvent, User
from aidashboard.kit.errors import AppError
from clusters import services
from clusters.credentials import decrypt_access
from clusters.errors import (
    ClusterChangedError,
    ClusterCheckFailedError,
    ClusterInUseError,
    ClusterInvalidError,
    ClusterNameTakenError,
    CredentialUnreadableError,
    KubeconfigInvalidError,
    ManagedObjectMissingError,
)
from clusters.models import Cluster, Connection, ManagedObject, ObservedNode, SyncState
from clusters.signals import retry_requested
from tests.factories.clusters import make_cluster, make_managed_object, make_node
from tests.factories.people import make_admin
from tests.factories.quotas import make_tree

SECRET = "eyJhbGciOi-very-secret"
REFUSED_PORT = "https://127.0.0.1:1"

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return make_admin()


def kubeconfig(server: str = "https://127.0.0.1:6443") -> str:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": SECRET}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }
    )


def register(admin: User, **changes: Any) -> Cluster:
    given: dict[str, Any] = {"name": "prod", "kubeconfig": kubeconfig(), "by": admin, "skip_check": True}
    return services.register_cluster(**given | changes)


def test_a_registered_cluster_can_be_reached_with_its_credential(admin):
    cluster = register(admin, display_name="Production")
    assert (cluster.api_server_url, cluster.connection) == ("https://127.0.0.1:6443", Connection.UNKNOWN)
    assert decrypt_access(Cluster.objects.get(name="prod")).credential.bearer_token == SECRET


def test_the_credential_is_nowhere_in_the_clear(admin):
    with capture_logs() as logs:
        cluster = register(admin)
        services.change_credential(cluster=cluster, token=SECRET + "2", by=admin, skip_check=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(c)::text FROM clusters_cluster c")
        stored = str(cursor.fetchall())
    events = str(list(AuditEvent.objects.values()))
    for text in (stored, events, str(logs), repr(cluster), repr(cluster.__dict__), repr(decrypt_access(cluster))):
        assert SECRET not in text
        assert base64.b64encode(SECRET.encode()).decode() not in text


def test_registering_is_audited(admin):
    register(admin)
    event = AuditEvent.objects.get(kind="cluster.registered")
    assert (event.actor_name, event.subject_name) == ("ada", "prod")
    assert event.details == {"api_server_url": "https://127.0.0.1:6443", "credential": "token"}


def test_a_failed_check_says_what_failed_and_stores_nothing(admin):
    with pytest.raises(ClusterCheckFailedError) as caught:
        register(admin, kubeconfig=kubeconfig(REFUSED_PORT), skip_check=False)
    assert [finding.rule for finding in caught.value.findings] == ["unreachable-refused"]
    assert "refuses connections" in caught.value.message
    assert not Cluster.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_name_that_cannot_be_resolved_is_told_from_a_closed_port(admin):
    with pytest.raises(ClusterCheckFailedError) as caught:
        register(admin, kubeconfig=kubeconfig("https://no-such-host.invalid:6443"), skip_check=False)
    assert [finding.rule for finding in caught.value.findings] == ["unreachable-dns"]


def test_a_name_is_taken_once(admin):
    register(admin)
    with pytest.raises(ClusterNameTakenError):
        register(admin)
    assert Cluster.objects.count() == 1


@pytest.mark.parametrize("name", ["", "Prod", "a b", "-a", "a" * 64, "a_b"])
def test_a_malformed_name_is_refused(admin, name):
    with pytest.raises(ClusterInvalidError) as caught:
        register(admin, name=name)
    assert caught.value.findings[0].field == "name"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"api_server_url": "http://10.0.0.1"}, "server"),
        ({"token": " "}, "token"),
        ({"token": "two words"}, "token"),
        ({"certificate_authority": "not pem"}, "certificate_authority"),
    ],
)
def test_a_malformed_address_token_or_authority_is_refused(admin, changes, field):
    given: dict[str, Any] = {
        "api_server_url": "https://10.0.0.1",
        "token": SECRET,
        "certificate_authority": "",
    } | changes
    with pytest.raises(ClusterInvalidError) as caught:
        services.register_cluster_with_token(name="prod", by=admin, skip_check=True, **given)
    assert [finding.field for finding in caught.value.findings] == [field]
    assert SECRET not in str(caught.value.findings)


def test_an_authority_that_is_no_certificate_fails_the_check(admin):
    authority = "-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n"
    with pytest.raises(ClusterCheckFailedError) as caught:
        services.register_cluster_with_token(
            name="prod", api_server_url="https://10.0.0.1", token=SECRET, certificate_authority=authority, by=admin
        )
    assert [finding.rule for finding in caught.value.findings] == ["unreachable-tls"]


def test_a_bad_kubeconfig_is_refused_before_anything_is_asked(admin):
    with pytest.raises(KubeconfigInvalidError):
        register(admin, kubeconfig="{", skip_check=False)


def test_a_new_kubeconfig_may_bring_a_new_address(admin):
    cluster = register(admin)
    changed = services.change_credential(
        cluster=cluster, kubeconfig=kubeconfig("https://10.0.0.9:6443"), by=admin, skip_check=True
    )
    assert (changed.api_server_url, changed.version) == ("https://10.0.0.9:6443", 2)
    details = AuditEvent.objects.get(kind="cluster.credential-changed").details
    assert details["before"]["api_server_url"] == "https://127.0.0.1:6443"


def test_two_admins_do_not_overwrite_each_others_credential(admin):
    cluster = register(admin)
    services.change_credential(cluster=cluster, token="first", by=admin, expected_version=1, skip_check=True)
    with pytest.raises(ClusterChangedError):
        services.change_credential(cluster=cluster, token="second", by=admin, expected_version=1, skip_check=True)
    assert decrypt_access(Cluster.objects.get()).credential.bearer_token == "first"


def test_a_token_is_not_given_to_an_address_that_has_changed_meanwhile(admin):
    read_before = register(admin)
    services.change_credential(
        cluster=read_before, kubeconfig=kubeconfig("https://10.0.0.9:6443"), by=admin, skip_check=True
    )
    with pytest.raises(ClusterChangedError):
        services.change_credential(cluster=read_before, token="second", by=admin, skip_check=True)
    assert Cluster.objects.get().api_server_url == "https://10.0.0.9:6443"


def test_another_encryption_key_is_said_plainly(admin, settings):
    cluster = register(admin)
    settings.ENCRYPTION_KEY = base64.urlsafe_b64encode(b"x" * 32)
    with pytest.raises(CredentialUnreadableError) as caught:
        decrypt_access(cluster)
    assert "AIDASHBOARD_ENCRYPTION_KEY" in caught.value.hint


def test_forgetting_takes_the_inventory_along(admin):
    cluster = make_cluster()
    make_node(cluster)
    services.forget_cluster(cluster=cluster, by=admin)
    assert not Cluster.objects.exists()
    assert not ObservedNode.objects.exists()
    assert AuditEvent.objects.get().kind == "cluster.forgotten"


def test_a_cluster_with_a_quota_tree_is_not_forgotten(admin):
    tree = make_tree(make_cluster())
    with pytest.raises(ClusterInUseError) as caught:
        services.forget_cluster(cluster=tree.cluster, by=admin)
    assert str(tree) in caught.value.message
    assert not AuditEvent.objects.filter(kind="cluster.forgotten").exists()


def test_a_cluster_with_objects_of_ours_is_not_forgotten(admin):
    cluster = make_cluster()
    make_managed_object(cluster, "a")
    make_managed_object(cluster, "theirs", state=SyncState.CONFLICT)
    with pytest.raises(ClusterInUseError) as caught:
        services.forget_cluster(cluster=cluster, by=admin)
    assert "1 objects" in caught.value.message


def test_renaming_is_audited_once(admin):
    cluster = make_cluster()
    services.rename_cluster(cluster=cluster, display_name="Lab", by=admin)
    services.rename_cluster(cluster=cluster, display_name="Lab", by=admin)
    assert Cluster.objects.get().display_name == "Lab"
    assert AuditEvent.objects.filter(kind="cluster.renamed").count() == 1


def test_a_retry_reaches_whoever_keeps_the_object(admin, django_capture_on_commit_callbacks):
    heard: list[str] = []

    def listen(*, owner: str, **_: object) -> None:
        heard.append(owner)

    managed = make_managed_object(make_cluster(), "a", state=SyncState.FAILED, attempts=4)
    retry_requested.connect(listen, sender=ManagedObject)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            services.retry_managed_object(managed=managed, by=admin)
    finally:
        retry_requested.disconnect(listen, sender=ManagedObject)
    assert heard == ["quota-tree-1"]
    managed.refresh_from_db()
    assert managed.attempts == 0


def test_an_object_that_was_pruned_meanwhile_is_missing(admin):
    managed = make_managed_object(make_cluster(), "a")
    ManagedObject.objects.all().delete()
    with pytest.raises(ManagedObjectMissingError, match="ClusterQueue a"):
        services.retry_managed_object(managed=managed, by=admin)


@pytest.mark.parametrize("broken", ["publish", "retry_requested"])
def test_news_that_cannot_be_told_cost_no_saved_change(
    admin, monkeypatch, caplog, django_capture_on_commit_callbacks, broken
):
    """Django logs the callback by its name before it goes on; one without a name would raise right there."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no news today")

    managed = make_managed_object(make_cluster(), "a")
    monkeypatch.setattr(services, "publish", fail)
    monkeypatch.setattr(retry_requested, "send_robust", fail)
    with django_capture_on_commit_callbacks(execute=True):
        if broken == "publish":
            services.rename_cluster(cluster=managed.cluster, display_name="Lab", by=admin)
        else:
            services.retry_managed_object(managed=managed, by=admin)
    assert "announce" in caplog.text


def test_every_refusal_is_meant_for_people(admin):
    for broken in ({"name": "A"}, {"kubeconfig": "["}):
        with pytest.raises(AppError) as caught:
            register(admin, **broken)
        assert caught.value.findings
