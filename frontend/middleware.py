"""Errors of services become pages or htmx fragments here; views hold no try/except."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.deprecation import MiddlewareMixin

from aidashboard.kit.errors import AppError
from frontend.errors import describe_error

GetResponse = Callable[[HttpRequest], HttpResponse]


class ErrorPageMiddleware(MiddlewareMixin):
    """Turns an AppError that leaves a view into a page with its own status, or into a toast when htmx asked.

    Also turns a redirect to the login page into one that htmx follows with the whole browser window: otherwise the login form
    of an ended session would appear inside a corner of the page.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, AppError):
            return None
        context = {"error": describe_error(exception)}
        if _is_fragment_request(request):
            response = render(request, "errors/toast.html", context, status=exception.status)
            # htmx leaves the page as it is and appends the toast; without these it would drop the reply.
            response["HX-Retarget"] = "#toasts"
            response["HX-Reswap"] = "beforeend"
        else:
            response = render(request, "errors/error.html", context, status=exception.status)
        patch_vary_headers(response, ("HX-Request", "HX-Target"))
        return response

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if not _is_fragment_request(request) or response.status_code != HTTPStatus.FOUND:
            return response
        followed = HttpResponse(status=HTTPStatus.NO_CONTENT, headers={"HX-Redirect": response["Location"]})
        followed.cookies = response.cookies
        return followed


def _is_fragment_request(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"
