"""Cluster to rows to events: the whole observer against the real cluster, through faults, restarts and changes of the registry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
import redis
from django.conf import settings
from django.db import connection

from aidashboard.kit.events import CHANNEL
from clusters import services
from clusters.credentials import encrypt_credential
from clusters.domain.access import ClusterAccess, Credential
from clusters.domain.states import WorkloadState
from clusters.models import (
    Cluster,
    Connection,
    ObservedJob,
    ObservedNamespace,
    ObservedNode,
    ObservedPod,
    ObservedQueue,
    ObservedWorkload,
)
from clusters.observe import Observer
from sandbox.cluster import Sandbox
from tests.cluster.conftest import TestNamespace, build_node
from tests.cluster.fault_proxy import Answer, AnsweringProxy, FaultProxy, wait_for
from tests.factories.clusters import make_cluster

KUEUE = "kueue.x-k8s.io/v1beta2"
GPU = "nvidia.com/gpu"
# "Well under a second", with room for a machine that builds something else meanwhile; the bench prints the real figure.
SOON = 5.0

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]


def register(access: ClusterAccess, name: str = "sandbox") -> Cluster:
    return make_cluster(
        name,
        api_server_url=access.api_server_url,
        certificate_authority=access.certificate_authority,
        credential=encrypt_credential(access.credential),
        connection=Connection.UNKNOWN,
        last_seen_at=None,
        kubernetes_version="",
        kueue_version="",
    )


@pytest.fixture
def observe() -> Iterator[Callable[[], Observer]]:
    """Starts observers in threads; stops them before the database is cleared."""
    running: list[tuple[threading.Event, threading.Thread]] = []

    def start() -> Observer:
        observer, until = Observer(holder=f"test/0/{len(running)}-{time.time()}"), threading.Event()
        thread = threading.Thread(target=observer.run, args=(until,), daemon=True)
        thread.start()
        running.append((until, thread))
        return observer

    yield start
    for until, _ in running:
        until.set()
    for _, thread in running:
        thread.join(timeout=20)
        assert not thread.is_alive()


@pytest.fixture
def heard(valkey: str) -> Iterator[Callable[[], set[str]]]:
    """The topics published since the test began."""
    subscription = redis.Redis.from_url(settings.EVENTS_REDIS_URL).pubsub()  # type: ignore[no-untyped-call]  # redis-py's own gap
    subscription.subscribe(CHANNEL)
    topics: set[str] = set()

    def read() -> set[str]:
        while (message := subscription.get_message(timeout=0.01)) is not None:
            if message["type"] == "message":
                topics.update(orjson.loads(message["data"])["topics"])
        return topics

    read()
    yield read
    subscription.close()


def read(cluster: Cluster) -> Cluster:
    return Cluster.objects.get(pk=cluster.pk)


def wait_until_listed(cluster: Cluster) -> None:
    wait_for(
        lambda: read(cluster).total_capacity and ObservedNamespace.objects.filter(cluster=cluster).exists(), seconds=30
    )


def build_queue(space: TestNamespace, *, gpus: int = 4) -> list[dict[str, Any]]:
    resources = [
        {"name": name, "nominalQuota": quota} for name, quota in (("cpu", "64"), ("memory", "1Ti"), (GPU, str(gpus)))
    ]
    group = {"coveredResources": ["cpu", "memory", GPU], "flavors": [{"name": space.name, "resources": resources}]}
    return [
        {"apiVersion": KUEUE, "kind": "ResourceFlavor", "metadata": {"name": space.name}},
        {"apiVersion": KUEUE, "kind": "Cohort", "metadata": {"name": space.name}},
        {
            "apiVersion": KUEUE,
            "kind": "ClusterQueue",
            "metadata": {"name": space.name},
            "spec": {"namespaceSelector": {}, "cohortName": space.name, "resourceGroups": [group]},
        },
        {
            "apiVersion": KUEUE,
            "kind": "LocalQueue",
            "metadata": {"name": "default", "namespace": space.name},
            "spec": {"clusterQueue": space.name},
        },
    ]


def build_job(space: TestNamespace, name: str, *, gpus: int = 1, user: str = "grace") -> dict[str, Any]:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {GPU: str(gpus)}}
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "train", "resources": resources}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": space.name, "annotations": {"aidashboard.io/user": user}},
        "spec": {"template": {"spec": pod}},
    }


def wait_until_queueing(space: TestNamespace) -> None:
    """Until Kueue serves both queues: a Job created before it knows the default LocalQueue gets no queue name, ever."""
    kinds = {"ClusterQueue", "LocalQueue"}
    active = ObservedQueue.objects.filter(name__in=(space.name, "default"), is_active=True)
    own = active.filter(namespace__in=("", space.name))
    wait_for(lambda: set(own.values_list("kind", flat=True)) >= kinds, what=f"active queues of {space.name}")


def find_workload(space: TestNamespace, job: str) -> ObservedWorkload | None:
    return ObservedWorkload.objects.filter(namespace=space.name, owner_name=job).first()


def test_everything_of_a_job_becomes_rows_and_news(product_access, observe, heard, namespace: TestNamespace):
    cluster = register(product_access)
    observe()
    wait_until_listed(cluster)
    namespace.apply(*build_queue(namespace))
    wait_until_queueing(namespace)
    namespace.apply(build_job(namespace, "fits", gpus=3), build_job(namespace, "waits", gpus=3, user="linus"))
    states = {WorkloadState.ADMITTED, WorkloadState.PENDING}
    wait_for(
        lambda: {row.state for row in ObservedWorkload.objects.filter(namespace=namespace.name)} == states, seconds=30
    )
    wait_for(lambda: ObservedPod.objects.filter(namespace=namespace.name, phase="Running").exists(), seconds=30)
    wait_for(lambda: "more needed" in (ObservedWorkload.objects.get(namespace=namespace.name, state="pending").message))

    admitted = ObservedWorkload.objects.get(namespace=namespace.name, state=WorkloadState.ADMITTED)
    pending = ObservedWorkload.objects.get(namespace=namespace.name, state=WorkloadState.PENDING)
    pod = ObservedPod.objects.get(namespace=namespace.name)
    assert {admitted.owner_name, pending.owner_name} == {"fits", "waits"}
    assert {admitted.submitted_by, pending.submitted_by} == {"grace", "linus"}
    assert admitted.cluster_queue == pending.cluster_queue == namespace.name
    assert (pod.gpu_request, pod.is_queued, pod.owner_uid) == (3, True, admitted.owner_uid)
    assert ObservedJob.objects.filter(namespace=namespace.name, is_suspended=True).count() == 1
    queue = ObservedQueue.objects.get(name=namespace.name, kind="ClusterQueue")
    wait_for(lambda: ObservedQueue.objects.get(pk=queue.pk).usage.get(GPU) == 3)
    assert (queue.parent, queue.nominal[GPU]) == (namespace.name, 4)
    wait_for(lambda: heard() >= {"pods", "workloads", "quotas"})

    namespace.kubectl("delete", "job", admitted.owner_name)
    wait_for(lambda: find_workload(namespace, admitted.owner_name) is None, seconds=30)
    wait_for(lambda: ObservedWorkload.objects.get(pk=pending.pk).state == WorkloadState.ADMITTED, seconds=30)


def test_a_node_shows_its_troubles_and_capacity_follows(
    product_access, observe, heard, sandbox: Sandbox, namespace: TestNamespace
):
    cluster = register(product_access)
    name = f"node-{namespace.name}"
    observe()
    wait_until_listed(cluster)
    node = build_node(name, gpus=2)
    node["metadata"]["labels"] |= namespace.labels
    sandbox.apply([node])
    wait_for(lambda: ObservedNode.objects.filter(name=name, is_ready=True).exists())
    wait_for(lambda: _sum_gpus(cluster) == read(cluster).schedulable_capacity.get(GPU))
    sandbox.kubectl("cordon", name)
    wait_for(lambda: ObservedNode.objects.get(name=name).reasons == ["Cordoned"], seconds=SOON)
    wait_for(lambda: _sum_gpus(cluster) == read(cluster).schedulable_capacity[GPU], seconds=SOON)
    assert read(cluster).total_capacity[GPU] - read(cluster).schedulable_capacity[GPU] >= 2
    assert heard() >= {"nodes", "clusters"}
    sandbox.kubectl("delete", "node", name)
    wait_for(lambda: not ObservedNode.objects.filter(name=name).exists(), seconds=SOON)


def _sum_gpus(cluster: Cluster) -> int:
    return sum(
        ObservedNode.objects.filter(cluster=cluster, is_ready=True, is_cordoned=False).values_list(
            "gpu_allocatable", flat=True
        )
    )


def test_a_pod_outside_kueue_lessens_what_can_be_handed_out(product_access, observe, namespace: TestNamespace):
    cluster = register(product_access)
    observe()
    wait_until_listed(cluster)
    before = read(cluster).schedulable_capacity[GPU]
    container = {"name": "main", "image": "x", "resources": {"limits": {GPU: "1"}}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "outside", "namespace": namespace.name}}
    namespace.apply({**pod, "spec": {"containers": [container]}})
    wait_for(lambda: read(cluster).schedulable_capacity[GPU] == before - 1)
    assert not ObservedPod.objects.get(name="outside").is_queued
    namespace.kubectl("delete", "pod", "outside", "--grace-period=0", "--force")
    wait_for(lambda: read(cluster).schedulable_capacity[GPU] == before)


def test_what_does_not_change_is_not_written(product_access, observe, namespace: TestNamespace):
    cluster = register(product_access)
    observe()
    wait_until_listed(cluster)
    before = dict(ObservedNode.objects.values_list("name", "observed_at"))
    namespace.sandbox.kubectl("annotate", "node", "gpu-0", f"heartbeat={time.time()}", "--overwrite")
    namespace.kubectl("label", "namespace", namespace.name, "probe=later")
    wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="later").exists())
    assert dict(ObservedNode.objects.values_list("name", "observed_at")) == before


def test_an_unreachable_cluster_keeps_its_rows_and_shows_their_age(
    product_access, observe, proxy: FaultProxy, namespace: TestNamespace
):
    cluster = register(replace(product_access, api_server_url=proxy.url))
    observe()
    wait_until_listed(cluster)
    wait_for(lambda: read(cluster).connection == Connection.REACHABLE)
    capacity, nodes = read(cluster).schedulable_capacity, ObservedNode.objects.count()
    proxy.close_port()
    wait_for(lambda: read(cluster).connection == Connection.UNREACHABLE)
    gone = read(cluster)
    assert "refuses connections" in gone.connection_message
    assert (gone.schedulable_capacity, ObservedNode.objects.count()) == (capacity, nodes)
    namespace.kubectl("label", "namespace", namespace.name, "probe=while-away")
    seen_at = gone.last_seen_at
    time.sleep(2)
    assert read(cluster).last_seen_at == seen_at
    proxy.start()
    wait_for(lambda: read(cluster).connection == Connection.REACHABLE)
    wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="while-away").exists())
    assert (read(cluster).last_seen_at or seen_at) != seen_at


def test_a_hanging_cluster_is_noticed(product_access, observe, proxy: FaultProxy, namespace: TestNamespace):
    cluster = register(replace(product_access, api_server_url=proxy.url))
    observe()
    wait_until_listed(cluster)
    proxy.is_hanging = True
    wait_for(lambda: read(cluster).connection == Connection.UNREACHABLE, seconds=30)
    assert "does not answer in time" in read(cluster).connection_message
    namespace.kubectl("label", "namespace", namespace.name, "probe=hanging")
    proxy.is_hanging = False
    wait_for(lambda: read(cluster).connection == Connection.REACHABLE, seconds=30)
    wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="hanging").exists())


def test_a_revoked_credential_shows_until_it_is_changed(product_access, observe):
    cluster = register(replace(product_access, credential=Credential(bearer_token="revoked")))
    observe()
    wait_for(lambda: read(cluster).connection == Connection.UNAUTHORIZED)
    assert read(cluster).last_seen_at is None
    token = product_access.credential.bearer_token
    services.change_credential(cluster=cluster, token=token, by=None, skip_check=True)
    wait_for(lambda: read(cluster).connection == Connection.REACHABLE)
    wait_until_listed(cluster)


def test_a_missing_right_shows_while_everything_else_goes_on(answered_access, answering: AnsweringProxy, observe):
    message = 'nodes is forbidden: User "x" cannot list resource "nodes" in API group "" at the cluster scope'
    refusal = Answer(status=403, body=orjson.dumps({"kind": "Status", "code": 403, "message": message}))
    with answering.answering(r"GET /api/v1/nodes\?limit", refusal):
        cluster = register(answered_access)
        observe()
        wait_for(lambda: "may not list nodes" in read(cluster).connection_message, seconds=30)
        assert read(cluster).connection == Connection.REACHABLE
        assert ObservedNamespace.objects.filter(cluster=cluster).exists()
        assert read(cluster).schedulable_capacity == {}, "what is not known is not zero"
    wait_for(lambda: read(cluster).connection_message == "", seconds=40)


def test_without_kueue_the_rest_is_observed(answered_access, answering: AnsweringProxy, observe):
    missing = Answer(status=404, body=b"404 page not found\n", content_type="text/plain")
    with answering.answering("/apis/kueue.x-k8s.io", missing):
        cluster = register(answered_access)
        observe()
        wait_until_listed(cluster)
        wait_for(lambda: read(cluster).kubernetes_version)
        assert read(cluster).kueue_version == ""
        assert not ObservedQueue.objects.exists()
        assert ObservedNode.objects.filter(cluster=cluster).exists()


def test_clusters_come_and_go_without_a_restart(product_access, observe):
    observe()
    time.sleep(1.5)
    cluster = register(product_access)
    wait_for(lambda: ObservedNode.objects.filter(cluster=cluster).exists(), seconds=SOON + 2)
    services.forget_cluster(cluster=cluster, by=None)
    time.sleep(2)
    assert not ObservedNode.objects.exists()
    again = register(product_access, "again")
    wait_for(lambda: ObservedNode.objects.filter(cluster=again).exists(), seconds=SOON + 2)


def test_two_observers_share_the_clusters(product_access, observe):
    clusters = [register(product_access, name) for name in ("one", "two")]
    observe()
    for cluster in clusters:
        wait_until_listed(cluster)
    observe()
    time.sleep(2)
    assert len({read(cluster).observer_holder for cluster in clusters}) == 1


def test_a_lapse_of_the_lease_means_a_fresh_list(product_access, observe, namespace: TestNamespace):
    cluster = register(product_access)
    observer = observe()
    wait_until_listed(cluster)
    ObservedNode.objects.filter(name="gpu-0").delete()
    observer._leased_until[cluster.pk] = 0.0
    wait_for(lambda: read(cluster).observer_holder == observer.holder)
    namespace.kubectl("label", "namespace", namespace.name, "probe=lapse")
    wait_for(lambda: ObservedNode.objects.filter(name="gpu-0").exists())
    wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="lapse").exists())


def test_a_database_that_drops_its_connections_is_survived(product_access, observe, namespace: TestNamespace):
    cluster = register(product_access)
    observe()
    wait_until_listed(cluster)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 2
    namespace.kubectl("label", "namespace", namespace.name, "probe=dropped")
    wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="dropped").exists())
    since = read(cluster).observer_lease_until
    wait_for(lambda: read(cluster).observer_lease_until != since)


def test_an_api_server_killed_and_started_again(product_access, observe, namespace: TestNamespace):
    cluster = register(product_access)
    observe()
    wait_until_listed(cluster)
    namespace.sandbox.kill("kube-apiserver")
    try:
        wait_for(lambda: read(cluster).connection == Connection.UNREACHABLE, seconds=30)
    finally:
        namespace.sandbox.restart("kube-apiserver")
    wait_for(lambda: read(cluster).connection == Connection.REACHABLE, seconds=30)
    namespace.kubectl("label", "namespace", namespace.name, "probe=back")
    wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="back").exists(), seconds=30)


def test_an_observer_killed_and_started_again_converges(product_access, namespace: TestNamespace):
    cluster = register(product_access)
    first = start_process()
    try:
        wait_until_listed(cluster)
        namespace.kubectl("create", "configmap", "unrelated")
        first.send_signal(signal.SIGKILL)
        first.wait(timeout=10)
        namespace.kubectl("label", "namespace", namespace.name, "probe=missed")
        namespace.sandbox.kubectl("create", "namespace", f"{namespace.name}-new")
        second = start_process()
        try:
            wait_for(lambda: ObservedNamespace.objects.filter(name=f"{namespace.name}-new").exists(), seconds=20)
            wait_for(lambda: ObservedNamespace.objects.filter(name=namespace.name, labels__probe="missed").exists())
        finally:
            second.terminate()
            assert second.wait(timeout=15) == 0
        assert read(cluster).observer_holder == ""
    finally:
        first.kill()
        namespace.sandbox.kubectl("delete", "namespace", f"{namespace.name}-new", "--wait=false", "--ignore-not-found")


def start_process() -> subprocess.Popen[bytes]:
    """`manage.py observe` as it runs in production, on the database of the test."""
    name = connection.settings_dict["NAME"]
    url = os.environ["AIDASHBOARD_DATABASE_URL"]
    base, _, query = url.partition("?")
    environment = {
        **os.environ,
        "AIDASHBOARD_DATABASE_URL": f"{base.rpartition('/')[0]}/{name}" + (f"?{query}" if query else ""),
    }
    return subprocess.Popen([sys.executable, "manage.py", "observe"], env=environment, cwd=settings.BASE_DIR)
