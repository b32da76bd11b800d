"""The shell around every page: who gets which rail, themes, clusters, freshness, and the sandbox's construction."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from accounts.permissions import SignedInRequest
from clusters.models import SyncState
from frontend.views.gallery import gallery
from tests.factories.clusters import make_cluster, make_managed_object
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree

pytestmark = pytest.mark.django_db


def html_of(client: Client, url: str = "/quotas/") -> str:
    return client.get(url).content.decode()


def sign_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def test_an_admin_is_offered_the_whole_product(client: Client) -> None:
    make_cluster()
    html = html_of(sign_in(client, make_admin()))
    for label in ("Overview", "Nodes &amp; GPUs", "Quotas", "Workloads", "Sync", "People", "Clusters", "Audit"):
        assert f'<span class="rail-label">{label}</span>' in html


def test_a_researcher_is_offered_the_portal_alone(client: Client) -> None:
    html = html_of(sign_in(client, make_user()))
    assert '<span class="rail-label">Quota</span>' in html
    for label in ("Nodes &amp; GPUs", "People", "Audit", "Sync"):
        assert f'<span class="rail-label">{label}</span>' not in html


def test_the_start_page_is_the_first_of_the_rail(client: Client) -> None:
    assert sign_in(client, make_admin()).get("/")["Location"] == "/overview/"
    assert sign_in(client, make_user()).get("/")["Location"] == "/home/"


def test_a_visitor_is_sent_to_the_login_page_and_back(client: Client) -> None:
    assert client.get("/quotas/?search=x")["Location"] == "/login?next=/quotas/%3Fsearch%3Dx"
    assert client.get("/")["Location"].startswith("/login")


def test_no_page_holds_inline_script_or_style(client: Client) -> None:
    make_cluster()
    html = html_of(sign_in(client, make_admin()))
    assert "<script>" not in html
    assert " style=" not in html
    assert "onclick" not in html


def test_the_theme_is_in_the_page_before_any_script_runs(client: Client) -> None:
    user = make_admin()
    sign_in(client, user)
    response = client.post("/preferences/theme", {"theme": "dark", "next": "/quotas/?search=x"})
    assert response["Location"] == "/quotas/?search=x"
    assert '<html lang="en" data-bs-theme="dark">' in html_of(client)
    client.logout()
    client.cookies["aid_theme"] = "dark"
    assert 'data-bs-theme="dark"' in html_of(client, "/login")


def test_an_unknown_theme_is_refused(client: Client) -> None:
    assert sign_in(client, make_admin()).post("/preferences/theme", {"theme": "pink"}).status_code == 422


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_a_form_leads_back_to_our_own_pages_only(client: Client, target: str) -> None:
    response = sign_in(client, make_admin()).post("/preferences/theme", {"theme": "dark", "next": target})
    assert response["Location"] == "/"


def test_the_chosen_cluster_is_remembered(client: Client) -> None:
    make_cluster("prod-a")
    make_cluster("prod-b")
    sign_in(client, make_admin())
    response = client.get("/preferences/cluster?cluster=prod-b&next=/quotas/%3Fsearch%3Dx")
    assert response["Location"] == "/quotas/?cluster=prod-b"
    assert 'aria-label="Cluster: prod-b"' in html_of(client)
    assert 'aria-label="Cluster: prod-a"' in html_of(client, "/quotas/?cluster=prod-a")


@pytest.mark.parametrize(
    ("page", "place"),
    [
        ("/nodes/gpus", "/nodes/gpus"),
        ("/nodes/node-1", "/nodes/"),
        ("/workloads/some-uid", "/workloads/"),
        ("/quotas/1/nodes/2", "/quotas/"),
        ("/people/users/ada", "/people/users/ada"),
        ("/no-such-page", "/"),
    ],
)
def test_another_cluster_is_shown_where_the_person_was_and_never_a_thing_that_it_has_not(
    client: Client, page: str, place: str
) -> None:
    make_cluster("prod-a")
    make_cluster("prod-b")
    sign_in(client, make_admin())
    assert client.get(f"/preferences/cluster?cluster=prod-b&next={page}")["Location"] == f"{place}?cluster=prod-b"


def test_a_live_page_stays_with_its_cluster_when_another_tab_chooses_another(client: Client) -> None:
    make_cluster("prod-a")
    make_cluster("prod-b")
    sign_in(client, make_admin())
    shown = re.search(r'id="workload-list"[^>]*hx-get="([^"]*)"', html_of(client, "/workloads/?search=x"))
    assert shown
    client.get("/preferences/cluster?cluster=prod-b&next=/workloads/")
    again = html_of(client, unescape(shown[1]))
    assert 'aria-label="Cluster: prod-a"' in again
    assert 'value="x"' in again


def test_a_live_page_writes_no_session(client: Client) -> None:
    make_cluster()
    sign_in(client, make_admin())
    client.get("/quotas/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/quotas/")
    assert not [query["sql"] for query in captured if not query["sql"].startswith("SELECT")]


def test_an_unknown_cluster_is_a_404_inside_the_shell(client: Client) -> None:
    make_cluster("prod-a")
    response = sign_in(client, make_admin()).get("/quotas/?cluster=nowhere")
    assert response.status_code == 404
    assert "There is no cluster &#x27;nowhere&#x27;." in response.content.decode()
    assert 'class="rail"' in response.content.decode()


def test_a_researcher_sees_the_clusters_of_their_quotas_alone(client: Client) -> None:
    ours, _ = make_cluster("ours"), make_cluster("theirs")
    user = make_user()
    make_quota(get_root(make_tree(ours, gpus=8)), "nlp", group=make_group(members=(user,)))
    html = html_of(sign_in(client, user))
    assert "theirs" not in html
    assert client.get("/quotas/?cluster=theirs").status_code == 404
    assert client.get("/quotas/?cluster=ours").status_code == 200


def test_old_data_says_so(client: Client) -> None:
    make_cluster(last_seen_at=timezone.now() - timedelta(minutes=4), connection="unreachable")
    html = html_of(sign_in(client, make_admin()), "/live/status")
    assert '<aid-age data-seconds="240" data-late-after="30" class="is-late">4 min ago</aid-age>' in html
    assert "unreachable" in html


def test_objects_on_their_way_are_counted_for_admins(client: Client) -> None:
    cluster = make_cluster()
    make_managed_object(cluster, "a", state=SyncState.SYNCING)
    make_managed_object(cluster, "b", state=SyncState.FAILED)
    make_managed_object(cluster, "c", state=SyncState.SYNCED)
    html = html_of(sign_in(client, make_admin()), "/live/status")
    assert '1 <span class="chip-word">syncing</span>' in html
    assert '1 <span class="chip-word">not in sync</span>' in html


def test_the_banner_shows_the_sandbox_growing_and_then_stops_asking(
    client: Client, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "progress.json"
    settings.PROGRESS_FILE = str(path)
    path.write_text(json.dumps({"phase": "build", "message": "building kueue", "index": 3, "count": 9, "done": False}))
    assert "building kueue" in html_of(client, "/login")
    banner = html_of(client, "/live/construction")
    assert 'hx-trigger="every 2s"' in banner
    assert '<progress max="9" value="3"' in banner
    path.write_text(json.dumps({"done": True}))
    assert "hx-trigger" not in html_of(client, "/live/construction")


def test_a_demo_without_its_cluster_says_why_and_does_not_pretend_to_work(
    client: Client, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "progress.json"
    settings.PROGRESS_FILE = str(path)
    path.write_text(json.dumps({"phase": "failed", "message": "The disk is full.", "done": False}))
    banner = html_of(client, "/live/construction")
    assert "The demo has no GPU cluster." in banner
    assert "The disk is full." in banner
    assert "is being prepared" not in banner


@pytest.mark.parametrize("is_admin", [True, False])
def test_while_the_demos_cluster_is_made_nobody_is_asked_to_register_one(
    client: Client, tmp_path: Path, settings: Settings, *, is_admin: bool
) -> None:
    path = tmp_path / "progress.json"
    settings.PROGRESS_FILE = str(path)
    path.write_text(json.dumps({"phase": "build", "message": "building kueue", "index": 3, "count": 9, "done": False}))
    address = "/overview/" if is_admin else "/home/"
    html = html_of(sign_in(client, make_admin() if is_admin else make_user("tom")), address)
    assert "This page fills by itself" in html
    assert "Register" not in html
    assert "has to register" not in html


def test_a_page_without_a_cluster_becomes_the_real_one_when_the_first_is_there(client: Client) -> None:
    sign_in(client, make_admin())
    refresh = {"HX-Request": "true", "HX-Target": "without-cluster", "HX-Trigger": "without-cluster"}
    assert 'id="without-cluster" data-aid-topics="clusters quotas" data-aid-cluster="" hx-get="/overview/"' in html_of(
        client, "/overview/"
    )
    still_none = client.get("/overview/", headers=refresh)
    assert "HX-Refresh" not in still_none
    assert "<html" not in still_none.content.decode()
    make_cluster()
    assert client.get("/overview/", headers=refresh)["HX-Refresh"] == "true"


def test_the_jump_box_finds_pages_and_else_searches_workloads(client: Client) -> None:
    make_cluster()
    sign_in(client, make_admin())
    assert client.get("/jump?search=quo")["Location"] == "/quotas/"
    assert client.get("/jump?search=bert-3")["Location"] == "/workloads/?search=bert-3"
    assert client.get("/jump?search=")["Location"] == "/"


def test_the_jump_box_finds_a_quota_by_its_name_or_path(client: Client) -> None:
    root = get_root(make_tree(make_cluster(), gpus=8))
    nlp = make_quota(root, "nlp")
    vision = make_quota(root, "vision", group=make_group(members=(make_user("rita"),)))
    sign_in(client, make_admin())
    assert client.get("/jump?search=NLP")["Location"] == f"/quotas/{nlp.tree_id}/nodes/{nlp.pk}"
    assert client.get("/jump?search=root.vision")["Location"] == f"/quotas/{vision.tree_id}/nodes/{vision.pk}"
    sign_in(client, User.objects.get(username="rita"))
    assert client.get("/jump?search=nlp")["Location"] == "/workloads/?search=nlp"


def test_the_shell_costs_few_queries(client: Client, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    make_cluster()
    sign_in(client, make_admin())
    client.get("/live/status")
    with django_assert_max_num_queries(6):
        client.get("/live/status")


def test_the_gallery_draws_every_component() -> None:
    request: SignedInRequest = RequestFactory().get("/gallery")  # type: ignore[assignment]  # signed in by the next line
    request.user, request.session, request.resolver_match = make_admin(), {}, None  # type: ignore[assignment]  # no middleware here
    html = gallery(request).content.decode()
    for name in (
        "quota-bar-header",
        "chip-busy",
        "table-chips",
        "empty",
        "data-aid-typed-name",
    ):
        assert name in html
