"""Errors of the REST API as problem+json (RFC 9457), in one place."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from aidashboard.kit.errors import AppError

Problem = dict[str, Any]  # Any: JSON
PROBLEM_JSON = "application/problem+json"


def handle_api_error(error: Exception, context: dict[str, Any]) -> Response | None:  # Any: DRF's own context
    """Turn an AppError or one of DRF's errors into a problem; anything else stays a crash (500, with its request id in the log)."""
    if isinstance(error, AppError):
        return _respond(_problem_of(error))
    response = exception_handler(error, context)
    if response is None:
        return None
    problem = _describe_framework_error(error, response)
    answer = _respond(problem)
    for header in ("WWW-Authenticate", "Retry-After", "Allow"):
        if header in response:
            answer[header] = response[header]
    return answer


def _problem_of(error: AppError) -> Problem:
    problem: Problem = {"title": error.message, "status": error.status, "code": error.code}
    if error.hint:
        problem["detail"] = error.hint
    if error.findings:
        problem["errors"] = [
            {
                "field": finding.field,
                "value": finding.value,
                "rule": finding.rule,
                "subject": finding.subject,
                "message": finding.message,
            }
            for finding in error.findings
        ]
    return problem


def _describe_framework_error(error: Exception, response: Response) -> Problem:
    problem: Problem = {"status": response.status_code, "code": _code_of(error)}
    if isinstance(error, exceptions.ValidationError):
        problem["title"] = "The request does not have the expected form."
        problem["errors"] = list(_flatten(response.data))
    else:
        data = response.data
        problem["title"] = str(data["detail"]) if isinstance(data, dict) and "detail" in data else str(error)
    return problem


def _code_of(error: Exception) -> str:
    if isinstance(error, exceptions.ValidationError):
        return "malformed"
    if isinstance(error, Http404):
        return "missing"
    if isinstance(error, PermissionDenied):
        return "forbidden"
    return str(getattr(error, "default_code", "error"))


def _flatten(data: Any, field: str = "") -> list[dict[str, str]]:  # Any: DRF nests lists and dicts at will
    if isinstance(data, dict):
        return [row for key, value in data.items() for row in _flatten(value, f"{field}.{key}" if field else str(key))]
    if isinstance(data, list) and any(isinstance(item, dict | list) for item in data):
        return [row for index, value in enumerate(data) for row in _flatten(value, f"{field}[{index}]")]
    if isinstance(data, list):
        return [{"field": field, "message": str(item)} for item in data]
    return [{"field": field, "message": str(data)}]


def _respond(problem: Problem) -> Response:
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id:
        problem["request_id"] = request_id
    return Response(problem, status=problem.get("status", status.HTTP_400_BAD_REQUEST), content_type=PROBLEM_JSON)
