"""The small fragments that the shell keeps fresh by itself: age and sync state of the cluster, and the sandbox's construction."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, public, require_permission


@require_permission(Permission.SIGNED_IN)
@never_cache
def shell_status(request: SignedInRequest) -> HttpResponse:
    """Age of the data and the count of objects on their way. Its data is the shell's own."""
    return render(request, "shell/status.html")


@public
@never_cache
def construction(request: HttpRequest) -> HttpResponse:
    """The banner that tells how the building of the demo's cluster goes. For everybody: the demo opens on the login page."""
    return render(request, "shell/construction.html")
