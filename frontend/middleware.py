"""What every reply goes through: errors of services become pages or htmx fragments, so that views hold no try/except; and text
is compressed on its way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import redis
import structlog
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

from aidashboard.kit.errors import AppError, ForbiddenError, MissingError, UnavailableError
from frontend.errors import describe_error
from frontend.htmx import find_page_address, find_target, is_fragment_request, is_refresh

REDIS_AWAY: Final = "Redis does not answer, and this can't be done without it."
SIGN_IN_HINT: Final = "Signing in needs it, to count wrong passwords; who is signed in stays so. Try again in a moment."

log = structlog.get_logger(__name__)


class ErrorPageMiddleware(MiddlewareMixin):
    """Turns an AppError that leaves a view into a page with its own status, or into a fragment when htmx asked.

    Also turns a redirect to the login page into one that htmx follows with the whole browser window: otherwise the login form
    of an ended session would appear inside a corner of the page.
    """

    def process_view(
        self, request: HttpRequest, view: object, arguments: Sequence[object], parameters: Mapping[str, object]
    ) -> None:
        # Names hold none, and PostgreSQL refuses to compare with one.
        if any("\x00" in str(value) for value in parameters.values()):
            raise Http404

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, redis.RedisError):
            # What can do without it does so where it asks; what gets here can't.
            log.error("redis_unavailable", error=type(exception).__name__)
            exception = UnavailableError(REDIS_AWAY, hint=SIGN_IN_HINT)
        if not isinstance(exception, AppError):
            return None
        response = _answer(request, exception)
        patch_vary_headers(response, ("HX-Request", "HX-Target"))
        return response

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not is_fragment_request(request) or response.status_code != HTTPStatus.FOUND:
            return response
        followed = HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": _find_way(request, response)})
        followed.cookies = response.cookies
        return followed


def _answer(request: HttpRequest, error: AppError) -> HttpResponse:
    context = {"error": describe_error(error), "target": find_target(request)}
    if is_refresh(request):
        if isinstance(error, MissingError | ForbiddenError):
            return render(request, "errors/region.html", context, status=error.status)
        # It asks again by itself, and the age of what it shows tells that it could not: a toast each time would bury the page.
        return HttpResponse(status=error.status, headers={"HX-Reswap": "none"})
    if is_fragment_request(request):
        # htmx leaves the page as it is and appends the toast; without these headers it would drop the reply.
        response = render(request, "errors/toast.html", context, status=error.status)
        response["HX-Retarget"] = "#toasts"
        response["HX-Reswap"] = "beforeend"
        return response
    return render(request, "errors/error.html", context, status=error.status)


def _find_way(request: HttpRequest, response: HttpResponse) -> str:
    """Where the window goes. After logging in a person comes back to the page they saw, not to the fragment that was refused."""
    location = response["Location"]
    if urlsplit(location).path != resolve_url(settings.LOGIN_URL):
        return location
    return redirect_to_login(find_page_address(request) or "/")["Location"]


class CompressionMiddleware(GZipMiddleware):
    """Pages and JSON go out compressed, as docs/adr/0010 weighs. The event stream does not: each of its events is a few bytes."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.get("Content-Type", "").startswith("text/event-stream"):
            return response
        return super().process_response(request, response)
