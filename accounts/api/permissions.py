"""The API's side of the permission module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.domain.roles import Permission
from accounts.permissions import NOT_ALLOWED, has_permission

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it loads this very class as a default: a cycle at run time


class RoutePermission(BasePermission):
    """Allows what the view says in `permissions_by_action` (view sets, keyed by action; `"*"` for all) or in
    `required_permission` (plain views). A view that says neither is closed."""

    message = NOT_ALLOWED

    def has_permission(self, request: Request, view: APIView) -> bool:
        is_unmapped = hasattr(view, "action_map") and getattr(view, "action", None) in {None, "metadata"}
        if is_unmapped and request.user.is_authenticated:
            # There is no action behind this method, so there is no right to lack: 405 says more than 403.
            raise MethodNotAllowed(request.method or "")
        permission = find_route_permission(view)
        return permission is not None and has_permission(request.user, permission)


def find_route_permission(view: APIView) -> Permission | None:
    """The permission of the action that a request to this view will run."""
    by_action: dict[str, Permission] = getattr(view, "permissions_by_action", {})
    action = getattr(view, "action", None) or ""
    return by_action.get(action) or by_action.get("*") or getattr(view, "required_permission", None)
