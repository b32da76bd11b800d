"""Every route says for whom it is, and means it: walked as anonymous, outsider, member and admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.domain.roles import Permission
from tests.architecture.routes import AUDIENCES, Audience, Route, list_routes
from tests.architecture.world import World, build_world

ROUTES = {route.name: route for route in list_routes()}
CASES = [(route.name, method) for route in ROUTES.values() for method in route.methods]
LOGIN = "/login?next="
REFUSED = {401, 403, 404}
# What an admin's empty or senseless request to an existing route may be answered with.
UNDERSTOOD = {200, 201, 202, 204, 302, 303, 400, 405, 409, 415, 422, 503}


@pytest.fixture
def world(db: None, valkey: str) -> World:
    return build_world()


def test_every_route_has_a_name_of_its_own() -> None:
    names = [route.name for route in list_routes()]
    assert all(name and not name.endswith(":") for name in names)
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("name", ROUTES)
def test_every_route_declares_a_permission(name: str) -> None:
    route = ROUTES[name]
    if not route.is_api:
        assert hasattr(route.callback, "required_permission"), "decorate the view with @require_permission or @public"
        return
    by_action: dict[str, Permission] = getattr(route.view_class, "permissions_by_action", {})
    if not route.actions:
        assert isinstance(getattr(route.view_class, "required_permission", None), Permission)
        return
    missing = [
        action
        for action in route.actions.values()
        if not isinstance(by_action.get(action) or by_action.get("*"), Permission)
    ]
    assert not missing, "add these actions to permissions_by_action"


def test_every_route_has_an_audience_and_every_audience_a_route() -> None:
    assert set(CASES) == set(AUDIENCES), "say in tests/architecture/routes.py for whom the route is"


@pytest.mark.parametrize(("name", "method"), CASES, ids=[f"{name} {method}" for name, method in CASES])
def test_a_route_answers_each_person_as_it_should(name: str, method: str, world: World) -> None:
    route, audience = ROUTES[name], AUDIENCES[name, method]
    path = build_path(route, world)

    anonymous = ask(Client(), method, path)
    if audience == Audience.PUBLIC:
        assert not is_sent_to_login(anonymous)
        assert anonymous.status_code not in {401, 403, 500}
        return
    if route.is_api:
        assert anonymous.status_code == 401
    else:
        assert is_sent_to_login(anonymous)

    outsider = ask(sign_in(world.outsider), method, path)
    member = ask(sign_in(world.member), method, path)
    match audience:
        case Audience.ADMIN:
            assert (outsider.status_code, member.status_code) == (403, 403)
        case Audience.MEMBER:
            # A page that only reads says 405 to a POST, before it looks for the object.
            assert outsider.status_code in ({404} if method == "GET" or route.is_api else {404, 405})
            assert member.status_code not in REFUSED
            assert member.status_code < 500
        case _:
            assert outsider.status_code not in REFUSED
            assert member.status_code not in REFUSED
            assert max(outsider.status_code, member.status_code) < 500

    if name == "api:token-detail":
        return  # An admin has no way to another person's tokens.
    admin = ask(sign_in(world.admin), method, path)
    assert admin.status_code in UNDERSTOOD, getattr(admin, "content", b"")[:500]


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if route.is_api])
def test_an_api_answers_unknown_methods_with_405_and_a_problem(name: str, world: World) -> None:
    route = ROUTES[name]
    path = build_path(route, world)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - set(route.methods):
        response = ask(sign_in(world.admin), method, path)
        assert (response.status_code, response["Content-Type"]) == (405, "application/problem+json")
        assert response["Allow"]


def build_path(route: Route, world: World) -> str:
    if route.name == "api-unknown":
        return "/api/v1/nothing-here/"
    return reverse(route.name, kwargs={parameter: world.find(route.name, parameter) for parameter in route.parameters})


def sign_in(user: Any) -> Client:  # Any: django's own type of it is stricter than ours
    client = Client()
    client.force_login(user)
    return client


def ask(client: Client, method: str, path: str) -> Any:  # Any: the test client's responses carry more than HttpResponse
    client.raise_request_exception = False
    return client.generic(
        method,
        path,
        content_type="application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded",
    )


def is_sent_to_login(response: Any) -> bool:  # Any: as above
    return bool(response.status_code == 302 and response["Location"].startswith(LOGIN))
