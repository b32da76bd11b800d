"""Routes of quota trees and drafts. A node's key is its number, or `new-...` while only a draft knows it."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.views import quota_drafts, quota_nodes, quotas

app_name = "quotas"
urlpatterns: list[URLPattern] = [
    path("", quotas.quota_list, name="quota-list"),
    path("new", quotas.tree_create, name="tree-create"),
    path("<int:tree_id>/delete", quotas.tree_delete, name="tree-delete"),
    path("<int:tree_id>/retry", quotas.tree_retry, name="tree-retry"),
    path("<int:tree_id>/draft", quota_drafts.draft_review, name="draft-review"),
    path("<int:tree_id>/draft/apply", quota_drafts.draft_apply, name="draft-apply"),
    path("<int:tree_id>/draft/discard", quota_drafts.draft_discard, name="draft-discard"),
    path("<int:tree_id>/draft/rebase", quota_drafts.draft_rebase, name="draft-rebase"),
    path("<int:tree_id>/draft/changes/<int:position>/remove", quota_drafts.draft_remove, name="draft-remove"),
    path("<int:tree_id>/nodes/<slug:key>", quotas.node_detail, name="node-detail"),
    path("<int:tree_id>/nodes/<slug:key>/edit", quota_nodes.node_edit, name="node-edit"),
    path("<int:tree_id>/nodes/<slug:key>/add", quota_nodes.node_add, name="node-add"),
    path("<int:tree_id>/nodes/<slug:key>/rename", quota_nodes.node_rename, name="node-rename"),
    path("<int:tree_id>/nodes/<slug:key>/move", quota_nodes.node_move, name="node-move"),
    path("<int:tree_id>/nodes/<slug:key>/delete", quota_nodes.node_delete, name="node-delete"),
    path("<int:tree_id>/nodes/<slug:key>/group", quota_nodes.group_bind, name="group-bind"),
    path("<int:tree_id>/nodes/<slug:key>/namespaces/new", quota_nodes.namespace_bind, name="namespace-bind"),
    path(
        "<int:tree_id>/nodes/<slug:key>/namespaces/<slug:namespace>/unbind",
        quota_nodes.namespace_unbind,
        name="namespace-unbind",
    ),
]
