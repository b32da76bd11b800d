"""Following a kind: list, watch, resume, relist after 410, and an end when it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from clusters.kube.applying import apply_object
from clusters.kube.client import KubeClient
from clusters.kube.errors import ClusterForbiddenError, KubeError, ObjectMissingError
from clusters.kube.kinds import COHORT, KUEUE_API_VERSION, Kind
from clusters.kube.watching import Changed, Listed, Troubled, Watch
from tests.cluster.conftest import TestNamespace
from tests.cluster.fault_proxy import Answer, AnsweringProxy, FaultProxy, wait_for

LIST = r"GET /apis/kueue.x-k8s.io/v1beta2/cohorts\?limit"
WATCH = r"GET /apis/kueue.x-k8s.io/v1beta2/cohorts\?watch"


class Follower:
    """A watch in a thread, and what it said."""

    def __init__(self, api: KubeClient, kind: Kind = COHORT) -> None:
        self.watch = Watch(api, kind)
        self.said: list[Listed | Changed | Troubled] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        for change in self.watch:
            self.said.append(change)

    def lists(self) -> int:
        return sum(1 for change in self.said if isinstance(change, Listed) and change.is_last)

    def troubles(self) -> list[KubeError]:
        return [change.error for change in self.said if isinstance(change, Troubled)]

    def has_seen(self, name: str, *, is_deleted: bool = False) -> bool:
        return any(
            isinstance(change, Changed) and change.item["metadata"]["name"] == name and change.is_deleted is is_deleted
            for change in self.said
        )


@pytest.fixture
def follow() -> Iterator[Callable[..., Follower]]:
    followers: list[Follower] = []

    def start(api: KubeClient, kind: Kind = COHORT) -> Follower:
        followers.append(Follower(api, kind))
        return followers[-1]

    yield start
    for follower in followers:
        follower.watch.close()
        follower.thread.join(timeout=5)
        assert not follower.thread.is_alive()


def create(api: KubeClient, space: TestNamespace, suffix: str) -> str:
    name = f"{space.name}-{suffix}"
    manifest: dict[str, Any] = {
        "apiVersion": KUEUE_API_VERSION,
        "kind": "Cohort",
        "metadata": {"name": name, "labels": space.labels},
    }
    apply_object(api, manifest)
    return name


def test_what_is_there_is_listed_and_what_changes_is_told(api, namespace: TestNamespace, follow):
    before = create(api, namespace, "before")
    follower = follow(api)
    wait_for(lambda: follower.lists() == 1)
    listed = [
        item["metadata"]["name"] for change in follower.said if isinstance(change, Listed) for item in change.objects
    ]
    assert before in listed
    after = create(api, namespace, "after")
    wait_for(lambda: follower.has_seen(after))
    namespace.sandbox.kubectl("delete", "cohort", after)
    wait_for(lambda: follower.has_seen(after, is_deleted=True))
    assert follower.troubles() == []


def test_a_broken_stream_resumes_without_a_new_list(
    product_access, proxy: FaultProxy, api, namespace: TestNamespace, follow
):
    follower = follow(KubeClient(replace(product_access, api_server_url=proxy.url)))
    wait_for(lambda: follower.lists() == 1)
    first = create(api, namespace, "first")
    wait_for(lambda: follower.has_seen(first))
    proxy.close_port()
    missed = create(api, namespace, "missed")
    wait_for(lambda: follower.troubles() != [])
    proxy.start()
    wait_for(lambda: follower.has_seen(missed), what="what happened while the line was cut")
    assert follower.lists() == 1


def test_a_stream_that_the_server_ends_goes_on(
    answered_api, answering: AnsweringProxy, api, namespace: TestNamespace, follow
):
    with answering.answering(WATCH, Answer(status=200), count=2):
        follower = follow(answered_api)
        wait_for(lambda: follower.lists() == 1)
        name = create(api, namespace, "later")
        wait_for(lambda: follower.has_seen(name))
    assert follower.lists() == 1
    assert follower.troubles() == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=410, body=b'{"kind": "Status", "code": 410, "message": "too old resource version"}'),
        Answer(
            status=200,
            body=orjson.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}})
            + b"\n",
        ),
    ],
    ids=["as-a-status", "inside-the-stream"],
)
def test_a_forgotten_version_means_a_new_list(
    answered_api, answering: AnsweringProxy, api, namespace: TestNamespace, follow, answer: Answer
):
    with answering.answering(WATCH, answer, count=1):
        follower = follow(answered_api)
        wait_for(lambda: follower.lists() == 2)
    name = create(api, namespace, "after")
    wait_for(lambda: follower.has_seen(name))
    assert follower.troubles() == []


@pytest.mark.parametrize(
    "body", [b"<html>proxy</html>\n", b'{"type": "ADDED"}\n', b"[]\n", b'{"type":"ADDED","object":{}}\n']
)
def test_garbage_in_a_stream_is_trouble_that_passes(
    answered_api, answering: AnsweringProxy, api, namespace: TestNamespace, follow, body: bytes
):
    with answering.answering(WATCH, Answer(status=200, body=body), count=1):
        follower = follow(answered_api)
        wait_for(lambda: follower.troubles() != [])
    name = create(api, namespace, "after")
    wait_for(lambda: follower.has_seen(name))


def test_a_missing_right_is_told_and_tried_again(answered_api, answering: AnsweringProxy, follow):
    message = 'cohorts is forbidden: User "x" cannot list resource "cohorts" in API group "kueue.x-k8s.io" at the cluster scope'
    refusal = Answer(status=403, body=orjson.dumps({"kind": "Status", "code": 403, "message": message}))
    with answering.answering(LIST, refusal, count=1):
        follower = follow(answered_api)
        wait_for(lambda: follower.troubles() != [])
    (error,) = follower.troubles()
    assert isinstance(error, ClusterForbiddenError)
    follower.watch.wake()
    wait_for(lambda: follower.lists() == 1, seconds=5)


def test_a_right_that_comes_back_means_a_new_list(answered_api, answering: AnsweringProxy, follow):
    """Else nobody would hear that the trouble is over until something of the kind changes."""
    refusal = Answer(status=403, body=orjson.dumps({"kind": "Status", "code": 403, "message": "no watch for you"}))
    with answering.answering(WATCH, refusal, count=1):
        follower = follow(answered_api)
        wait_for(lambda: follower.troubles() != [])
        assert follower.lists() == 1
    follower.watch.wake()
    wait_for(lambda: follower.lists() == 2, seconds=5)


def test_a_kind_that_the_cluster_does_not_have_is_trouble(admin_api, follow):
    follower = follow(admin_api, Kind(api_version="example.com/v1", name="Thing", plural="things", is_namespaced=False))
    wait_for(lambda: follower.troubles() != [])
    assert isinstance(follower.troubles()[0], ObjectMissingError)


def test_streams_that_end_at_once_are_no_busy_loop(answered_api, answering: AnsweringProxy, follow):
    with answering.answering(WATCH, Answer(status=200)):
        follow(answered_api)
        wait_for(lambda: answering.count_seen(WATCH) >= 2)
        begun = answering.count_seen(WATCH)
        threading.Event().wait(2)
        assert answering.count_seen(WATCH) - begun <= 3


def test_closing_ends_a_silent_stream_at_once(api, follow):
    follower = follow(api)
    wait_for(lambda: follower.lists() == 1)
    follower.watch.close()
    follower.thread.join(timeout=3)
    assert not follower.thread.is_alive()
