"""Clusters: the list, registering with what can be wrong in it, metrics, and forgetting."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import User
from clusters.models import Cluster, Connection
from monitoring.models import PrometheusSource
from tests.factories.clusters import make_cluster, make_managed_object
from tests.factories.organisation import make_organisation
from tests.factories.people import make_admin, make_user
from tests.integration.frontend.reading import count_rows, read, read_csv, sentence_of, sign_in, strip

pytestmark = pytest.mark.django_db
# Nothing listens there: a connection is refused at once.
NOWHERE = "https://127.0.0.1:9"
KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: one
clusters: [{{name: c, cluster: {{server: "{NOWHERE}"}}}}]
users: [{{name: u, user: {{token: secret-token}}}}]
contexts: [{{name: one, context: {{cluster: c, user: u}}}}]
"""


@pytest.fixture
def admin(client: Client) -> User:
    admin = make_admin()
    sign_in(client, admin)
    return admin


def test_the_first_page_leads_to_registering(client: Client, admin: User) -> None:
    assert "Register the first cluster" in read(client, "/clusters/")


def test_the_list_counts_and_links(client: Client) -> None:
    sign_in(client, make_organisation().admin)
    assert sentence_of(client, "/clusters/") == "1 cluster with 24 GPUs, 6 of them free; it answers."
    row = read_csv(client, "/clusters/?format=csv")[0]
    assert (row["gpus_total"], row["gpus_free"], row["quota_trees"]) == ("24", "6", "1")
    assert count_rows(client, "/clusters/?search=nothing") == 0
    assert sentence_of(client, "/clusters/?search=nothing") == "No cluster matches."


def test_one_that_is_away_is_shown_with_its_age_and_its_last_numbers(client: Client, admin: User) -> None:
    make_cluster(
        connection=Connection.UNREACHABLE, connection_message="connection refused.",
        last_seen_at=timezone.now() - timedelta(minutes=7),
    )  # fmt: skip
    assert "prod-a does not answer" in sentence_of(client, "/clusters/")
    text = read(client, "/clusters/prod-a")
    assert "Does not answer: connection refused. What you see is what was seen last" in text
    assert "7 min ago" in text


def test_registering_checks_first_and_says_what_failed(client: Client, admin: User) -> None:
    response = client.post("/clusters/new", {"name": "edge", "kubeconfig": KUBECONFIG})
    assert response.status_code == 422
    assert "127.0.0.1:9" in strip(response.content.decode())
    assert not Cluster.objects.exists()


def test_a_person_may_insist_on_a_cluster_that_is_away(client: Client, admin: User) -> None:
    response = client.post("/clusters/new", {"name": "edge", "kubeconfig": KUBECONFIG, "skip_check": "on"})
    assert response["Location"] == "/clusters/edge"
    assert b"secret-token" not in bytes(Cluster.objects.get().credential)
    assert "secret-token" not in client.get("/clusters/edge").content.decode()


def test_a_kubeconfig_may_be_a_file(client: Client, admin: User) -> None:
    uploaded = SimpleUploadedFile("config", KUBECONFIG.encode())
    client.post("/clusters/new", {"name": "edge", "kubeconfig_file": uploaded, "skip_check": "on"})
    assert Cluster.objects.get().api_server_url == NOWHERE


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "edge"}, "Paste a kubeconfig, or choose a file."),
        ({"name": "edge", "kubeconfig": "{not: [yaml"}, "kubeconfig"),
        ({"name": "edge", "kubeconfig": KUBECONFIG, "context": "two"}, "two"),
        ({"name": "Edge One", "kubeconfig": KUBECONFIG}, "Edge One"),
        ({"name": "edge", "kubeconfig_file": SimpleUploadedFile("config", b"\xff\xfe\x00")}, "is not a text file"),
        ({"kubeconfig": KUBECONFIG}, "Name is missing."),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(
    client: Client, admin: User, values: dict[str, object], words: str
) -> None:
    response = client.post("/clusters/new", values)
    assert response.status_code == 422
    assert words in strip(response.content.decode())
    assert not Cluster.objects.exists()


