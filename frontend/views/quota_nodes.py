"""The forms that put a change of one node into the draft.

Each says what it proposes; `answer` does what all of them do. A form shows what its change would break before letting it in;
`anyway` puts it there all the same, since a later change of the draft may mend it. Applying the draft judges everything again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Unpack

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from frontend.drafting import Drafted, find_new_errors, read_drafted
from frontend.forms import quotas as forms
from frontend.forms.findings import show_findings
from frontend.pages.quotas import editing
from frontend.rendering import render_page
from quotas import selectors, services
from quotas.domain.changes import (
    TEMPORARY_PREFIX,
    AddNode,
    BindGroup,
    BindNamespace,
    Change,
    ChangeNode,
    DeleteNode,
    MoveNode,
    RenameNode,
    UnbindGroup,
    UnbindNamespace,
)
from quotas.domain.tree import Node, NodeKey
from quotas.errors import NodeMissingError
from quotas.models import QuotaTree


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedNode:
    """The node that a form is about, as the draft leaves it. `posted` is None while the form is only looked at."""

    tree: QuotaTree
    drafted: Drafted
    node: Node
    posted: QueryDict | None

    @property
    def key(self) -> NodeKey:
        return self.node.key

    @property
    def path(self) -> str:
        return self.drafted.after.path(self.node.key)

    @property
    def version(self) -> int | None:
        """The version that its author looks at; a node of the draft has none yet."""
        return self.node.version or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a form that was filled in asks for; no change when it says what is so already.

    `subject` is the path by which findings will call the node, `opens` the node to show afterwards, where they are not as before.
    """

    changes: Sequence[Change]
    subject: str = ""
    opens: NodeKey | None = None


def open_node(request: SignedInRequest, tree_id: int, key: str) -> OpenedNode:
    """Raises: TreeMissingError, NodeMissingError (404)."""
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    drafted = read_drafted(tree, author=request.user)
    if NodeKey(key) not in drafted.after:
        raise NodeMissingError("There is no such quota node, or your draft deletes it.")
    posted = request.POST if request.method == "POST" else None
    return OpenedNode(tree=tree, drafted=drafted, node=drafted.after.get(NodeKey(key)), posted=posted)


def answer(
    request: SignedInRequest,
    opened: OpenedNode,
    form: forms.DraftForm,
    propose: Callable[[], Proposal],
    **words: Unpack[editing.FormWords],
) -> HttpResponse:
    """Put what the form proposes into the draft and show the node; otherwise show the form, with what is wrong."""
    if opened.posted is not None and form.is_valid():
        proposal = propose()
        if not proposal.changes or is_kept(request, opened, form, proposal):
            return redirect(editing.node_url(opened.tree, proposal.opens or opened.key))
    page = editing.build_node_form(form, back_url=editing.node_url(opened.tree, opened.key), **words)
    return render_page(request, "quotas/node_form.html", page, status=422 if form.errors else 200)


def is_kept(request: SignedInRequest, opened: OpenedNode, form: forms.DraftForm, proposal: Proposal) -> bool:
    """Put the changes into the draft, unless they break a rule that the person has not been shown yet."""
    if "anyway" not in request.POST:
        errors = find_new_errors(opened.tree, author=request.user, changes=proposal.changes)
        if errors:
            form.show(errors, subject=proposal.subject or opened.path)
            return False
    with show_findings(form):
        services.add_to_draft(tree=opened.tree, author=request.user, changes=proposal.changes)
        messages.success(request, "In your draft. Nothing changes in the cluster until you apply it.")
    return not form.errors


