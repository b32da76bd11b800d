"""Workloads, idle pods and start options over REST."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from clusters.models import WorkloadState
from tests.factories.clusters import make_cluster, make_node, make_pod, make_workload
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita() -> User:
    cache.clear()
    cluster = make_cluster(schedulable_capacity={"nvidia.com/gpu": 8})
    make_node(cluster, "node-1")
    rita = make_user("rita")
    root = get_root(make_tree(cluster, "root", gpus=8))
    group = make_group("vision-team", members=(rita,))
    make_quota(root, "vision", min_gpus=4, max_gpus=8, group=group, namespaces=("vision",))
    make_workload(cluster, "waiting", namespace="vision", state=WorkloadState.PENDING, gpus=16)
    running = make_workload(cluster, "running", namespace="vision", gpus=2)
    make_pod(cluster, "running-0", namespace="vision", owner_uid=running.owner_uid, gpus=2)
    make_workload(cluster, "foreign", namespace="nlp", gpus=0)
    return rita


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_researcher_lists_their_own_work(rita: User) -> None:
    answer = client_of(rita).get("/api/v1/workloads/?ordering=name").json()
    assert [row["name"] for row in answer["results"]] == ["running", "waiting"]
    assert answer["results"][0]["leaf"]["path"] == "root.vision"
    assert answer["results"][0]["pods"] == {"running": 1, "pending": 0, "succeeded": 0, "failed": 0}
    assert client_of(make_admin()).get("/api/v1/workloads/").json()["count"] == 3


def test_the_list_is_narrowed_and_paged(rita: User) -> None:
    client = client_of(rita)
    assert client.get("/api/v1/workloads/?state=pending&state=evicted").json()["count"] == 1
    assert client.get("/api/v1/workloads/?search=runn&cluster=prod-a&has_gpu=true").json()["count"] == 1
    page = client.get("/api/v1/workloads/?page_size=1&page=2").json()
    assert (page["count"], len(page["results"]), page["next"]) == (2, 1, None)
    assert client.get("/api/v1/workloads/?cluster=nowhere").status_code == 404


def test_one_that_waits_says_why(rita: User) -> None:
    client = client_of(rita)
    uid = client.get("/api/v1/workloads/?state=pending").json()["results"][0]["uid"]
    answer = client.get(f"/api/v1/workloads/{uid}/").json()
    assert answer["explanation"]["cause"] == "exceeds_max"
    assert answer["explanation"]["sentence"] == "needs 16 GPUs; vision can never get more than 8 GPUs"
    assert answer["explanation"]["position"] == 1
    assert [step["step"] for step in answer["timeline"]][:2] == ["created", "queued"]


def test_counts_name_every_state(rita: User) -> None:
    counts = client_of(rita).get("/api/v1/workloads/counts/?cluster=prod-a").json()
    assert counts == {"pending": 1, "reserved": 0, "admitted": 1, "evicted": 0, "finished": 0, "failed": 0}


def test_idle_pods_without_a_source_say_why_and_are_not_an_empty_list(rita: User) -> None:
    answer = client_of(rita).get("/api/v1/clusters/prod-a/idle-pods/").json()
    assert answer["value"] is None
    assert answer["problem"]["reason"] == "no_source"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/workloads/?cluster=elsewhere",
        "/api/v1/workloads/counts/?cluster=elsewhere",
        "/api/v1/clusters/elsewhere/idle-pods/",
        "/api/v1/clusters/elsewhere/start-options/",
    ],
)
def test_a_cluster_in_which_one_has_no_quota_does_not_exist(rita: User, path: str) -> None:
    """Its free GPUs are nobody's business, nor is its name."""
    make_cluster("elsewhere")
    assert client_of(rita).get(path).status_code == 404
    assert client_of(make_admin()).get(path).status_code == 200


def test_start_options_are_numbers_and_a_sentence(rita: User) -> None:
    answer = client_of(rita).get("/api/v1/clusters/prod-a/start-options/").json()
    assert answer["sentence"].startswith("You can start 6 GPUs now")
    assert [leaf["startable"] for leaf in answer["leaves"]] == [8]
