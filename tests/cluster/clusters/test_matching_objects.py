"""Rows to cluster: objects are made, kept, healed, left alone, adopted, released and pruned, and every fault leaves a row that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from django.utils import timezone

from clusters.connections import open_client
from clusters.credentials import encrypt_credential
from clusters.domain.access import ClusterAccess, Credential
from clusters.domain.matching import OWNER_LABEL
from clusters.kube.kinds import COHORT, LOCAL_QUEUE, NAMESPACE, RESOURCE_FLAVOR, Kind
from clusters.models import Cluster, ManagedObject, SyncState
from clusters.reconcile import Desired, DriftPolicy, MatchResult, match_objects
from tests.cluster.conftest import TestNamespace
from tests.cluster.fault_proxy import Answer, AnsweringProxy, FaultProxy, wait_for
from tests.factories.clusters import make_cluster

KUEUE = "kueue.x-k8s.io/v1beta2"

pytestmark = pytest.mark.django_db(transaction=True)


def register(access: ClusterAccess) -> Cluster:
    return make_cluster(
        "sandbox",
        api_server_url=access.api_server_url,
        certificate_authority=access.certificate_authority,
        credential=encrypt_credential(access.credential),
    )


@pytest.fixture
def cluster(product_access: ClusterAccess) -> Cluster:
    return register(product_access)


@pytest.fixture
def answered(answered_access: ClusterAccess) -> Cluster:
    return register(answered_access)


class Team:
    """Objects of one owner, named after the test's namespace."""

    def __init__(self, space: TestNamespace) -> None:
        self.space = space
        self.owner = f"quota-tree-{space.name}"

    def cohort(self, suffix: str = "", *, parent: str = "up", **options: Any) -> Desired:
        manifest = {
            "apiVersion": KUEUE,
            "kind": "Cohort",
            "metadata": {"name": f"{self.space.name}{suffix}", "labels": self.space.labels},
            "spec": {"parentName": parent},
        }
        return Desired(manifest=manifest, subject=f"quota-node{suffix}", **options)

    def local_queue(self, cluster_queue: str) -> Desired:
        manifest = {
            "apiVersion": KUEUE,
            "kind": "LocalQueue",
            "metadata": {"name": "default", "namespace": self.space.name},
            "spec": {"clusterQueue": cluster_queue},
        }
        return Desired(manifest=manifest, subject="binding", replaced_on=("spec.clusterQueue",))

    def match(
        self, cluster: Cluster, *desired: Desired, kinds: Sequence[Kind] = (COHORT, LOCAL_QUEUE), **options: Any
    ) -> MatchResult:
        return match_objects(
            cluster=cluster, owner=self.owner, desired=desired, prune_kinds=kinds, now=timezone.now(), **options
        )

    def find(self, suffix: str = "", kind: str = "cohort") -> dict[str, Any] | None:
        text = self.space.kubectl("get", kind, f"{self.space.name}{suffix}", "--ignore-not-found", "-o", "json")
        return orjson.loads(text) if text.strip() else None

    def parent(self, suffix: str = "") -> str:
        found = self.find(suffix)
        assert found is not None
        return str(found["spec"]["parentName"])

    def patch(self, patch: dict[str, Any], suffix: str = "") -> None:
        options = ("--type=merge", "--field-manager=somebody", "-p", orjson.dumps(patch).decode())
        self.space.kubectl("patch", "cohort", f"{self.space.name}{suffix}", *options)


@pytest.fixture
def team(namespace: TestNamespace) -> Team:
    return Team(namespace)


def rows() -> list[tuple[str, str]]:
    return [(row.name[10:], row.state) for row in ManagedObject.objects.order_by("name")]


