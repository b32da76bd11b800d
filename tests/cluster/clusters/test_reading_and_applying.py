"""Lists in pages, server-side apply with its conflicts, deletion: on the real API server with Kueue's real webhooks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from clusters.kube import reading
from clusters.kube.applying import apply_object, delete_object
from clusters.kube.client import KubeClient
from clusters.kube.errors import (
    ApplyConflictError,
    GoneError,
    ObjectChangedError,
    ObjectInvalidError,
    ObjectMissingError,
    RefusedByWebhookError,
)
from clusters.kube.kinds import CLUSTER_QUEUE, COHORT, KUEUE_API_VERSION, LOCAL_QUEUE, NODE, RESOURCE_FLAVOR, Kind
from clusters.kube.reading import find_object, list_objects, list_pages
from tests.cluster.conftest import TestNamespace
from tests.cluster.fault_proxy import Answer, AnsweringProxy

GONE = Answer(status=410, body=orjson.dumps({"kind": "Status", "code": 410, "message": "token expired"}))


def cohort(space: TestNamespace, suffix: str = "", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": KUEUE_API_VERSION,
        "kind": "Cohort",
        "metadata": {"name": f"{space.name}{suffix}", "labels": space.labels},
        "spec": spec,
    }


def cluster_queue(space: TestNamespace, *, nominal: str = "4", **resource: Any) -> dict[str, Any]:
    resources = [{"name": "cpu", "nominalQuota": nominal, **resource}]
    return {
        "apiVersion": KUEUE_API_VERSION,
        "kind": "ClusterQueue",
        "metadata": {"name": space.name, "labels": space.labels},
        "spec": {
            "cohortName": space.name,
            "resourceGroups": [
                {"coveredResources": ["cpu"], "flavors": [{"name": "aidashboard", "resources": resources}]}
            ],
        },
    }


def find(api: KubeClient, kind: Kind, space: TestNamespace) -> dict[str, Any]:
    found = find_object(api, kind, space.name)
    assert found is not None
    return found


def test_a_list_comes_in_pages(api, namespace: TestNamespace, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_SIZE", 2)
    for suffix in "abcde":
        apply_object(api, cohort(namespace, f"-{suffix}"))
    label = next(f"{key}={value}" for key, value in namespace.labels.items())
    pages = list(list_pages(api, COHORT, label_selector=label))
    assert [len(page.objects) for page in pages] == [2, 2, 1]
    assert [page.is_last for page in pages] == [False, False, True]
    assert len({page.resource_version for page in pages}) == 1
    assert [item["metadata"]["name"][-1] for item in list_objects(api, COHORT, label_selector=label)] == list("abcde")


def test_a_list_that_grew_too_old_half_way_is_read_again(answered_api, answering: AnsweringProxy, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_SIZE", 2)
    with answering.answering("GET /api/v1/nodes.*continue=", GONE, count=1) as rule:
        assert len(list_objects(answered_api, NODE)) >= 4
    assert rule.used == 1
    with answering.answering("GET /api/v1/nodes.*continue=", GONE), pytest.raises(GoneError):
        list_objects(answered_api, NODE)


def test_a_list_that_breaks_off_is_read_on(answered_api, answering: AnsweringProxy, monkeypatch):
    monkeypatch.setattr(reading, "PAGE_SIZE", 2)
    cut = Answer(status=200, body=b'{"kind":"NodeList","items":[{}]}' * 100, cut_after=40)
    with answering.answering("GET /api/v1/nodes.*continue=", cut, count=1):
        assert len(list_objects(answered_api, NODE)) >= 4


def test_what_is_not_there_is_none(api, admin_api):
    assert find_object(api, COHORT, "none") is None
    with pytest.raises(ObjectMissingError):
        admin_api.call("GET", "/apis/example.com/v1/things")


def test_applying_twice_changes_nothing(api, namespace: TestNamespace):
    first = apply_object(api, cohort(namespace, parentName="up"))
    second = apply_object(api, cohort(namespace, parentName="up"))
    assert first["metadata"]["generation"] == second["metadata"]["generation"]
    ours = [entry for entry in second["metadata"]["managedFields"] if entry["manager"] == "aidashboard"]
    assert [entry["operation"] for entry in ours] == ["Apply"]


def test_a_field_that_is_no_longer_named_is_given_up(api, namespace: TestNamespace):
    weight: dict[str, Any] = {"fairSharing": {"weight": "2"}}
    apply_object(api, cohort(namespace, parentName="up", **weight))
    apply_object(api, cohort(namespace, **weight))
    assert "parentName" not in find(api, COHORT, namespace)["spec"]


def test_a_field_of_somebody_else_is_a_conflict_until_forced(api, namespace: TestNamespace):
    apply_object(api, cohort(namespace, parentName="ours"))
    namespace.sandbox.kubectl(
        "patch",
        "cohort",
        namespace.name,
        "--type=merge",
        "--field-manager=somebody",
        "-p",
        '{"spec":{"parentName":"theirs"}}',
    )
    with pytest.raises(ApplyConflictError) as caught:
        apply_object(api, cohort(namespace, parentName="ours"))
    assert [(conflict.manager, conflict.field) for conflict in caught.value.conflicts] == [
        ("somebody", "spec.parentName")
    ]
    assert apply_object(api, cohort(namespace, parentName="ours"), force=True)["spec"]["parentName"] == "ours"


def test_a_misspelt_field_does_not_vanish_silently(api, namespace: TestNamespace):
    with pytest.raises(ObjectInvalidError) as caught:
        apply_object(api, cohort(namespace, parentNmae="up"))
    assert "parentNmae" in caught.value.message


def test_a_quantity_that_is_none_is_refused(api, namespace: TestNamespace):
    with pytest.raises((RefusedByWebhookError, ObjectInvalidError)) as caught:
        apply_object(api, cluster_queue(namespace, nominal="ten"))
    assert not caught.value.is_retryable


def test_the_schema_refuses_with_the_field(api, namespace: TestNamespace):
    flavors = [{"name": "aidashboard", "resources": [{"name": "cpu", "nominalQuota": "1"}]}]
    groups = [{"coveredResources": ["cpu"], "flavors": flavors}] * 17
    with pytest.raises(ObjectInvalidError) as caught:
        apply_object(api, cohort(namespace, resourceGroups=groups))
    assert "spec.resourceGroups" in [field.field for field in caught.value.fields]


def test_kueues_webhook_refuses_with_its_words(api, namespace: TestNamespace):
    with pytest.raises((RefusedByWebhookError, ObjectInvalidError)) as caught:
        apply_object(api, cluster_queue(namespace, nominal="4", lendingLimit="5"))
    assert "lendingLimit" in caught.value.message


def test_a_dry_run_leaves_nothing(api, namespace: TestNamespace):
    apply_object(api, cohort(namespace), is_dry_run=True)
    assert find_object(api, COHORT, namespace.name) is None


def test_only_the_very_object_is_deleted(api, namespace: TestNamespace):
    created = apply_object(api, cohort(namespace))
    with pytest.raises(ObjectChangedError):
        delete_object(api, COHORT, namespace.name, uid="another")
    assert delete_object(api, COHORT, namespace.name, uid=created["metadata"]["uid"]) is None
    assert delete_object(api, COHORT, namespace.name) is None


def test_what_a_finalizer_holds_is_still_there(api, namespace: TestNamespace):
    flavor = {"apiVersion": KUEUE_API_VERSION, "kind": "ResourceFlavor", "metadata": {"name": namespace.name}}
    apply_object(
        api,
        {
            **flavor,
            "metadata": {"name": namespace.name, "finalizers": ["example.com/keep"], "labels": namespace.labels},
        },
    )
    left = delete_object(api, RESOURCE_FLAVOR, namespace.name)
    assert left is not None
    assert "example.com/keep" in left["metadata"]["finalizers"]
    namespace.sandbox.kubectl(
        "patch", "resourceflavor", namespace.name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )


def test_an_immutable_field_is_refused(api, namespace: TestNamespace):
    queue = {
        "apiVersion": KUEUE_API_VERSION,
        "kind": "LocalQueue",
        "metadata": {"name": "default", "namespace": namespace.name},
        "spec": {"clusterQueue": "a"},
    }
    apply_object(api, queue)
    with pytest.raises((ObjectInvalidError, RefusedByWebhookError)):
        apply_object(api, {**queue, "spec": {"clusterQueue": "b"}}, force=True)
    assert find_object(api, LOCAL_QUEUE, "default", namespace=namespace.name) is not None
    assert find_object(api, CLUSTER_QUEUE, "a") is None
