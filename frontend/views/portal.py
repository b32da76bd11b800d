"""The researcher's home."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from clusters.models import Cluster
from frontend.pages import portal as pages
from frontend.rendering import render_page
from frontend.views.on_cluster import on_cluster


@require_permission(Permission.PORTAL_VIEW)
@on_cluster("Home")
def home(request: SignedInRequest, cluster: Cluster) -> HttpResponse:
    page = pages.build_home(cluster=cluster, viewer=request.user, now=timezone.now())
    return render_page(request, "portal/home.html", page)
