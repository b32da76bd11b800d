"""Nothing under /api/ answers HTML: every error is a problem with title, status and code."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import path
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.domain.roles import Permission
from aidashboard import urls
from aidashboard.kit.errors import (
    AppError,
    ConflictError,
    Finding,
    ForbiddenError,
    InvalidError,
    MissingError,
    UnavailableError,
)
from tests.factories.people import make_admin

pytestmark = pytest.mark.django_db


class FailingView(APIView):
    """Raises what the test puts here."""

    required_permission = Permission.SIGNED_IN
    error: Exception

    def get(self, request: Request) -> Response:
        raise self.error


urlpatterns = [path("api/v1/failing/", FailingView.as_view()), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


@pytest.fixture
def client() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(make_admin())
    return client


def assert_problem(response: Any, status: int) -> dict[str, Any]:  # Any: the test client's response, and JSON
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    problem = json.loads(response.content)
    assert problem["status"] == status
    assert problem["title"]
    assert problem["code"]
    return dict(problem)


def fail_with(client: Client, error: Exception) -> Any:  # Any: as above
    FailingView.error = error
    with override_settings(ROOT_URLCONF=__name__):
        return client.get("/api/v1/failing/")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidError("x"), 422),
        (ForbiddenError("x"), 403),
        (MissingError("x"), 404),
        (ConflictError("x"), 409),
        (UnavailableError("x"), 503),
        (AppError("x"), 500),
        (exceptions.Throttled(wait=3), 429),
        (exceptions.ValidationError({"name": ["wrong"]}), 400),
        (OperationalError("the connection is gone"), 503),
        (RuntimeError("secret detail"), 500),
    ],
)
def test_every_error_is_a_problem_with_its_status(client: Client, error: Exception, status: int) -> None:
    problem = assert_problem(fail_with(client, error), status)
    assert "secret detail" not in str(problem)
    assert "the connection is gone" not in str(problem)
    assert problem["request_id"]


@pytest.mark.parametrize(
    ("ours", "theirs", "code"),
    [
        (ForbiddenError("x"), exceptions.PermissionDenied(), "forbidden"),
        (MissingError("x"), exceptions.NotFound(), "missing"),
    ],
)
def test_an_error_has_one_name_whoever_finds_it(client: Client, ours: Exception, theirs: Exception, code: str) -> None:
    assert fail_with(client, ours).json()["code"] == code
    assert fail_with(client, theirs).json()["code"] == code


def test_throttling_says_when_to_come_back(client: Client) -> None:
    assert fail_with(client, exceptions.Throttled(wait=3))["Retry-After"] == "3"


def test_findings_are_one_error_each(client: Client) -> None:
    message = "vision: Max 4 is below Min 8"
    findings = [
        Finding(rule="max", field="max", value="4", subject="vision", message=message),
        Finding(rule="kueue-missing", message="Kueue is not installed", is_warning=True),
    ]
    problem = assert_problem(fail_with(client, InvalidError("no", hint="raise it", findings=findings)), 422)
    assert problem["detail"] == "raise it"
    error, warning = problem["errors"]
    assert error == {
        "field": "max",
        "value": "4",
        "rule": "max",
        "subject": "vision",
        "message": message,
        "is_warning": False,
    }
    assert warning["is_warning"] is True
    assert "conflicts" not in problem


def test_nested_shape_errors_name_their_field(client: Client) -> None:
    error = exceptions.ValidationError({"nodes": [{}, {"min": ["A valid integer is required."]}]})
    problem = assert_problem(fail_with(client, error), 400)
    assert problem["errors"] == [{"field": "nodes[1].min", "message": "A valid integer is required."}]


def test_an_unknown_address_is_a_problem(client: Client) -> None:
    assert_problem(client.get("/api/v1/nothing/"), 404)
    assert_problem(client.get("/api/"), 404)
    assert_problem(Client().get("/api/v2/users/"), 404)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_forgotten_slash_is_told_and_not_redirected(client: Client, method: str) -> None:
    problem = assert_problem(client.generic(method, "/api/v1/users"), 404)
    assert problem["detail"] == "Write /api/v1/users/"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"<x/>", "text/xml", 415),
    ],
)
def test_what_can_not_be_read_is_a_problem(client: Client, body: bytes, content_type: str, status: int) -> None:
    assert_problem(client.generic("POST", "/api/v1/groups/", data=body, content_type=content_type), status)


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_a_body_that_is_too_large_is_a_problem(client: Client) -> None:
    assert_problem(client.generic("POST", "/api/v1/groups/", data=b" " * 100, content_type="application/json"), 400)


def test_a_person_without_the_right_and_nobody_at_all_get_problems(client: Client) -> None:
    nobody = Client().get("/api/v1/users/")
    assert_problem(nobody, 401)
    assert nobody["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "query",
    ["?page=0", "?page=999", "?page=x", "?page=1%00"],
)
def test_a_page_that_is_not_there_is_a_problem(client: Client, query: str) -> None:
    assert_problem(client.get(f"/api/v1/users/{query}"), 404)


@pytest.mark.parametrize(
    "address", ["users/?search=%00", "workloads/?namespace=%00", "workloads/?state=dreaming", "audit-events/?since=x"]
)
def test_a_filter_that_makes_no_sense_is_a_problem(client: Client, address: str) -> None:
    assert_problem(client.get(f"/api/v1/{address}"), 400)


@pytest.mark.parametrize("size", ["0", "-1", "x", "100000"])
def test_a_page_size_out_of_bounds_becomes_a_sensible_one(client: Client, size: str) -> None:
    assert client.get(f"/api/v1/users/?page_size={size}").status_code == 200


def test_an_answer_in_another_format_is_refused_as_a_problem(client: Client) -> None:
    assert_problem(client.get("/api/v1/users/", headers={"Accept": "text/csv"}), 406)


def test_pages_still_answer_with_pages(client: Client) -> None:
    response = client.get("/nothing-here")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
