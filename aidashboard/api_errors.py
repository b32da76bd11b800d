"""Errors of the REST API as problem+json (RFC 9457), in one place: nothing under /api/ ever answers HTML."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import structlog
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import resolve
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from accounts.permissions import public
from aidashboard.kit.errors import AppError

Problem = dict[str, Any]  # Any: JSON
PROBLEM_JSON = "application/problem+json"
API_PREFIX = "/api/"
DATABASE_AWAY = "The database does not answer, or took too long. Try again in a moment."
TITLES = {
    400: "The request can't be read.",
    403: "You may not do this.",
    404: "There is no such address in the API.",
    500: "Something went wrong on our side. Quote the request id when you report it.",
}
CODES = {400: "malformed", 403: "forbidden", 404: "missing", 500: "error"}

log = structlog.get_logger(__name__)


def handle_api_error(error: Exception, context: dict[str, Any]) -> Response | None:  # Any: DRF's own context
    """Turn an AppError or one of DRF's errors into a problem; anything else stays a crash (500, with its request id in the log)."""
    if isinstance(error, AppError):
        return _respond(_problem_of(error))
    if isinstance(error, OperationalError):
        log.error("database_unavailable", error=str(error))
        return _respond({"title": DATABASE_AWAY, "status": 503, "code": "unavailable"})
    response = exception_handler(error, context)
    if response is None:
        return None
    problem = _describe_framework_error(error, response)
    answer = _respond(problem)
    for header in ("WWW-Authenticate", "Retry-After", "Allow"):
        if header in response:
            answer[header] = response[header]
    return answer


def is_api_request(request: HttpRequest) -> bool:
    return request.path_info.startswith(API_PREFIX)


def build_problem_response(status_code: int, *, detail: str = "") -> HttpResponse:
    """A problem for what happens before or beside DRF: an unknown address, an unreadable request, a crash."""
    problem: Problem = {"title": TITLES[status_code], "status": status_code, "code": CODES[status_code]}
    if detail:
        problem["detail"] = detail
    return JsonResponse(_with_request_id(problem), status=status_code, content_type=PROBLEM_JSON)


@public
def answer_unknown_route(request: HttpRequest) -> HttpResponse:
    """Every address under /api/ that is no route. Routes end with a slash; forgetting it must not turn a POST into a GET."""
    with_slash = request.path_info + "/"
    is_slash_missing = not request.path_info.endswith("/") and not _leads_here(with_slash)
    return build_problem_response(404, detail=f"Write {with_slash}" if is_slash_missing else "")


def _leads_here(path: str) -> bool:
    return resolve(path).func is answer_unknown_route


def _problem_of(error: AppError) -> Problem:
    problem: Problem = {"title": error.message, "status": error.status, "code": error.code}
    if error.hint:
        problem["detail"] = error.hint
    if error.findings:
        problem["errors"] = [asdict(finding) for finding in error.findings]
    conflicts = error.list_conflicts()
    if conflicts:
        problem["conflicts"] = conflicts
    return problem


def _describe_framework_error(error: Exception, response: Response) -> Problem:
    problem: Problem = {"status": response.status_code, "code": _code_of(error, response.status_code)}
    if isinstance(error, exceptions.ValidationError):
        problem["title"] = "The request does not have the expected form."
        problem["errors"] = list(_flatten(response.data))
    else:
        data = response.data
        problem["title"] = str(data["detail"]) if isinstance(data, dict) and "detail" in data else str(error)
    return problem


def _code_of(error: Exception, status_code: int) -> str:
    """One name per kind of error, whether a service of ours or the framework found it."""
    return CODES.get(status_code) or str(getattr(error, "default_code", "error"))


def _flatten(data: Any, field: str = "") -> list[dict[str, str]]:  # Any: DRF nests lists and dicts at will
    if isinstance(data, dict):
        return [row for key, value in data.items() for row in _flatten(value, f"{field}.{key}" if field else str(key))]
    if isinstance(data, list) and any(isinstance(item, dict | list) for item in data):
        return [row for index, value in enumerate(data) for row in _flatten(value, f"{field}[{index}]")]
    if isinstance(data, list):
        return [{"field": field, "message": str(item)} for item in data]
    return [{"field": field, "message": str(data)}]


def _respond(problem: Problem) -> Response:
    code = problem.get("status", status.HTTP_400_BAD_REQUEST)
    return Response(_with_request_id(problem), status=code, content_type=PROBLEM_JSON)


def _with_request_id(problem: Problem) -> Problem:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {**problem, "request_id": request_id} if request_id else problem