def test_a_cluster_is_registered_by_address_and_token(client: Client, admin: User) -> None:
    values = {
        "name": "edge",
        "api_server_url": NOWHERE,
        "token": "abc",
        "certificate_authority": "rubbish",
        "skip_check": "on",
    }
    response = client.post("/clusters/new?way=token", values)
    assert response.status_code == 422
    assert "must be PEM" in strip(response.content.decode())
    assert client.post("/clusters/new?way=token", {**values, "certificate_authority": ""}).status_code == 302


def test_a_name_that_is_taken_stands_at_the_name(client: Client, admin: User) -> None:
    make_cluster("edge")
    response = client.post("/clusters/new", {"name": "edge", "kubeconfig": KUBECONFIG, "skip_check": "on"})
    assert response.status_code == 422
    assert "There is already a cluster" in strip(response.content.decode())


@pytest.mark.parametrize("name", ["My Cluster", "<script>", "edge-"])
def test_a_name_that_breaks_the_rule_is_told_the_rule(client: Client, admin: User, name: str) -> None:
    response = client.post("/clusters/new", {"name": name, "kubeconfig": KUBECONFIG, "skip_check": "on"})
    assert response.status_code == 422
    assert "use lower-case letters, digits and hyphens" in strip(response.content.decode())
    assert not Cluster.objects.exists()


def test_an_empty_form_names_everything_that_is_missing(client: Client, admin: User) -> None:
    text = strip(client.post("/clusters/new", {"name": ""}).content.decode())
    assert "Name is missing." in text
    assert "Paste a kubeconfig, or choose a file." in text
    assert "Kubeconfig optional" not in text
    assert "Shown as optional" in text


def test_the_credential_is_changed(client: Client, admin: User) -> None:
    cluster = make_cluster()
    assert client.post("/clusters/prod-a/credential?way=token", {"token": "new"}).status_code == 422
    assert client.post("/clusters/prod-a/credential?way=token", {"token": "new", "skip_check": "on"}).status_code == 302
    assert bytes(Cluster.objects.get(pk=cluster.pk).credential) != b"sealed"


def test_a_metrics_source_is_checked_kept_and_taken_away(client: Client, admin: User) -> None:
    make_cluster()
    response = client.post("/clusters/prod-a/prometheus", {"url": "http://127.0.0.1:9"})
    assert response.status_code == 422
    assert "can't be used" in strip(response.content.decode())
    client.post(
        "/clusters/prod-a/prometheus", {"url": "http://127.0.0.1:9", "bearer_token": "t0ken", "skip_check": "on"}
    )
    text = read(client, "/clusters/prod-a")
    assert "http://127.0.0.1:9 Token stored" in text
    assert "t0ken" not in client.get("/clusters/prod-a/prometheus").content.decode()
    assert "Its address and token are lost here." in read(client, "/clusters/prod-a/prometheus")
    client.post("/clusters/prod-a/prometheus", {"do": "remove"})
    assert not PrometheusSource.objects.exists()


def test_forgetting_asks_for_the_name_and_for_what_must_go_first(client: Client, admin: User) -> None:
    cluster = make_cluster()
    assert client.post("/clusters/prod-a/forget", {"typed_name": "prod-b"}).status_code == 422
    managed = make_managed_object(cluster, "queue")
    response = client.post("/clusters/prod-a/forget", {"typed_name": "prod-a"})
    assert response.status_code == 422
    assert "must go first" in strip(response.content.decode())
    managed.delete()
    assert client.post("/clusters/prod-a/forget", {"typed_name": "prod-a"})["Location"] == "/clusters/"
    assert not Cluster.objects.exists()


@pytest.mark.parametrize(
    "path",
    ["/clusters/", "/clusters/new", "/clusters/prod-a", "/clusters/prod-a/credential", "/clusters/prod-a/prometheus"],
)
def test_clusters_are_for_admins(client: Client, admin: User, path: str) -> None:
    make_cluster()
    assert client.get(path).status_code == 200
    sign_in(client, make_user())
    assert client.get(path).status_code == 403
    client.logout()
    assert client.get(path).status_code == 302
