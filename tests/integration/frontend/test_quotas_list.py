"""The tree table: who sees which nodes, search, the open panel, fragments and CSV."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from clusters.models import Cluster, WorkloadState
from quotas.models import QuotaNode, QuotaTree
from tests.factories.clusters import GPU, make_cluster, make_queue, make_workload
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree
from tests.integration.frontend.htmx import get_fragment, text_of

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A tree of 40 GPUs: research 24 (nlp 16, vision 8) and serving 16; nlp borrows 8 and has 4 waiting."""

    cluster: Cluster
    tree: QuotaTree
    nlp: QuotaNode
    vision: QuotaNode
    owner: User
    teammate: User
    outsider: User
    admin: User


@pytest.fixture
def setting() -> Setting:
    cluster = make_cluster(total_capacity={GPU: 48}, schedulable_capacity={GPU: 44})
    tree = make_tree(cluster, gpus=40)
    root = get_root(tree)
    research = make_quota(root, "research", min_gpus=24, max_gpus=40)
    owner, teammate, outsider = make_user("grace"), make_user("alan"), make_user("mallory")
    group = make_group("nlp-people", members=(teammate,), owners=(owner,))
    nlp = make_quota(research, "nlp", min_gpus=16, max_gpus=32, group=group, namespaces=("nlp-train", "nlp-dev"))
    vision = make_quota(research, "vision", min_gpus=8, group=make_group("vision-people"), namespaces=("vision",))
    make_quota(root, "serving", min_gpus=16, max_gpus=24)
    make_queue(cluster, nlp.queue_name, usage={GPU: 24}, reserved={GPU: 24}, admitted_workloads=3)
    make_queue(cluster, vision.queue_name, usage={GPU: 2}, reserved={GPU: 2}, admitted_workloads=1)
    make_workload(cluster, "bert", state=WorkloadState.PENDING, gpus=4, cluster_queue=nlp.queue_name)
    return Setting(
        cluster=cluster,
        tree=tree,
        nlp=nlp,
        vision=vision,
        owner=owner,
        teammate=teammate,
        outsider=outsider,
        admin=make_admin(),
    )


def open_as(client: Client, user: User, url: str = "/quotas/") -> str:
    client.force_login(user)
    return client.get(url).content.decode()


def test_the_page_answers_in_a_sentence(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.admin)
    assert (
        "<strong>26 of 40 GPUs</strong> in use; <strong>8</strong> of them borrowed, most by nlp; 1 job waits for 4 GPUs."
        in html
    )


def test_every_node_has_its_bar_and_numbers(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.admin)
    assert "nlp, GPU: 24 used of at most 32, 16 guaranteed, 8 borrowed, 4 pending" in html
    assert "research, GPU: 26 used of at most 40, 24 guaranteed" in html
    assert f"/workloads/?cluster=prod-a&amp;queue={setting.nlp.queue_name}&amp;state=waiting" in html


@pytest.mark.parametrize("who", ["owner", "teammate"])
def test_members_see_their_leaf_and_only_names_above(client: Client, setting: Setting, who: str) -> None:
    html = open_as(client, getattr(setting, who))
    assert "nlp, GPU: 24 used" in html
    assert "on the way to your quota" in html
    assert "research, GPU" not in html
    assert "vision" not in html
    assert "serving" not in html


def test_members_change_nothing(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.owner, f"/quotas/?node={setting.tree.pk}:{setting.nlp.pk}")
    assert "Min and Max" not in html
    assert "Bind a namespace" not in html
    assert "Try again now" not in html


def test_an_outsider_is_told_how_to_get_a_quota(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.outsider)
    assert "You have no quota on any cluster yet" in html
    assert "You are in no group yet" in html
    assert "nlp" not in html


@pytest.mark.parametrize("who", ["outsider", "owner", "teammate"])
def test_nodes_of_others_do_not_exist(client: Client, setting: Setting, who: str) -> None:
    client.force_login(getattr(setting, who))
    assert client.get(f"/quotas/{setting.tree.pk}/nodes/{setting.vision.pk}").status_code == 404
    assert client.get(f"/quotas/?node={setting.tree.pk}:{setting.vision.pk}").status_code in {200, 404}
    assert "vision-people" not in client.get(f"/quotas/?node={setting.tree.pk}:{setting.vision.pk}").content.decode()


@pytest.mark.parametrize("key", ["0", "99999", "new-1", "99999999999999999999"])
def test_a_node_that_is_not_there_is_a_404(client: Client, setting: Setting, key: str) -> None:
    client.force_login(setting.admin)
    assert client.get(f"/quotas/{setting.tree.pk}/nodes/{key}").status_code == 404


def test_the_list_stays_when_the_node_that_was_open_is_gone(client: Client, setting: Setting) -> None:
    """Somebody deletes it, or a draft is applied, while the page is open and refreshes itself."""
    html = open_as(client, setting.admin, f"/quotas/?node={setting.tree.pk}:new-1")
    assert "The node that was open is not there" in html
    assert 'title="nlp"' in html
    assert "The node that was open" not in open_as(client, setting.admin, "/quotas/")