def test_what_is_wanted_is_made_labelled_and_kept(cluster, team: Team):
    result = team.match(cluster, team.cohort("-a"), team.cohort("-b", parent="a"))
    assert (result.is_synced, result.reason) == (True, "Synced")
    found = team.find("-a")
    assert found is not None
    assert found["metadata"]["labels"][OWNER_LABEL] == team.owner
    assert rows() == [("-a", "synced"), ("-b", "synced")]
    again = team.match(cluster, team.cohort("-a"), team.cohort("-b", parent="a"))
    assert again.is_synced
    assert team.find("-a") == found


def test_a_change_of_ours_is_applied_and_is_no_drift(cluster, team: Team):
    team.match(cluster, team.cohort())
    result = team.match(cluster, team.cohort(parent="other"))
    assert (team.parent(), result.healed) == ("other", ())
    assert ManagedObject.objects.get().differences == []


def test_what_is_no_longer_wanted_goes_last_made_first(cluster, team: Team):
    team.match(cluster, team.cohort("-a"), team.local_queue("x"))
    result = team.match(cluster)
    assert [key.kind for key in result.pruned] == ["LocalQueue", "Cohort"]
    assert team.find("-a") is None
    assert not ManagedObject.objects.exists()


def test_objects_of_others_are_never_pruned(cluster, team: Team, namespace: TestNamespace):
    namespace.apply({"apiVersion": KUEUE, "kind": "Cohort", "metadata": {"name": f"{namespace.name}-theirs"}})
    other = Team(namespace)
    other.owner = "quota-tree-other"
    other.match(cluster, other.cohort("-other"))
    team.match(cluster, team.cohort("-a"))
    team.match(cluster)
    assert team.find("-theirs") is not None
    assert team.find("-other") is not None


def test_an_edit_by_hand_is_put_back_and_shown(cluster, team: Team):
    team.match(cluster, team.cohort())
    team.patch({"spec": {"parentName": "elsewhere"}})
    result = team.match(cluster, team.cohort())
    assert team.parent() == "up"
    assert [outcome.key.kind for outcome in result.healed] == ["Cohort"]
    row = ManagedObject.objects.get()
    assert (row.state, row.differences) == (
        SyncState.SYNCED,
        [{"path": "spec.parentName", "wanted": "up", "found": "elsewhere"}],
    )
    assert "put back" in row.message


def test_an_edit_by_hand_is_left_when_the_policy_says_so(cluster, team: Team):
    team.match(cluster, team.cohort())
    team.patch({"spec": {"parentName": "elsewhere"}})
    result = team.match(cluster, team.cohort(), policy=DriftPolicy.LEAVE)
    assert (result.reason, team.parent()) == ("Drifted", "elsewhere")
    assert ManagedObject.objects.get().state == SyncState.DRIFTED
    assert team.match(cluster, team.cohort()).is_synced
    assert team.parent() == "up"


def test_what_others_add_is_left_alone(cluster, team: Team):
    team.match(cluster, team.cohort())
    team.patch({"metadata": {"annotations": {"note": "mine"}}, "spec": {"fairSharing": {"weight": "2"}}})
    assert team.match(cluster, team.cohort()).healed == ()
    found = team.find()
    assert found is not None
    assert found["metadata"]["annotations"]["note"] == "mine"


def test_an_object_deleted_by_hand_comes_back(cluster, team: Team):
    team.match(cluster, team.cohort())
    team.space.kubectl("delete", "cohort", team.space.name)
    result = team.match(cluster, team.cohort())
    assert len(result.healed) == 1
    assert team.parent() == "up"


def test_an_object_whose_label_was_taken_off_is_labelled_again(cluster, team: Team):
    team.match(cluster, team.cohort())
    team.patch({"metadata": {"labels": {OWNER_LABEL: None}}})
    assert team.match(cluster, team.cohort()).is_synced
    found = team.find()
    assert found is not None
    assert found["metadata"]["labels"][OWNER_LABEL] == team.owner