@require_permission(Permission.QUOTA_CHANGE)
def node_edit(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    """Min and Max of a node."""
    opened = open_node(request, tree_id, key)
    resources = editing.list_resources(opened.drafted.after, opened.tree.cluster)
    form = forms.QuantitiesForm(
        opened.posted,
        initial={"version": opened.version},
        resources=resources,
        old_min=opened.node.min,
        old_max=opened.node.max,
        rules=editing.describe_rules(opened.drafted, opened.key, resources),
    )

    def propose() -> Proposal:
        change = ChangeNode(node=opened.key, version=form.read_version, min=form.edits("min"), max=form.edits("max"))
        return Proposal(changes=[change] if change.min or change.max else [])

    return answer(
        request,
        opened,
        form,
        propose,
        title=f"Min and Max of {opened.node.name}",
        sentence=f"{opened.path} on {opened.tree.cluster.name}. Min is guaranteed, Max is the ceiling; in between is borrowed.",
        has_amounts=True,
    )


@require_permission(Permission.QUOTA_CHANGE)
def node_add(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    """A new node below this one, at once with its namespaces and group."""
    opened = open_node(request, tree_id, key)
    resources = editing.list_resources(opened.drafted.after, opened.tree.cluster)
    form = forms.NodeAddForm(
        opened.posted,
        groups=editing.list_group_names(),
        resources=resources,
        rules=editing.describe_rules_below(opened.drafted, opened.key, resources),
    )

    def propose() -> Proposal:
        new = NodeKey(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}")
        changes = build_addition(form, key=new, parent=opened.key)
        return Proposal(changes=changes, subject=f"{opened.path}.{form.cleaned_data['name']}", opens=new)

    return answer(
        request,
        opened,
        form,
        propose,
        title=f"New node under {opened.node.name}",
        sentence=f"Below {opened.path} on {opened.tree.cluster.name}.",
        has_amounts=True,
    )


def build_addition(form: forms.NodeAddForm, *, key: NodeKey, parent: NodeKey) -> list[Change]:
    """The changes that make the node of the form."""
    changes: list[Change] = [
        AddNode(
            key=key,
            parent=parent,
            name=form.cleaned_data["name"],
            min=form.quantities("min"),
            max=form.quantities("max"),
        )
    ]
    adopt: bool = form.cleaned_data["adopt"]
    changes += [BindNamespace(node=key, namespace=name, adopt=adopt) for name in form.namespace_names]
    if form.cleaned_data["group"]:
        changes.append(BindGroup(node=key, group=form.cleaned_data["group"]))
    return changes


@require_permission(Permission.QUOTA_CHANGE)
def node_rename(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    opened = open_node(request, tree_id, key)
    form = forms.NameForm(opened.posted, initial={"version": opened.version, "name": opened.node.name})

    def propose() -> Proposal:
        name = form.cleaned_data["name"]
        change = RenameNode(node=opened.key, version=form.read_version, name=name)
        return Proposal(
            changes=[change] if name != opened.node.name else [],
            subject=f"{opened.path.removesuffix(opened.node.name)}{name}",
        )

    return answer(request, opened, form, propose, title=f"Rename {opened.node.name}")


@require_permission(Permission.QUOTA_CHANGE)
def node_move(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    opened = open_node(request, tree_id, key)
    parents = editing.list_parents(opened.drafted, opened.key)
    form = forms.MoveForm(opened.posted, initial={"version": opened.version}, parents=parents)

    def propose() -> Proposal:
        parent = NodeKey(form.cleaned_data["parent"])
        change = MoveNode(node=opened.key, version=form.read_version, parent=parent)
        subject = f"{opened.drafted.after.path(parent)}.{opened.node.name}"
        return Proposal(changes=[change], subject=subject)

    return answer(
        request,
        opened,
        form,
        propose,
        title=f"Move {opened.node.name}",
        sentence=f"Now at {opened.path}. Its queue keeps its name, and what runs goes on.",
    )


@require_permission(Permission.QUOTA_CHANGE)
def node_delete(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    """Nothing is lost before the draft is applied, so no name needs typing here."""
    opened = open_node(request, tree_id, key)
    form = forms.EmptyForm(opened.posted, initial={"version": opened.version})

    def propose() -> Proposal:
        change = DeleteNode(node=opened.key, version=form.read_version)
        return Proposal(changes=[change], opens=opened.node.parent)

    bound = ", ".join(binding.namespace for binding in opened.node.namespaces)
    return answer(
        request,
        opened,
        form,
        propose,
        title=f"Delete {opened.node.name}",
        sentence=f"{opened.path} and its queue go."
        + (f" Its namespaces stay, without a quota: {bound}." if bound else ""),
        submit_label="Delete in the draft",
        is_danger=True,
    )


@require_permission(Permission.QUOTA_CHANGE)
def namespace_bind(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    opened = open_node(request, tree_id, key)
    form = forms.NamespaceForm(opened.posted, initial={"version": opened.version})

    def propose() -> Proposal:
        namespace, adopt = form.cleaned_data["namespace"], form.cleaned_data["adopt"]
        change = BindNamespace(node=opened.key, version=form.read_version, namespace=namespace, adopt=adopt)
        return Proposal(changes=[change])

    return answer(
        request,
        opened,
        form,
        propose,
        title=f"Bind a namespace to {opened.node.name}",
        suggestions=editing.list_free_namespaces(opened.tree.cluster, opened.drafted.after),
    )


@require_permission(Permission.QUOTA_CHANGE)
def namespace_unbind(request: SignedInRequest, tree_id: int, key: str, namespace: str) -> HttpResponse:
    opened = open_node(request, tree_id, key)
    form = forms.EmptyForm(opened.posted, initial={"version": opened.version})

    def propose() -> Proposal:
        change = UnbindNamespace(node=opened.key, version=form.read_version, namespace=namespace)
        return Proposal(changes=[change])

    return answer(
        request,
        opened,
        form,
        propose,
        title=f"Unbind {namespace} from {opened.node.name}",
        sentence="The namespace stays in the cluster; new work in it has no quota and will not start.",
        submit_label="Unbind in the draft",
        is_danger=True,
    )


@require_permission(Permission.QUOTA_CHANGE)
def group_bind(request: SignedInRequest, tree_id: int, key: str) -> HttpResponse:
    """Give the leaf to a group, to another one, or to nobody."""
    opened = open_node(request, tree_id, key)
    old = opened.node.group or ""
    form = forms.GroupForm(
        opened.posted, initial={"version": opened.version, "group": old}, groups=editing.list_group_names()
    )

    def propose() -> Proposal:
        new: str = form.cleaned_data["group"]
        changes: list[Change] = []
        if old and new != old:
            changes.append(UnbindGroup(node=opened.key, version=form.read_version))
        if new and new != old:
            changes.append(BindGroup(node=opened.key, version=form.read_version, group=new))
        return Proposal(changes=changes)

    return answer(request, opened, form, propose, title=f"User group of {opened.node.name}")
