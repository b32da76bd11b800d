"""How a program proves who it is: a bearer token, or the session of a signed-in browser."""

from __future__ import annotations

from django.utils import timezone
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from accounts.models import User
from accounts.selectors import find_token


class BearerTokenAuthentication(authentication.BaseAuthentication):
    """`Authorization: Bearer aid_...`; a read-only token may only read."""

    def authenticate(self, request: Request) -> tuple[User, str] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = find_token(text=text.strip(), now=timezone.now())
        if token is None:
            raise exceptions.AuthenticationFailed("The token is unknown, expired or revoked.")
        if token.is_read_only and request.method not in {"GET", "HEAD", "OPTIONS"}:
            raise exceptions.PermissionDenied("This token may only read.")
        return token.user, token.name

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session with CSRF protection; a visitor without one gets 401, as with tokens."""

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def signed_in(request: Request) -> User:
    """The person behind a request that the permission check has let through."""
    if not isinstance(request.user, User):
        raise exceptions.NotAuthenticated
    return request.user
