"""The draft of a tree: what it would do, taking changes out, applying and discarding it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from frontend.drafting import list_changes
from frontend.forms.findings import show_findings
from frontend.forms.quotas import ApplyForm
from frontend.pages.quotas import drafts as pages
from frontend.rendering import render_page
from frontend.words import count_of
from quotas import selectors, services
from quotas.models import QuotaTree

OTHER_NAME = "That is not the name of the tree: nothing was applied."


@require_permission(Permission.QUOTA_CHANGE)
def draft_review(request: SignedInRequest, tree_id: int) -> HttpResponse:
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    page = pages.build_draft_review(tree, author=request.user, now=timezone.now())
    return render_page(request, "quotas/draft_review.html", page)


@require_permission(Permission.QUOTA_CHANGE)
@require_POST
def draft_apply(request: SignedInRequest, tree_id: int) -> HttpResponse:
    """Apply all of the draft; when that is refused, the review says why and the draft is kept."""
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    changes = list_changes(tree, author=request.user)
    if not changes:
        messages.info(request, "The draft is empty: there was nothing to apply.")
        return redirect(pages.list_url(tree))
    form = ApplyForm(request.POST)
    typed = form.cleaned_data["typed_name"] if form.is_valid() else ""
    with show_findings(form):
        services.apply_draft(tree=tree, author=request.user, confirmation=typed)
        messages.success(request, f"Saved: {count_of(len(changes), 'change')}. {tree.cluster.name} follows.")
    if not form.errors:
        return redirect(pages.list_url(tree))
    page = pages.build_draft_review(
        tree, author=request.user, now=timezone.now(), confirm_error=OTHER_NAME if typed not in {"", tree.name} else ""
    )
    return render_page(request, "quotas/draft_review.html", page, status=409 if page.conflicts else 422)


@require_permission(Permission.QUOTA_CHANGE)
@require_POST
def draft_remove(request: SignedInRequest, tree_id: int, position: int) -> HttpResponse:
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    services.remove_from_draft(tree=tree, author=request.user, position=position)
    return redirect(_back_to(tree, has_more=bool(list_changes(tree, author=request.user))))


@require_permission(Permission.QUOTA_CHANGE)
@require_POST
def draft_rebase(request: SignedInRequest, tree_id: int) -> HttpResponse:
    """Keep our changes on top of what somebody else did meanwhile; the review then shows the difference to that."""
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    services.rebase_draft(tree=tree, author=request.user)
    messages.success(request, "Your changes now stand on the newest version. Look at them once more, then apply.")
    return redirect(_back_to(tree, has_more=bool(list_changes(tree, author=request.user))))


@require_permission(Permission.QUOTA_CHANGE)
@require_POST
def draft_discard(request: SignedInRequest, tree_id: int) -> HttpResponse:
    tree = selectors.get_tree(tree_id=tree_id, viewer=request.user)
    services.discard_draft(tree=tree, author=request.user)
    messages.success(request, f"The draft of {tree.name} is discarded. Nothing was changed.")
    return redirect(pages.list_url(tree))


def _back_to(tree: QuotaTree, *, has_more: bool) -> str:
    return pages.review_url(tree) if has_more else pages.list_url(tree)
