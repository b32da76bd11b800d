"""Login, logout, the start page and the jump box. Login and logout are allauth's; none of its other pages has a route."""

from __future__ import annotations

from allauth.account.views import LoginView, LogoutView
from django.http import HttpResponse
from django.shortcuts import redirect

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, public, require_permission
from frontend.jumping import find_destination
from frontend.navigation import build_rail

login = public(LoginView.as_view())
logout = public(LogoutView.as_view())


@require_permission(Permission.SIGNED_IN)
def home(request: SignedInRequest) -> HttpResponse:
    """Send everybody to the first page of their own rail."""
    rail = build_rail(request.user, current_area="", cluster_name="")
    return redirect(rail[0].url)


@require_permission(Permission.SIGNED_IN)
def jump(request: SignedInRequest) -> HttpResponse:
    """Go to the page that the search box names, otherwise to the list that can search for it."""
    text = request.GET.get("search", "").replace("\x00", "").strip()[:200]
    return redirect(find_destination(text, viewer=request.user))
