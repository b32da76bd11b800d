"""Every component with its variants on one page, in development only."""

from __future__ import annotations

from django.http import HttpResponse

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, require_permission
from frontend.pages.gallery import build_gallery
from frontend.rendering import render_page


@require_permission(Permission.SIGNED_IN)
def gallery(request: SignedInRequest) -> HttpResponse:
    return render_page(request, "shell/gallery.html", build_gallery())
