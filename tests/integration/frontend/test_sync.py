"""The sync page: what is not as asked, and asking for another attempt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.services import record_event
from clusters.models import Cluster, ManagedObject, SyncState
from tests.factories.clusters import make_cluster, make_managed_object
from tests.factories.people import make_admin, make_user
from tests.factories.quotas import make_tree
from tests.integration.frontend.htmx import get_fragment, text_of
from tests.integration.frontend.reading import count_rows, read, read_csv, sentence_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster(client: Client) -> Cluster:
    sign_in(client, make_admin())
    return make_cluster()


def make_objects(cluster: Cluster) -> ManagedObject:
    make_managed_object(cluster, "fine")
    make_managed_object(cluster, "moving", state=SyncState.SYNCING)
    make_managed_object(
        cluster, "edited", state=SyncState.DRIFTED, message="Somebody changed it.",
        differences=[{"path": "spec.cohort", "wanted": "root", "found": "other"}],
    )  # fmt: skip
    return make_managed_object(cluster, "refused", state=SyncState.FAILED, message="denied by <webhook>", attempts=3)


def test_when_all_match_it_is_calm(client: Client, cluster: Cluster) -> None:
    make_managed_object(cluster, "fine")
    make_managed_object(cluster, "also-fine")
    assert sentence_of(client, "/sync/") == "All 2 objects in prod-a match what was asked for."
    assert "All 2 objects match." in read(client, "/sync/")
    assert count_rows(client, "/sync/?state=synced") == 2


def test_what_somebody_changed_by_hand_and_was_put_back_is_told(client: Client, cluster: Cluster) -> None:
    make_managed_object(cluster, "fine")
    tree, other = make_tree(cluster), make_tree(make_cluster("prod-b"))
    edit = "ClusterQueue root-nlp: Somebody else changed spec.cohortName; put back."
    for about, words in ((tree, edit), (other, "ClusterQueue elsewhere: put back.")):
        record_event("quota-tree.drift-healed", by=None, about=about, summary="1 object", details={"objects": [words]})
    text = read(client, "/sync/?cluster=prod-a")
    assert "Changed by hand and put back in the last 24 hours" in text
    assert edit in text
    assert "elsewhere" not in text
    AuditEvent.objects.update(at=timezone.now() - timedelta(hours=25))
    assert "Changed by hand" not in read(client, "/sync/?cluster=prod-a")


def test_without_objects_it_says_what_it_is_for(client: Client, cluster: Cluster) -> None:
    assert "Nothing to keep in step yet" in read(client, "/sync/")


def test_it_lists_what_is_not_as_asked_with_reason_and_difference(client: Client, cluster: Cluster) -> None:
    make_objects(cluster)
    assert (
        sentence_of(client, "/sync/") == "3 of 4 objects in prod-a are not what was asked for; 1 of them on their way."
    )
    assert count_rows(client, "/sync/") == 3
    text = read(client, "/sync/")
    assert "denied by <webhook>" in text
    assert "spec.cohort other root" in text


def test_states_filter_and_download(client: Client, cluster: Cluster) -> None:
    make_objects(cluster)
    assert count_rows(client, "/sync/?state=failed") == 1
    assert [row["name"] for row in read_csv(client, "/sync/?state=failed&format=csv")] == ["refused"]
    assert count_rows(client, "/sync/?search=edit") == 1


def test_following_a_number_leads_to_as_many_rows_under_any_filter(client: Client, cluster: Cluster) -> None:
    make_objects(cluster)
    assert "Failed 1 Drifted 1 Syncing 1 Synced 1" in read(client, "/sync/")
    assert "Failed 0 Drifted 1 Syncing 0 Synced 0" in read(client, "/sync/?search=edited")
    assert count_rows(client, "/sync/?search=edited&state=drifted") == 1
    assert count_rows(client, "/sync/?search=edited&state=failed") == 0


def test_an_object_that_matches_is_found_by_its_name(client: Client, cluster: Cluster) -> None:
    make_managed_object(cluster, "fine")
    assert count_rows(client, "/sync/?search=fine") == 1
    assert len(read_csv(client, "/sync/?search=fine&format=csv")) == 1


def test_retry_forgets_the_pause_and_is_audited(client: Client, cluster: Cluster) -> None:
    refused = make_objects(cluster)
    response = client.post(f"/sync/{refused.pk}/retry")
    assert response["Location"] == "/sync/?cluster=prod-a"
    refused.refresh_from_db()
    assert refused.attempts == 0
    assert AuditEvent.objects.filter(kind="managed-object.retried", actor_name="ada").count() == 1


def test_retry_is_no_link_to_follow(client: Client, cluster: Cluster) -> None:
    refused = make_objects(cluster)
    assert client.get(f"/sync/{refused.pk}/retry").status_code == 405
    assert client.post("/sync/999999/retry").status_code == 404


def test_a_fragment_is_the_part_of_the_page(client: Client, cluster: Cluster) -> None:
    make_objects(cluster)
    page, fragment = client.get("/sync/"), get_fragment(client, "/sync/", "sync-list")
    assert text_of(fragment) in text_of(page)


def test_researchers_are_not_let_in(client: Client, cluster: Cluster) -> None:
    refused = make_objects(cluster)
    sign_in(client, make_user())
    assert client.get("/sync/").status_code == 403
    assert client.post(f"/sync/{refused.pk}/retry").status_code == 403
