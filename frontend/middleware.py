"""Errors of services become pages or htmx fragments here; views hold no try/except."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from aidashboard.kit.errors import AppError

GetResponse = Callable[[HttpRequest], HttpResponse]


class ErrorPageMiddleware(MiddlewareMixin):
    """Turns an AppError that leaves a view into `errors/error.html` with its own status."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, AppError):
            return None
        return render(request, "errors/error.html", {"error": exception}, status=exception.status)
