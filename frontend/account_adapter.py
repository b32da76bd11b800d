"""How allauth behaves here: accounts are made by admins, nobody signs up."""

from __future__ import annotations

from typing import Final

from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User

SWITCHED_OFF: Final = "This account is switched off. Ask your administrators."


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Login and logout, and nothing that would need another page."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Back to the login page; told only to somebody who knows the password."""
        messages.error(request, SWITCHED_OFF)
        return redirect("account_login")
