"""The one door that every route goes through.

A page view carries `@require_permission(...)` or `@public`; an API view set carries `permissions_by_action`. Both leave the
permission on the view, so that a test can walk the URL configuration and find the route that forgot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Final, TypeVar, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase

from accounts.domain.roles import Permission, is_allowed
from accounts.models import User
from aidashboard.kit.errors import ForbiddenError

View = TypeVar("View", bound=Callable[..., HttpResponseBase | Awaitable[HttpResponseBase]])
Marked = TypeVar("Marked", bound=Callable[..., object])
NOT_ALLOWED: Final = "Your role does not allow this."


class SignedInRequest(HttpRequest):
    """A request behind `@require_permission`: its user is a person."""

    user: User  # narrowed: anonymous visitors never get here


def has_permission(user: object, permission: Permission) -> bool:
    """Whether this user, who may be anonymous, holds the permission."""
    return isinstance(user, User) and user.is_active and is_allowed(user.role, permission)


def check_permission(user: object, permission: Permission) -> None:
    """Raises: ForbiddenError (403) when the user lacks the permission."""
    if not has_permission(user, permission):
        raise ForbiddenError(NOT_ALLOWED, hint="Ask an administrator of AI Dashboard.")


def require_permission(permission: Permission) -> Callable[[View], View]:
    """Guard a page: anonymous visitors are sent to the login page, others without the permission get a 403."""

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
                user = await request.auser()
                if not user.is_authenticated:
                    return redirect_to_login(request.get_full_path())
                check_permission(user, permission)
                return cast(HttpResponseBase, await view(request, *args, **kwargs))  # cast: a coroutine view

            return cast(View, _mark(guarded_async, permission))  # cast: the same call, guarded

        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            check_permission(request.user, permission)
            return cast(HttpResponseBase, view(request, *args, **kwargs))  # cast: a plain view

        return cast(View, _mark(guarded, permission))  # cast: the same call, guarded

    return decorate


def public(view: View) -> View:
    """Say that a page is for everybody."""
    return _mark(view, None)


def _mark(view: Marked, permission: Permission | None) -> Marked:
    view.required_permission = permission  # type: ignore[attr-defined]  # a function with an attribute of ours
    return view
