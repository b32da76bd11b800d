"""The page behind a crash. It leans on nothing that may have caused it: no database, no session, no shell."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from accounts.permissions import public
from frontend.errors import describe_status


@public
def server_error(request: HttpRequest) -> HttpResponse:
    context = {
        "error": describe_status(500),
        "request_id": structlog.contextvars.get_contextvars().get("request_id", ""),
        "theme": {"value": "light", "follows_system": True},
    }
    return HttpResponse(render_to_string("errors/standalone.html", context), status=500)


@public
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 400)


@public
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 403)


@public
def page_missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, 404)


@public
def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "errors/error.html", {"error": describe_status(403, code="csrf")}, status=403)


def _answer(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, "errors/error.html", {"error": describe_status(status)}, status=status)
