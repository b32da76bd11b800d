"""How one person likes the pages: theme, and the cluster that they look at."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts import services
from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from frontend.chosen_cluster import PARAMETER, get_chosen_cluster, remember_cluster
from frontend.context import THEME_COOKIE
from frontend.navigation import find_page_for_another_cluster

YEAR_SECONDS = 365 * 24 * 3600


@require_permission(Permission.SIGNED_IN)
@require_POST
def theme_change(request: SignedInRequest) -> HttpResponse:
    """Remember the theme with the person, and with the browser for its login page."""
    theme = request.POST.get("theme", "")
    services.set_theme(user=request.user, theme=theme)
    response = redirect(find_way_back(request))
    response.set_cookie(
        THEME_COOKIE, theme, max_age=YEAR_SECONDS, samesite="Lax", httponly=True, secure=request.is_secure()
    )
    return response


@require_permission(Permission.SIGNED_IN)
def cluster_choose(request: SignedInRequest) -> HttpResponse:
    """Remember a cluster and show it in the place where the person was."""
    cluster = get_chosen_cluster(request)
    way_back = find_way_back(request).partition("?")[0]
    if cluster is None:
        return redirect(way_back)
    remember_cluster(request, cluster)
    return redirect(f"{find_page_for_another_cluster(request.user, way_back)}?{PARAMETER}={cluster.name}")


def find_way_back(request: SignedInRequest) -> str:
    """The page that the form or link stood on, when it is one of ours."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) else "/"
