"""The REST doors: what they take and give, and whom they let in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from aidashboard.api_schema import PROBLEM
from clusters.models import Cluster
from quotas import services
from quotas.domain.changes import BindGroup, ChangeNode
from quotas.models import NamespaceBinding, QuotaNode, QuotaTree
from tests.factories.clusters import make_queue
from tests.factories.people import make_group, make_user
from tests.integration.quotas.conftest import Example

pytestmark = pytest.mark.django_db
TREES, NODES, BINDINGS = "/api/v1/quota-trees/", "/api/v1/quota-nodes/", "/api/v1/namespace-bindings/"


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


@pytest.fixture
def api(admin: User) -> APIClient:
    return client_of(admin)


def rules(answer: Any) -> set[str]:
    return {error["rule"] for error in answer.json()["errors"]}


def test_a_tree_is_made_changed_and_read_back(api: APIClient, cluster: Cluster, nudges: list[int]):
    made = api.post(
        TREES, {"cluster": "prod-a", "name": "root", "min": {"cpu": 40}, "max": {"cpu": "40"}}, format="json"
    )
    assert made.status_code == 201, made.json()
    tree = made.json()
    root = tree["nodes"][0]["id"]
    changes = [
        {"kind": "add-node", "key": "new-1", "parent": root, "name": "a", "min": {"cpu": "10"}, "max": {"cpu": "20"}},
        {"kind": "bind-namespace", "node": "new-1", "namespace": "namespace1"},
    ]
    applied = api.post(f"{TREES}{tree['id']}/changes/", {"changes": changes}, format="json")
    assert applied.status_code == 200, applied.json()
    leaf = applied.json()["added"]["new-1"]
    read = api.get(f"{NODES}{leaf}/").json()
    assert (read["path"], read["namespaces"], read["max"]) == ("root.a", ["namespace1"], {"cpu": "20"})
    assert read["usage"][0] == {
        "resource": "cpu",
        "min": "10",
        "max": "20",
        "effective_max": "20",
        "reachable": "20",
        "used": "0",
        "borrowed": "0",
        "lent": "0",
        "pending": "0",
    }


def test_lists_are_paged_and_narrowed(api: APIClient, example: Example):
    make_queue(example.tree.cluster, "root-a-a1", reserved={"cpu": 15_000})
    answer = api.get(NODES, {"is_leaf": "true", "page_size": "3"}).json()
    assert (answer["count"], len(answer["results"])) == (4, 3)
    assert answer["results"][0]["usage"][0]["borrowed"] == "5"
    assert api.get(NODES, {"search": "root.b.", "cluster": "prod-a"}).json()["count"] == 2
    assert api.get(NODES, {"tree": 999}).json()["count"] == 0
    assert api.get(NODES, {"page": 99}).status_code == 404
    assert api.get(NODES, {"tree": "x"}).status_code == 400
    trees = api.get(TREES, {"cluster": "prod-a"}).json()
    assert [tree["sync"]["state"] for tree in trees["results"]] == ["syncing"]


def test_a_patch_is_one_batch(api: APIClient, example: Example):
    make_group("vision")
    url = f"{NODES}{example.nodes['a1'].pk}/"
    answer = api.patch(url, {"version": 1, "name": "vision", "max": {"cpu": "15"}, "group": "vision"}, format="json")
    assert answer.status_code == 200, answer.json()
    assert (answer.json()["path"], answer.json()["version"], answer.json()["group"]) == ("root.a.vision", 2, "vision")
    refused = api.patch(url, {"version": 2, "name": "other", "min": {"cpu": "99"}}, format="json")
    assert refused.status_code == 422
    assert rules(refused) >= {"V1", "V2"}
    assert example.read("a1").name == "vision"


def test_an_old_version_is_a_conflict_with_both_values(api: APIClient, example: Example):
    url = f"{NODES}{example.nodes['a1'].pk}/"
    api.patch(url, {"version": 1, "max": {"cpu": "18"}}, format="json")
    answer = api.patch(url, {"version": 1, "max": {"cpu": "15"}}, format="json")
    assert answer.status_code == 409
    assert answer["Content-Type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    assert (error["field"], error["value"]) == ("max.cpu", "18")
    assert "'20' (version 1) is now '18' (version 2), you want '15'" in error["message"]
    (conflict,) = answer.json()["conflicts"]
    assert (conflict["read"], conflict["current"], conflict["wanted"]) == ("20", "18", "15")
    assert (conflict["read_version"], conflict["current_version"]) == (1, 2)
    assert conflict.keys() == PROBLEM["properties"]["conflicts"]["items"]["properties"].keys()


def test_a_patch_without_version_is_malformed(api: APIClient, example: Example):
    answer = api.patch(f"{NODES}{example.nodes['a1'].pk}/", {"max": {"cpu": "18"}}, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "version"


def test_a_node_is_added_and_deleted(api: APIClient, example: Example):
    made = api.post(NODES, {"parent": example.nodes["a"].pk, "name": "x", "max": {"cpu": "1e1"}}, format="json")
    assert made.status_code == 201, made.json()
    gone = api.delete(f"{NODES}{made.json()['id']}/?version=1")
    assert gone.status_code == 204
    assert api.delete(f"{NODES}{example.nodes['a'].pk}/?version=1").status_code == 422
    assert api.delete(f"{NODES}{example.nodes['a'].pk}/").status_code == 400


@pytest.mark.parametrize("quantity", ["-1", "10Gb", "1.5Gi", "\x00", 2147483647, "ten", "1" * 200])
def test_a_bad_quantity_is_named(api: APIClient, example: Example, quantity: object):
    change = {"kind": "change-node", "node": example.nodes["a1"].pk, "min": {"nvidia.com/gpu": quantity}}
    answer = api.post(f"{TREES}{example.tree.pk}/changes/", {"changes": [change]}, format="json")
    assert answer.status_code == 422
    assert all(error["message"] for error in answer.json()["errors"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"changes": []},
        {"changes": "x"},
        {"changes": [1]},
        {"changes": [{"kind": "explode"}]},
        {"changes": [{"kind": "rename-node", "node": "1", "name": "\x00"}]},
        {"changes": [{"kind": "rename-node", "node": "1", "name": "\ud800"}]},
        {"changes": [{"kind": "rename-node", "node": "1", "name": "x" * 5000}]},
        {"changes": [{"kind": "delete-node", "node": "9" * 60, "version": 1}]},
        {"changes": [{"kind": "delete-node", "node": "1", "version": 10**30}]},
        {"changes": [{"kind": "move-node", "node": {"a": 1}, "parent": []}]},
    ],
)
def test_no_body_breaks_the_doors(api: APIClient, example: Example, body: object):
    for path in ("changes/", "preview/", "draft/"):
        text = json.dumps(body)  # with half characters escaped, as a client may send them
        answer = api.post(f"{TREES}{example.tree.pk}/{path}", text, content_type="application/json")
        assert answer.status_code < 500, (path, answer.status_code)
        assert path == "preview/" or answer.status_code >= 400


def test_a_draft_goes_its_way(api: APIClient, example: Example):
    url = f"{TREES}{example.tree.pk}/draft/"
    change = {"kind": "change-node", "node": example.nodes["a1"].pk, "max": {"cpu": "24"}}
    add = {"kind": "add-node", "key": "new-1", "parent": example.nodes["b"].pk, "name": "speech"}
    preview = api.post(url, {"changes": [change, add]}, format="json").json()
    assert [item["summary"] for item in preview["changes"]] == [
        "root.a.a1: Max cpu 20 -> 24",
        "new node speech under root.b",
    ]
    assert preview["is_allowed"]
    assert len(api.delete(f"{url}changes/0/").json()["changes"]) == 1
    applied = api.post(f"{url}apply/", {}, format="json")
    assert applied.status_code == 200
    assert list(applied.json()["added"]) == ["new-1"]
    assert api.get(url).json()["changes"] == []
    api.post(url, {"changes": [change]}, format="json")
    assert api.delete(url).status_code == 204
    assert api.get(url).json()["changes"] == []


def test_a_namespace_is_bound_and_unbound(api: APIClient, example: Example):
    made = api.post(BINDINGS, {"node": example.nodes["a1"].pk, "namespace": "extra", "version": 1}, format="json")
    assert made.status_code == 201, made.json()
    twice = api.post(BINDINGS, {"node": example.nodes["b1"].pk, "namespace": "extra"}, format="json")
    assert twice.status_code == 422
    assert rules(twice) == {"V12"}
    system = api.post(
        BINDINGS, {"node": example.nodes["a1"].pk, "namespace": "kube-system", "adopt": True}, format="json"
    )
    assert rules(system) == {"V21"}
    assert api.delete(f"{BINDINGS}{made.json()['id']}/").status_code == 204
    assert not NamespaceBinding.objects.filter(namespace="extra").exists()


def test_a_tree_is_deleted_in_two_phases(api: APIClient, example: Example):
    answer = api.delete(f"{TREES}{example.tree.pk}/")
    assert answer.status_code == 202
    assert answer.json()["sync"]["is_deleting"] is True
    assert QuotaTree.objects.get().deleting_at is not None


def test_history_has_every_version(api: APIClient, example: Example):
    services.apply_changes(
        tree=example.tree, changes=[ChangeNode(node=example.key("a1"), min={"cpu": "9"})], by=example.admin
    )
    rows = api.get(f"{NODES}{example.nodes['a1'].pk}/history/").json()["results"]
    assert [(row["version"], row["fields"]["min.cpu"], row["changed_by"]) for row in rows] == [
        (2, "9", "ada"),
        (1, "10", "ada"),
    ]


# --- people -------------------------------------------------------------------------------------------------------------------
@pytest.fixture
def member(example: Example) -> User:
    member = make_user("grace")
    make_group("vision", members=(member,))
    services.apply_changes(
        tree=example.tree, changes=[BindGroup(node=example.key("a1"), group="vision")], by=example.admin
    )
    return member


def test_a_member_reads_their_leaf_and_the_names_above(example: Example, member: User):
    api = client_of(member)
    nodes = api.get(f"{TREES}{example.tree.pk}/").json()["nodes"]
    assert [(node["name"], node["is_path_only"], bool(node["usage"])) for node in nodes] == [
        ("root", True, False),
        ("a", True, False),
        ("a1", False, True),
    ]
    assert [row["namespace"] for row in api.get(BINDINGS).json()["results"]] == ["namespace1"]
    assert api.get(f"{NODES}{example.nodes['a1'].pk}/").status_code == 200
    assert api.get(f"{NODES}{example.nodes['a2'].pk}/").status_code == 404
    assert api.get(f"{NODES}{example.nodes['a'].pk}/history/").status_code == 404


def test_an_outsider_finds_nothing(example: Example, member: User):
    api = client_of(make_user("mallory"))
    assert api.get(TREES).json()["count"] == api.get(NODES).json()["count"] == api.get(BINDINGS).json()["count"] == 0
    assert api.get(f"{TREES}{example.tree.pk}/").status_code == 404
    assert api.get(f"{NODES}{example.nodes['a1'].pk}/").status_code == 404


def writes(example: Example) -> list[tuple[str, str]]:
    tree, node = f"{TREES}{example.tree.pk}/", f"{NODES}{example.nodes['a1'].pk}/"
    binding = f"{BINDINGS}{NamespaceBinding.objects.get(namespace='namespace1').pk}/"
    return [
        ("post", TREES),
        ("delete", tree),
        ("post", f"{tree}changes/"),
        ("post", f"{tree}preview/"),
        ("post", f"{tree}retry/"),
        ("get", f"{tree}draft/"),
        ("post", f"{tree}draft/"),
        ("delete", f"{tree}draft/"),
        ("delete", f"{tree}draft/changes/0/"),
        ("post", f"{tree}draft/apply/"),
        ("post", NODES),
        ("patch", node),
        ("delete", node),
        ("post", BINDINGS),
        ("delete", binding),
    ]


def test_only_admins_change_anything(example: Example, member: User):
    for method, url in writes(example):
        assert getattr(client_of(member), method)(url, {}, format="json").status_code == 403, (method, url)
        assert getattr(client_of(None), method)(url, {}, format="json").status_code == 401, (method, url)
    assert QuotaNode.objects.count() == 7


def test_a_visitor_reads_nothing(example: Example):
    for url in (TREES, NODES, BINDINGS, f"{TREES}{example.tree.pk}/", f"{NODES}{example.nodes['a1'].pk}/"):
        assert client_of(None).get(url).status_code == 401
