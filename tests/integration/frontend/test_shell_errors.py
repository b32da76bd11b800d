"""What people see when something goes wrong."""

from __future__ import annotations

import gzip

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import DjangoAssertNumQueries

from aidashboard.kit.errors import ConflictError, Finding, ForbiddenError, InvalidError, MissingError, UnavailableError
from frontend.middleware import ErrorPageMiddleware
from frontend.views.errors import server_error
from tests.factories.clusters import make_cluster
from tests.factories.people import make_admin, make_user

pytestmark = pytest.mark.django_db


def build_request(**headers: str) -> HttpRequest:
    request = RequestFactory().get("/quotas/", headers=headers)
    request.user = make_user()
    request.session = {}  # type: ignore[assignment]  # nothing of it is asked for
    request.resolver_match = None
    return request


def handle(error: Exception, **headers: str) -> HttpResponse:
    middleware = ErrorPageMiddleware(lambda request: HttpResponse())
    response = middleware.process_exception(build_request(**headers), error)
    assert response is not None
    return response


@pytest.mark.parametrize(
    ("kind", "status"),
    [(InvalidError, 422), (ForbiddenError, 403), (MissingError, 404), (ConflictError, 409), (UnavailableError, 503)],
)
def test_an_error_of_a_service_becomes_a_page_with_its_status(kind: type[InvalidError], status: int) -> None:
    response = handle(kind("Min 12 is too small.", hint="Raise it.", findings=[Finding(rule="V1", message="twice")]))
    html = response.content.decode()
    assert response.status_code == status
    assert "Min 12 is too small." in html
    assert "Raise it." in html
    assert "twice" in html


def test_htmx_gets_a_toast_and_leaves_the_page_alone() -> None:
    response = handle(ConflictError("Somebody was faster."), **{"HX-Request": "true", "HX-Target": "quota-page"})
    assert response.status_code == 409
    assert response["HX-Retarget"] == "#toasts"
    assert response["HX-Reswap"] == "beforeend"
    assert "<html" not in response.content.decode()


def refresh(target: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target, "HX-Trigger": target}


def test_a_live_element_whose_subject_is_gone_says_so_once_and_asks_no_more() -> None:
    response = handle(MissingError("There is no such workload."), **refresh("workload"))
    html = response.content.decode()
    assert response.status_code == 404
    assert "HX-Retarget" not in response
    assert html.strip().startswith('<div id="workload">')
    assert "There is no such workload." in html
    assert "hx-get" not in html
    assert "data-aid-topics" not in html


def test_a_live_element_that_could_not_be_refreshed_stays_as_it_is_without_a_word() -> None:
    response = handle(UnavailableError("The database is away."), **refresh("quota-page"))
    assert response.status_code == 503
    assert response["HX-Reswap"] == "none"
    assert not response.content


def test_an_element_that_names_itself_oddly_is_no_markup() -> None:
    assert "<b>" not in handle(MissingError("Gone."), **refresh("<b>")).content.decode()


def test_a_crash_shows_a_page_that_reads_no_row(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        response = server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert "Something broke on our side" in response.content.decode()


def test_an_unknown_address_is_a_404_with_the_request_id(client: Client) -> None:
    client.force_login(make_admin())
    response = client.get("/no-such-page")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()
    assert "request <code>" in response.content.decode()


def test_an_unknown_address_tells_a_visitor_as_much(client: Client) -> None:
    response = client.get("/no-such-page")
    assert response.status_code == 404
    assert 'class="rail"' not in response.content.decode()


def test_a_forged_form_is_refused_in_words() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_admin())
    response = client.post("/preferences/theme", {"theme": "dark"})
    assert response.status_code == 403
    assert "The form had expired" in response.content.decode()


def test_an_ended_session_moves_the_whole_window_not_a_corner_of_the_page(client: Client) -> None:
    response = client.get("/quotas/", headers={"HX-Request": "true", "HX-Target": "quota-page"})
    assert response.status_code == 204
    assert response["HX-Redirect"].startswith("/login?next=")


def test_after_logging_in_again_a_person_is_back_on_their_page_and_not_on_a_part_of_it(client: Client) -> None:
    headers = {
        "HX-Request": "true",
        "HX-Target": "shell-status",
        "HX-Trigger": "shell-status",
        "HX-Current-URL": "http://testserver/quotas/?search=x",
    }
    response = client.get("/live/status?cluster=prod-a", headers=headers)
    assert response["HX-Redirect"] == "/login?next=/quotas/%3Fsearch%3Dx"
    headers["HX-Current-URL"] = "http://elsewhere.example/quotas/"
    assert client.get("/live/status", headers=headers)["HX-Redirect"] == "/login?next=/"


@pytest.mark.parametrize(
    "address",
    [
        "/workloads/%00",
        "/nodes/%00",
        "/nodes/%00/peek",
        "/people/users/%00",
        "/people/groups/%00",
    ],
)
def test_a_name_that_no_database_takes_is_a_404(client: Client, address: str) -> None:
    make_cluster()
    client.force_login(make_admin())
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/workloads/?namespace=%00",
        "/workloads/?person=%00&queue=%00",
        "/audit/?kind=%00&actor=%00&subject=%00",
        "/sync/?kind=%00&state=%00",
        "/people/users?role=%00",
        "/nodes/?pool=%00&sort=%00",
    ],
)
def test_a_filter_that_no_database_takes_filters_nothing(client: Client, address: str) -> None:
    make_cluster()
    client.force_login(make_admin())
    assert client.get(address).status_code == 200


def test_a_download_that_cannot_be_made_is_an_error_page_and_no_broken_file(client: Client) -> None:
    make_cluster()
    client.force_login(make_admin())
    response = client.get("/workloads/?state=bogus&format=csv")
    assert response.status_code == 422
    assert "is none of waiting" in response.content.decode()


def test_a_page_goes_out_compressed_where_the_browser_can_read_it(client: Client) -> None:
    make_cluster()
    client.force_login(make_admin())
    plain, packed = client.get("/overview/"), client.get("/overview/", headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in plain["Vary"]
    assert len(packed.content) < len(plain.content) / 3
    assert "Overview" in gzip.decompress(packed.content).decode()


def test_a_researcher_is_told_that_a_page_is_not_theirs(client: Client) -> None:
    client.force_login(make_user())
    response = client.get("/people/users")
    assert response.status_code == 403
    assert "Your role does not allow this." in response.content.decode()
