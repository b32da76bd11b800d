"""The REST routes: who may, what they answer, and that no credential is ever in an answer."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.domain.roles import Role
from clusters.models import Cluster, SyncState
from tests.factories.clusters import make_cluster, make_managed_object, make_node
from tests.factories.people import make_admin, make_group, make_user
from tests.unit.clusters.test_kubeconfig import build as build_kubeconfig

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> APIClient:
    return sign_in(make_admin())


def sign_in(user: Any) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def routes() -> list[tuple[str, str]]:
    cluster = make_cluster("prod")
    node, managed = make_node(cluster), make_managed_object(cluster, "a")
    return [
        ("get", "/api/v1/clusters/"),
        ("post", "/api/v1/clusters/"),
        ("get", "/api/v1/clusters/prod/"),
        ("patch", "/api/v1/clusters/prod/"),
        ("delete", "/api/v1/clusters/prod/"),
        ("post", "/api/v1/clusters/prod/credential/"),
        ("post", "/api/v1/clusters/prod/check/"),
        ("get", "/api/v1/nodes/"),
        ("get", f"/api/v1/nodes/{node.pk}/"),
        ("get", "/api/v1/managed-objects/"),
        ("get", "/api/v1/managed-objects/summary/"),
        ("get", f"/api/v1/managed-objects/{managed.pk}/"),
        ("post", f"/api/v1/managed-objects/{managed.pk}/retry/"),
    ]


def test_visitors_must_sign_in_and_researchers_may_not():
    member, owner, outsider = make_user(), make_user(), make_user(role=Role.RESEARCHER)
    make_group(members=(member,), owners=(owner,))
    for method, path in routes():
        assert getattr(APIClient(), method)(path, {}, format="json").status_code == 401, path
        for person in (member, owner, outsider):
            assert getattr(sign_in(person), method)(path, {}, format="json").status_code == 403, path
    assert Cluster.objects.filter(name="prod").exists()


def test_admins_may(admin):
    for method, path in routes():
        if method == "get":
            assert getattr(admin, method)(path).status_code == 200, path


def test_a_cluster_is_registered_and_never_shows_its_credential(admin):
    body = {"name": "lab", "kubeconfig": build_kubeconfig(), "display_name": "Lab", "skip_check": True}
    answer = admin.post("/api/v1/clusters/", body, format="json")
    assert answer.status_code == 201, answer.content
    assert answer.json()["api_server_url"] == "https://10.0.0.1:6443"
    for path in ("/api/v1/clusters/", "/api/v1/clusters/lab/"):
        text = admin.get(path).content.decode()
        assert "secret-token" not in text
        assert "credential" not in text


def test_a_cluster_is_registered_by_address_and_token(admin):
    body = {"name": "lab", "api_server_url": "https://10.0.0.1:6443", "token": "t", "skip_check": True}
    assert admin.post("/api/v1/clusters/", body, format="json").status_code == 201


def test_a_bad_kubeconfig_is_a_problem_with_findings(admin):
    answer = admin.post("/api/v1/clusters/", {"name": "lab", "kubeconfig": "clusters: ["}, format="json")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["rule"] == "kubeconfig-yaml"


def test_a_failed_check_is_a_problem_that_says_what_failed(admin):
    body = {"name": "lab", "api_server_url": "https://127.0.0.1:1", "token": "t"}
    answer = admin.post("/api/v1/clusters/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "cluster-check-failed")
    assert answer.json()["errors"][0]["rule"] == "unreachable-refused"


def test_a_taken_name_is_a_conflict(admin):
    make_cluster("lab")
    body = {"name": "lab", "kubeconfig": build_kubeconfig(), "skip_check": True}
    assert admin.post("/api/v1/clusters/", body, format="json").status_code == 409


def test_a_body_of_another_form_is_malformed(admin):
    answer = admin.post("/api/v1/clusters/", {"kubeconfig": ["x"]}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_credential_changes_only_for_the_version_that_was_read(admin):
    admin.post(
        "/api/v1/clusters/", {"name": "lab", "kubeconfig": build_kubeconfig(), "skip_check": True}, format="json"
    )
    body = {"token": "new", "version": 1, "skip_check": True}
    first = admin.post("/api/v1/clusters/lab/credential/", body, format="json")
    assert (first.status_code, first.json()["version"]) == (200, 2)
    assert admin.post("/api/v1/clusters/lab/credential/", body, format="json").status_code == 409


def test_a_cluster_is_renamed_and_forgotten(admin):
    make_cluster("lab")
    assert admin.patch("/api/v1/clusters/lab/", {"display_name": "Lab"}, format="json").json()["display_name"] == "Lab"
    assert admin.delete("/api/v1/clusters/lab/").status_code == 204
    assert admin.get("/api/v1/clusters/lab/").status_code == 404


def test_a_check_answers_even_when_the_cluster_does_not(admin):
    body = {"name": "lab", "api_server_url": "https://127.0.0.1:1", "token": "t", "skip_check": True}
    admin.post("/api/v1/clusters/", body, format="json")
    answer = admin.post("/api/v1/clusters/lab/check/").json()
    assert answer["is_usable"] is False
    assert [finding["rule"] for finding in answer["findings"]] == ["unreachable-refused"]


def test_nodes_are_filtered_searched_ordered_and_paged(admin, django_assert_max_num_queries):
    cluster = make_cluster("a")
    for number in range(3):
        make_node(cluster, f"gpu-{number}", gpus=8 - number)
    make_node(make_cluster("b"), "other", is_ready=False)

    def found(query: str) -> list[str]:
        return [node["name"] for node in admin.get(f"/api/v1/nodes/?{query}").json()["results"]]

    assert found("cluster=a") == ["gpu-0", "gpu-1", "gpu-2"]
    assert found("is_ready=false") == ["other"]
    assert found("search=gpu-1") == ["gpu-1"]
    assert found("cluster=a&ordering=gpu_capacity") == ["gpu-2", "gpu-1", "gpu-0"]
    assert found("cluster=a&page_size=2&page=2") == ["gpu-2"]
    with django_assert_max_num_queries(5):  # session, user, count, page
        admin.get("/api/v1/nodes/")


def test_managed_objects_are_filtered_counted_and_retried(admin):
    cluster = make_cluster("a")
    make_managed_object(cluster, "good")
    bad = make_managed_object(
        cluster, "bad", state=SyncState.FAILED, differences=[{"path": "p", "wanted": "1", "found": "2"}]
    )
    listed = admin.get("/api/v1/managed-objects/?state=failed&state=drifted").json()["results"]
    assert [item["name"] for item in listed] == ["bad"]
    assert listed[0]["differences"] == [{"path": "p", "wanted": "1", "found": "2"}]
    summary = admin.get("/api/v1/managed-objects/summary/?cluster=a").json()
    assert (summary["total"], summary["in_trouble"], summary["is_matching"]) == (2, 1, False)
    assert summary["counts"] == {"failed": 1, "synced": 1}
    assert admin.post(f"/api/v1/managed-objects/{bad.pk}/retry/").status_code == 202
    assert admin.get("/api/v1/managed-objects/summary/?cluster=none").status_code == 404