def test_search_finds_namespaces_and_keeps_the_path(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.admin, "/quotas/?search=nlp-dev")
    assert 'title="nlp"' in html
    assert 'title="research"' in html
    assert 'title="vision"' not in html
    assert "Nothing matches" in open_as(client, setting.admin, "/quotas/?search=zzz")


def test_a_closed_node_hides_what_is_below_and_a_link_opens_it(client: Client, setting: Setting) -> None:
    research = setting.nlp.parent_id
    html = open_as(client, setting.admin, f"/quotas/?collapsed={research}")
    assert 'title="research"' in html
    assert 'title="nlp"' not in html
    assert 'aria-expanded="false"' in html
    assert 'href="/quotas/?collapsed=none" data-aid-toggle' in html
    assert 'title="nlp"' in open_as(client, setting.admin, "/quotas/?collapsed=none")


def test_a_large_tree_starts_at_its_departments(client: Client, setting: Setting) -> None:
    for number in range(200):
        make_quota(setting.vision, f"team-{number}")
    html = open_as(client, setting.admin)
    assert 'title="research"' in html
    assert 'title="vision"' not in html
    assert 'title="team-7"' in open_as(client, setting.admin, "/quotas/?search=team-7")
    assert 'title="team-7"' in open_as(client, setting.admin, "/quotas/?collapsed=none")


def test_the_panel_opens_beside_the_table_from_the_address(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.admin, f"/quotas/?node={setting.tree.pk}:{setting.nlp.pk}")
    assert '<aside class="panel quota-panel"' in html
    assert "nlp-people" in html
    assert "grace" in html
    assert f"/quotas/{setting.tree.pk}/nodes/{setting.nlp.pk}/edit" in html


@pytest.mark.parametrize("who", ["admin", "owner"])
def test_the_fragment_is_what_a_fresh_page_holds(client: Client, setting: Setting, who: str) -> None:
    client.force_login(getattr(setting, who))
    url = f"/quotas/?node={setting.tree.pk}:{setting.nlp.pk}"
    fragment, page = get_fragment(client, url, "quota-page"), client.get(url)
    assert text_of(fragment).startswith('<div id="quota-page"')
    assert text_of(fragment) in text_of(page)
    assert "HX-Target" in fragment["Vary"]


def test_an_unknown_target_and_a_restored_history_get_the_whole_page(client: Client, setting: Setting) -> None:
    client.force_login(setting.admin)
    assert "<html" in text_of(get_fragment(client, "/quotas/", "bogus"))
    restored = client.get(
        "/quotas/", headers={"HX-Request": "true", "HX-Target": "quota-page", "HX-History-Restore-Request": "true"}
    )
    assert "<html" in restored.content.decode()


def test_the_page_refreshes_itself_when_quotas_of_its_cluster_change(client: Client, setting: Setting) -> None:
    html = open_as(client, setting.admin, "/quotas/?search=nlp")
    assert f'data-aid-topics="quotas workloads sync" data-aid-cluster="{setting.cluster.pk}"' in html
    assert 'hx-get="/quotas/?search=nlp&amp;cluster=prod-a" hx-trigger="aid-refresh"' in html


def test_a_page_that_waits_for_the_cluster_asks_again_by_itself(client: Client, setting: Setting) -> None:
    assert "data-aid-unsettled" in open_as(client, setting.admin)
    QuotaTree.objects.update(observed_generation=1)
    assert "data-aid-unsettled" not in open_as(client, setting.admin)


def test_the_download_holds_every_node_and_resource_of_the_viewer(client: Client, setting: Setting) -> None:
    client.force_login(setting.admin)
    lines = b"".join(client.get("/quotas/?format=csv")).decode().splitlines()
    assert lines[0].startswith("tree,path,resource")
    assert len(lines) == 6
    assert any(
        line.startswith(f"root,root.research.nlp,{GPU},,16,32,32,24,8,0,4,nlp-dev nlp-train,nlp-people")
        for line in lines
    )
    client.force_login(setting.owner)
    assert len(b"".join(client.get("/quotas/?format=csv")).decode().splitlines()) == 2


def test_an_empty_cluster_offers_to_create_the_tree(client: Client) -> None:
    make_cluster()
    assert "/quotas/new?cluster=prod-a" in open_as(client, make_admin())


def test_without_any_cluster_the_page_says_so(client: Client) -> None:
    assert "Register the first cluster" in open_as(client, make_admin())


def test_the_page_costs_the_same_for_any_number_of_nodes(
    client: Client, setting: Setting, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        make_quota(get_root(setting.tree), f"team-{number}", namespaces=(f"team-{number}",))
    client.force_login(setting.admin)
    client.get("/quotas/")
    with django_assert_max_num_queries(24):
        client.get("/quotas/")
