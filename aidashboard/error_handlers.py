"""What answers when no view does: problem+json under /api/, a page everywhere else."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from accounts.permissions import public
from aidashboard.api_errors import build_problem_response, is_api_request
from frontend.views import errors


@public
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return build_problem_response(400) if is_api_request(request) else errors.bad_request(request, exception)


@public
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return build_problem_response(403) if is_api_request(request) else errors.permission_denied(request, exception)


@public
def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return build_problem_response(404) if is_api_request(request) else errors.page_missing(request, exception)


@public
def server_error(request: HttpRequest) -> HttpResponse:
    return build_problem_response(500) if is_api_request(request) else errors.server_error(request)