def test_what_exists_and_is_not_ours_is_a_conflict_and_stays_as_it_is(cluster, team: Team, namespace: TestNamespace):
    theirs = {
        "apiVersion": KUEUE,
        "kind": "Cohort",
        "metadata": {"name": namespace.name},
        "spec": {"parentName": "theirs"},
    }
    namespace.apply(theirs)
    result = team.match(cluster, team.cohort(), team.cohort("-b"))
    assert (result.reason, team.parent()) == ("Conflict", "theirs")
    assert "was not made by AI Dashboard" in result.message
    assert rows() == [("", "conflict"), ("-b", "synced")]
    assert team.match(cluster).pruned[0].name.endswith("-b")
    assert team.find() is not None


def test_two_owners_do_not_fight_over_one_object(cluster, team: Team):
    team.match(cluster, team.cohort())
    other = Team(team.space)
    other.owner = "quota-tree-other"
    result = other.match(cluster, other.cohort(parent="mine"))
    assert (result.reason, team.parent()) == ("Conflict", "up")
    assert f"kept for {team.owner}" in result.message


def test_adopting_takes_over_and_releasing_lets_go(cluster, team: Team, namespace: TestNamespace):
    adopted = Desired(
        manifest={
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace.name, "labels": {"team": "a"}},
        },
        subject="binding",
        is_adopted=True,
    )
    assert team.match(cluster, adopted, kinds=(NAMESPACE,)).is_synced
    found = team.find(kind="namespace")
    assert found is not None
    assert found["metadata"]["labels"] | {OWNER_LABEL: team.owner, "team": "a"} == found["metadata"]["labels"]
    result = team.match(cluster, kinds=(NAMESPACE,))
    assert [key.kind for key in result.pruned] == ["Namespace"]
    found = team.find(kind="namespace")
    assert found is not None
    assert found["status"]["phase"] == "Active"
    assert not {OWNER_LABEL, "team"} & found["metadata"]["labels"].keys()
    assert namespace.labels.items() <= found["metadata"]["labels"].items()


def test_a_field_that_cannot_change_is_changed_by_a_new_object(cluster, team: Team):
    team.match(cluster, team.local_queue("one"))
    assert team.match(cluster, team.local_queue("two")).is_synced
    text = team.space.kubectl("get", "localqueue", "default", "-o", "jsonpath={.spec.clusterQueue}")
    assert text == "two"


