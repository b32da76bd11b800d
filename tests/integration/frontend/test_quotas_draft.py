"""Changing a tree by a draft: forms, rules at their fields, review, conflicts, applying."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from quotas.domain.changes import ChangeNode
from quotas.domain.tree import NodeKey
from quotas.models import NamespaceBinding, QuotaDraft, QuotaNode, QuotaTree
from quotas.services import add_to_draft, apply_changes
from tests.factories.clusters import GPU, make_cluster, make_namespace, make_pod
from tests.factories.people import make_admin, make_group, make_user
from tests.factories.quotas import get_root, make_quota, make_tree

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> User:
    user = make_admin()
    client.force_login(user)
    return user


@pytest.fixture
def tree() -> QuotaTree:
    return make_tree(make_cluster(), gpus=40)


@pytest.fixture
def team(tree: QuotaTree) -> QuotaNode:
    return make_quota(get_root(tree), "nlp", min_gpus=16, max_gpus=32, namespaces=("nlp",))


def edit_url(node: QuotaNode, action: str = "edit") -> str:
    return f"/quotas/{node.tree_id}/nodes/{node.pk}/{action}"


def field_error(html: str, field: str) -> str:
    match = re.search(rf'id="id_{re.escape(field)}_error".*?<span>(.*?)</span>', html, re.DOTALL)
    return match[1] if match else ""


def test_an_edit_goes_into_the_draft_and_changes_nothing_yet(client: Client, admin: User, team: QuotaNode) -> None:
    response = client.post(edit_url(team), {"version": "1", f"min.{GPU}": "8", f"max.{GPU}": "32"})
    assert response["Location"] == f"/quotas/?cluster=prod-a&node={team.tree_id}:{team.pk}"
    html = client.get(response["Location"]).content.decode()
    assert "Draft: 1 change" in html
    assert "<del>16</del> <ins>8</ins>" in html
    team.refresh_from_db()
    assert team.min == {GPU: "16"}


@pytest.mark.parametrize("text", ["10Gb", "-1", "1.5", "0.5", "5 Gi", "one", "1e3m", "1.5Gi"])
def test_what_is_no_quantity_is_refused_at_its_field(client: Client, admin: User, team: QuotaNode, text: str) -> None:
    response = client.post(edit_url(team), {f"min.{GPU}": text, f"max.{GPU}": "32"})
    html = response.content.decode()
    assert response.status_code == 422
    assert text in field_error(html, f"min.{GPU}")
    assert re.search(rf'name="min\.{GPU}"[^>]*autofocus', html)
    assert not QuotaDraft.objects.exists() or not QuotaDraft.objects.get().changes


@pytest.mark.parametrize("text", ["1e1", "10.0", "2147483647"])
def test_every_spelling_of_kubernetes_is_taken(client: Client, admin: User, team: QuotaNode, text: str) -> None:
    response = client.post(edit_url(team), {f"min.{GPU}": "8", f"max.{GPU}": text, "anyway": "1"})
    assert response.status_code == 302
    assert QuotaDraft.objects.get().changes[0]["max"] == {GPU: text}


def test_a_broken_rule_stands_at_the_field_with_both_numbers(client: Client, admin: User, team: QuotaNode) -> None:
    response = client.post(edit_url(team), {f"min.{GPU}": "16", f"max.{GPU}": "64"})
    html = response.content.decode()
    assert response.status_code == 422
    assert "64 is above 40" in field_error(html, f"max.{GPU}")
    assert "Keep it in the draft anyway" in html
    assert not QuotaDraft.objects.filter(changes__0__isnull=False).exists()


def test_a_max_typed_below_min_is_the_mistake_and_not_the_min(client: Client, admin: User, team: QuotaNode) -> None:
    html = client.post(edit_url(team), {f"min.{GPU}": "16", f"max.{GPU}": "4"}).content.decode()
    assert "Min nvidia.com/gpu 16 is above its own Max 4" in field_error(html, f"max.{GPU}")
    html = client.post(edit_url(team), {f"min.{GPU}": "33", f"max.{GPU}": "32"}).content.decode()
    assert "is above its own Max 32" in field_error(html, f"min.{GPU}")


def test_a_name_as_long_as_the_rule_allows_can_be_typed(client: Client, admin: User, tree: QuotaTree) -> None:
    name = "Speech_" + "x" * 58
    html = client.get(edit_url(get_root(tree), "add")).content.decode()
    assert 'maxlength="65"' in html
    assert client.post(edit_url(get_root(tree), "add"), {"name": name}).status_code == 302
    assert QuotaDraft.objects.get().changes[0]["name"] == name


def test_a_rule_of_another_node_stands_above_the_form(client: Client, admin: User, team: QuotaNode) -> None:
    make_quota(get_root(team.tree), "vision", min_gpus=20)
    html = client.post(edit_url(team), {f"min.{GPU}": "30", f"max.{GPU}": "32"}).content.decode()
    assert "<span>root: Min nvidia.com/gpu 40 is below 50, the sum of the children&#x27;s Min" in html


def test_the_limits_stand_at_the_field_before_anything_is_broken(client: Client, admin: User, team: QuotaNode) -> None:
    make_quota(get_root(team.tree), "vision", min_gpus=20)
    make_quota(team, "asr", min_gpus=4)
    html = client.get(edit_url(team)).content.decode()
    assert "Min at least 4, the sum of the children&#x27;s" in html
    assert "Min at most 20, what the parent has left" in html
    assert "Max at most 40, the ceiling above" in html
    below = client.get(edit_url(team, "add")).content.decode()
    assert "Min at most 12, what the parent has left" in below


def test_a_change_may_be_kept_although_it_breaks_a_rule(client: Client, admin: User, team: QuotaNode) -> None:
    response = client.post(edit_url(team), {f"min.{GPU}": "16", f"max.{GPU}": "64", "anyway": "1"})
    assert response.status_code == 302
    review = client.get(f"/quotas/{team.tree_id}/draft").content.decode()
    assert "64 is above 40" in review
    assert re.search(r"<button[^>]*disabled[^>]*>Apply", review)
    assert client.post(f"/quotas/{team.tree_id}/draft/apply").status_code == 422
    assert len(QuotaDraft.objects.get().changes) == 1


def test_a_new_node_comes_with_namespaces_and_group_in_one_step(client: Client, admin: User, tree: QuotaTree) -> None:
    make_group("speech-people")
    root = get_root(tree)
    values = {"name": "speech", f"min.{GPU}": "8", "namespaces": "speech, speech-eval", "group": "speech-people"}
    response = client.post(edit_url(root, "add"), values)
    assert response.status_code == 302
    assert "draft: new" in client.get("/quotas/").content.decode()
    assert client.post(f"/quotas/{tree.pk}/draft/apply").status_code == 302
    node = QuotaNode.objects.get(name="speech")
    assert (node.min, node.max, node.group.name if node.group else "") == ({GPU: "8"}, {}, "speech-people")
    assert {binding.namespace for binding in node.namespaces.all()} == {"speech", "speech-eval"}
    assert not QuotaDraft.objects.exists()
    assert AuditEvent.objects.filter(kind="quota-node.added", actor=admin).count() == 1


def test_a_node_of_the_draft_can_be_changed_before_it_exists(client: Client, admin: User, tree: QuotaTree) -> None:
    client.post(edit_url(get_root(tree), "add"), {"name": "speech", f"min.{GPU}": "8"})
    key = QuotaDraft.objects.get().changes[0]["key"]
    assert client.get(f"/quotas/{tree.pk}/nodes/{key}").status_code == 200
    assert client.post(f"/quotas/{tree.pk}/nodes/{key}/edit", {f"min.{GPU}": "4"}).status_code == 302
    assert client.post(f"/quotas/{tree.pk}/nodes/{key}/add", {"name": "asr"}).status_code == 302
    client.post(f"/quotas/{tree.pk}/draft/apply")
    assert QuotaNode.objects.get(name="speech").min == {GPU: "4"}
    parent = QuotaNode.objects.get(name="asr").parent
    assert parent is not None
    assert parent.name == "speech"


def test_a_bad_name_stands_at_the_name(client: Client, admin: User, tree: QuotaTree) -> None:
    html = client.post(edit_url(get_root(tree), "add"), {"name": "Not A Name"}).content.decode()
    assert "Not A Name" in field_error(html, "name")


def test_a_namespace_of_another_leaf_is_refused_at_the_field(client: Client, admin: User, team: QuotaNode) -> None:
    other = make_quota(get_root(team.tree), "vision")
    response = client.post(edit_url(other, "namespaces/new"), {"namespace": "nlp"})
    assert response.status_code == 422
    assert "nlp" in field_error(response.content.decode(), "namespace")


def test_a_namespace_that_exists_must_be_adopted(client: Client, admin: User, team: QuotaNode) -> None:
    make_namespace(team.cluster, "old")
    html = client.get(edit_url(team, "namespaces/new")).content.decode()
    assert '<option value="old">' in html
    refused = client.post(edit_url(team, "namespaces/new"), {"namespace": "old"})
    assert "adopt it" in field_error(refused.content.decode(), "namespace")
    assert client.post(edit_url(team, "namespaces/new"), {"namespace": "old", "adopt": "on"}).status_code == 302
    client.post(f"/quotas/{team.tree_id}/draft/apply")
    assert NamespaceBinding.objects.get(namespace="old").is_created is False


def test_move_rename_group_and_delete_travel_together(client: Client, admin: User, team: QuotaNode) -> None:
    make_group("nlp-people")
    research = make_quota(get_root(team.tree), "research", min_gpus=16, max_gpus=40)
    gone = make_quota(get_root(team.tree), "gone")
    assert client.post(edit_url(team, "move"), {"parent": str(research.pk)}).status_code == 302
    assert client.post(edit_url(team, "rename"), {"name": "language"}).status_code == 302
    assert client.post(edit_url(team, "group"), {"group": "nlp-people"}).status_code == 302
    assert client.post(edit_url(gone, "delete")).status_code == 302
    review = client.get(f"/quotas/{team.tree_id}/draft").content.decode()
    assert "root.research.language" in review
    assert client.post(f"/quotas/{team.tree_id}/draft/apply").status_code == 302
    team.refresh_from_db()
    assert (team.name, team.parent_id, team.group.name if team.group else "") == ("language", research.pk, "nlp-people")
    assert not QuotaNode.objects.filter(pk=gone.pk).exists()


def test_a_group_that_was_deleted_meanwhile_does_not_take_the_page_away(
    client: Client, admin: User, team: QuotaNode
) -> None:
    group = make_group("gone")
    client.post(edit_url(team, "group"), {"version": "1", "group": "gone"})
    group.delete()
    assert client.get(f"/quotas/?node={team.tree_id}:{team.pk}").status_code == 200


def test_free_namespaces_are_suggested_however_many_are_bound(
    client: Client, admin: User, team: QuotaNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontend.pages.quotas.editing.MOST_SUGGESTIONS", 2)
    for name in ("kube-system", "nlp", "speech", "vision"):
        make_namespace(team.tree.cluster, name)
    html = client.get(edit_url(team, "namespaces/new")).content.decode()
    assert re.findall(r'<option value="([^"]+)">', html) == ["speech", "vision"]


def test_a_node_cannot_be_moved_below_itself(client: Client, admin: User, team: QuotaNode) -> None:
    child = make_quota(team, "child")
    html = client.get(edit_url(team, "move")).content.decode()
    assert f'value="{child.pk}"' not in html
    assert client.post(edit_url(team, "move"), {"parent": str(child.pk)}).status_code == 422


def test_one_change_can_be_taken_out(client: Client, admin: User, team: QuotaNode) -> None:
    client.post(edit_url(team), {f"min.{GPU}": "8", f"max.{GPU}": "32"})
    client.post(edit_url(team, "rename"), {"name": "language"})
    client.post(f"/quotas/{team.tree_id}/draft/changes/0/remove")
    assert [change["kind"] for change in QuotaDraft.objects.get().changes] == ["rename-node"]


def test_a_draft_is_not_lost_by_one_wrong_click(client: Client, admin: User, team: QuotaNode) -> None:
    client.post(edit_url(team, "rename"), {"version": "1", "name": "language"})
    html = client.get("/quotas/").content.decode()
    buttons = re.findall(rf'action="/quotas/{team.tree_id}/draft/discard">(.*?)</form>', html, re.DOTALL)
    assert len(buttons) == 1
    assert "1 change to root is lost. The tree stays as it is." in buttons[0]
    assert re.search(r'<details class="menu">\s*<summary class="btn btn-bare">Discard</summary>', html)


def test_discarding_changes_nothing(client: Client, admin: User, team: QuotaNode) -> None:
    client.post(edit_url(team, "rename"), {"name": "language"})
    client.post(f"/quotas/{team.tree_id}/draft/discard")
    assert not QuotaDraft.objects.exists()
    assert QuotaNode.objects.get(pk=team.pk).name == "nlp"


def test_applying_an_empty_draft_does_nothing(client: Client, admin: User, tree: QuotaTree) -> None:
    assert client.post(f"/quotas/{tree.pk}/draft/apply").status_code == 302
    tree.refresh_from_db()
    assert tree.generation == 1


def test_two_admins_see_both_values_and_choose(client: Client, admin: User, team: QuotaNode) -> None:
    client.post(edit_url(team), {"version": "1", f"min.{GPU}": "8", f"max.{GPU}": "32"})
    change = ChangeNode(node=NodeKey(str(team.pk)), version=1, min={GPU: "12"})
    apply_changes(tree=team.tree, changes=[change], by=make_admin("eve"))
    refused = client.post(f"/quotas/{team.tree_id}/draft/apply")
    html = refused.content.decode()
    assert refused.status_code == 409
    assert "Somebody changed these nodes since you looked" in html
    assert "<strong>12</strong>" in html
    assert "<strong>8</strong>" in html
    assert "eve" in html
    assert client.post(f"/quotas/{team.tree_id}/draft/rebase").status_code == 302
    assert client.post(f"/quotas/{team.tree_id}/draft/apply").status_code == 302
    team.refresh_from_db()
    assert team.min == {GPU: "8"}


def test_a_form_opened_before_somebody_else_saved_is_a_conflict(client: Client, admin: User, team: QuotaNode) -> None:
    html = client.get(edit_url(team)).content.decode()
    assert re.search(r'name="version" value="1"', html)
    change = ChangeNode(node=NodeKey(str(team.pk)), version=1, min={GPU: "12"})
    apply_changes(tree=team.tree, changes=[change], by=make_admin("eve"))
    client.post(edit_url(team), {"version": "1", f"min.{GPU}": "8", f"max.{GPU}": "32", "anyway": "1"})
    assert client.post(f"/quotas/{team.tree_id}/draft/apply").status_code == 409


def test_running_pods_ask_for_the_name_of_the_tree(client: Client, admin: User, team: QuotaNode) -> None:
    make_pod(team.cluster, "bert-0", namespace="nlp")
    url = edit_url(team, "namespaces/nlp/unbind")
    assert client.post(url).status_code == 422
    assert client.post(url, {"anyway": "1"}).status_code == 302
    assert "to let them run on" in client.get(f"/quotas/{team.tree_id}/draft").content.decode()
    wrong = client.post(f"/quotas/{team.tree_id}/draft/apply", {"typed_name": "other"})
    assert wrong.status_code == 422
    assert "That is not the name of the tree" in wrong.content.decode()
    assert client.post(f"/quotas/{team.tree_id}/draft/apply", {"typed_name": "root"}).status_code == 302
    assert not NamespaceBinding.objects.exists()


def test_a_tree_is_created_from_the_empty_state(client: Client, admin: User) -> None:
    make_cluster()
    bad = client.post("/quotas/new", {"name": "root", f"min.{GPU}": "x"})
    assert bad.status_code == 422
    response = client.post("/quotas/new", {"name": "root", f"min.{GPU}": "40", f"max.{GPU}": "40"})
    assert response["Location"] == "/quotas/?cluster=prod-a"
    assert QuotaTree.objects.get().nodes.get().max == {GPU: "40"}
    assert "Syncing" in client.get("/quotas/").content.decode()


def test_a_tree_is_deleted_by_typing_its_name(client: Client, admin: User, team: QuotaNode) -> None:
    url = f"/quotas/{team.tree_id}/delete"
    assert "2 nodes" in client.get(url).content.decode()
    assert client.post(url, {"typed_name": "rot"}).status_code == 422
    assert QuotaTree.objects.get().deleting_at is None
    assert client.post(url, {"typed_name": "root"}).status_code == 302
    assert QuotaTree.objects.get().deleting_at is not None


def test_drafts_are_private(client: Client, admin: User, team: QuotaNode) -> None:
    change = ChangeNode(node=NodeKey(str(team.pk)), version=1, min={GPU: "12"})
    add_to_draft(tree=team.tree, author=make_admin("eve"), changes=[change])
    assert "Draft:" not in client.get("/quotas/").content.decode()


WRITES = (
    "/quotas/new", "/quotas/{tree}/delete", "/quotas/{tree}/retry", "/quotas/{tree}/draft/apply",
    "/quotas/{tree}/draft/discard", "/quotas/{tree}/draft/rebase", "/quotas/{tree}/draft/changes/0/remove",
    "/quotas/{tree}/nodes/{node}/edit", "/quotas/{tree}/nodes/{node}/add", "/quotas/{tree}/nodes/{node}/rename",
    "/quotas/{tree}/nodes/{node}/move", "/quotas/{tree}/nodes/{node}/delete", "/quotas/{tree}/nodes/{node}/group",
    "/quotas/{tree}/nodes/{node}/namespaces/new", "/quotas/{tree}/nodes/{node}/namespaces/nlp/unbind",
)  # fmt: skip


@pytest.mark.parametrize("route", WRITES)
def test_only_admins_write(client: Client, team: QuotaNode, route: str) -> None:
    url = route.format(tree=team.tree_id, node=team.pk)
    assert client.post(url)["Location"].startswith("/login")
    owner, outsider = make_user(), make_user()
    group = make_group(owners=(owner,))
    QuotaNode.objects.filter(pk=team.pk).update(group=group)
    for person in (owner, outsider):
        client.force_login(person)
        assert client.post(url).status_code == 403
        assert client.get(url).status_code == 403
