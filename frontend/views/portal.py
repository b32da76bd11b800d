"""The researcher's home."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from frontend.chosen_cluster import get_chosen_cluster
from frontend.pages import portal as pages
from frontend.rendering import render_page
from frontend.views.without_cluster import render_without_cluster


@require_permission(Permission.PORTAL_VIEW)
def home(request: SignedInRequest) -> HttpResponse:
    cluster = get_chosen_cluster(request)
    if cluster is None:
        return render_without_cluster(request, title="Home")
    page = pages.build_home(cluster=cluster, viewer=request.user, now=timezone.now())
    return render_page(request, "portal/home.html", page)