def test_what_a_finalizer_holds_is_waited_for(cluster, team: Team):
    flavor = Desired(
        manifest={
            "apiVersion": KUEUE,
            "kind": "ResourceFlavor",
            "metadata": {"name": team.space.name, "labels": team.space.labels, "finalizers": ["example.com/keep"]},
        },
        subject="flavor",
    )
    team.match(cluster, flavor, kinds=(RESOURCE_FLAVOR,))
    waiting = team.match(cluster, kinds=(RESOURCE_FLAVOR,))
    assert (waiting.reason, rows()) == ("Waiting", [("", "waiting")])
    assert "example.com/keep has to let go first" in waiting.message
    wanted_again = team.match(cluster, flavor, kinds=(RESOURCE_FLAVOR,))
    assert wanted_again.reason == "Waiting"
    team.space.kubectl(
        "patch", "resourceflavor", team.space.name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    assert team.match(cluster, kinds=(RESOURCE_FLAVOR,)).is_synced
    assert not ManagedObject.objects.exists()


def test_one_refused_object_does_not_stop_the_others(cluster, team: Team):
    broken = team.cohort("-a")
    broken.manifest["spec"]["parentNmae"] = "x"
    result = team.match(cluster, broken, team.cohort("-b"))
    assert rows() == [("-a", "failed"), ("-b", "synced")]
    assert (result.reason, "parentNmae" in result.message) == ("Failed", True)


# --- faults ---------------------------------------------------------------------------------------------------------------


def test_an_unreachable_cluster_forgets_nothing(product_access, proxy: FaultProxy, team: Team):
    cluster = register(replace(product_access, api_server_url=proxy.url))
    team.match(cluster, team.cohort("-a"))
    proxy.close_port()
    result = team.match(cluster, team.cohort("-b"))
    assert (result.is_synced, result.is_complete, result.reason) == (False, False, "Unreachable")
    assert rows() == [("-a", "synced"), ("-b", "unreachable")]
    proxy.start()
    assert team.match(cluster, team.cohort("-b")).is_synced
    assert rows() == [("-b", "synced")]


def test_a_credential_that_is_revoked_is_said(cluster, team: Team):
    cluster.credential = encrypt_credential(Credential(bearer_token="revoked"))
    cluster.version += 1
    result = team.match(cluster, team.cohort())
    assert (result.reason, "401" in result.message) == ("Unreachable", True)


def test_a_missing_right_is_said_and_not_tried_again_and_again(answered, answering: AnsweringProxy, team: Team):
    message = (
        'cohorts.kueue.x-k8s.io is forbidden: User "x" cannot patch resource "cohorts" in API group "kueue.x-k8s.io"'
    )
    refusal = Answer(status=403, body=orjson.dumps({"kind": "Status", "code": 403, "message": message}))
    with answering.answering("PATCH", refusal) as rule:
        result = team.match(answered, team.cohort())
    assert (result.reason, rule.used) == ("Failed", 1)
    assert "may not patch cohorts.kueue.x-k8s.io" in result.message


def test_a_webhook_that_is_down_is_waited_for(answered, answering: AnsweringProxy, team: Team):
    message = (
        'Internal error occurred: failed calling webhook "vcohort.kb.io": failed to call webhook: connection refused'
    )
    down = Answer(status=500, body=orjson.dumps({"kind": "Status", "code": 500, "message": message}))
    with answering.answering("PATCH", down) as rule:
        result = team.match(answered, team.cohort("-a"), team.cohort("-b"))
    assert (result.reason, rows()) == ("Waiting", [("-a", "waiting"), ("-b", "waiting")])
    assert rule.used == 3, "the second object of the kind does not wait for the same webhook again"
    assert team.match(answered, team.cohort("-a"), team.cohort("-b")).is_synced


def test_the_pause_that_the_server_asks_for_is_passed_on(answered, answering: AnsweringProxy, team: Team):
    patience = Answer(status=429, body=b'{"kind":"Status","code":429}', headers={"Retry-After": "120"})
    with answering.answering("PATCH", patience):
        assert team.match(answered, team.cohort()).retry_after_seconds == 120


def test_a_run_that_breaks_off_half_way_is_finished_by_the_next(answered, answering: AnsweringProxy, team: Team):
    cut = Answer(status=200, body=b"{" * 100, cut_after=10)
    with answering.answering(f"PATCH .*{team.space.name}-b", cut):
        result = team.match(answered, team.cohort("-a"), team.cohort("-b"))
    assert result.reason == "Unreachable"
    assert team.find("-a") is not None
    assert team.match(answered, team.cohort("-a"), team.cohort("-b")).is_synced
    assert rows() == [("-a", "synced"), ("-b", "synced")]


def test_kueue_killed_and_started_again(cluster, team: Team):
    sandbox = team.space.sandbox
    queue = Desired(
        manifest={
            "apiVersion": KUEUE,
            "kind": "ClusterQueue",
            "metadata": {"name": team.space.name, "labels": team.space.labels},
            "spec": {"namespaceSelector": {}},
        },
        subject="quota-node",
    )
    sandbox.kill("kueue")
    try:
        result = team.match(cluster, queue)
        assert result.reason == "Waiting"
        assert "webhook" in result.message
    finally:
        sandbox.restart("kueue")
    wait_for(lambda: team.match(cluster, queue).is_synced, seconds=60)


def test_a_changed_credential_gets_a_new_connection(cluster):
    first = open_client(cluster)
    assert open_client(cluster) is first
    cluster.version += 1
    assert open_client(cluster) is not first
