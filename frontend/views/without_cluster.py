"""What a page about a cluster answers while none is registered: the way to the first one."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse

from accounts.domain.roles import Permission
from accounts.permissions import SignedInRequest, has_permission
from frontend.rendering import render_page


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutCluster:
    title: str
    can_register: bool


def render_without_cluster(request: SignedInRequest, *, title: str) -> HttpResponse:
    page = WithoutCluster(title=title, can_register=has_permission(request.user, Permission.CLUSTER_CHANGE))
    return render_page(request, "clusters/none.html", page)
