"""Roles through the host: each role at each route, with the headers that Easy Auth makes, and with the same where it is off."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

import function_app
from shared.operations.roles import INCLUDES, OPEN, ROLES, Role
from tests.devhost.running import Host, Reply, hosting
from tests.operations.test_roles import FUNCTIONS
from tests.support.bridge import JSON, ROOT, settings
from tests.support.principals import signed_in
from tests.triggers.test_skills import error_of

NOBODY = "nobody-s"
ROLE_SETS: dict[str, tuple[str, ...]] = {"no role": (), "a role of another app": ("Reader",)} | {
    role.value: (role.value,) for role in Role
}


def routes() -> dict[str, str]:
    """By function, with names that nothing has."""
    triggers: dict[str, Any] = {
        str(f.get_function_name()): f.get_trigger() for f in function_app.create_app().get_functions()
    }
    return {name: re.sub(r"\{\*?\w+\}", NOBODY, str(triggers[name].route)) for name in FUNCTIONS}


ROUTES = routes()


@pytest.fixture(scope="module")
def cloud(azurite: str, simulated: str) -> Iterator[Host]:
    """Easy Auth is on; the host's keys are off, for whatever comes through has been let through."""
    with hosting(ROOT, **settings(azurite, simulated), WEBSITE_AUTH_ENABLED="True") as host:
        yield host


@pytest.fixture(scope="module")
def laptop(azurite: str, simulated: str) -> Iterator[Host]:
    with hosting(ROOT, **settings(azurite, simulated)) as host:
        yield host


def call(host: Host, function: str, headers: dict[str, str]) -> Reply:
    [method] = FUNCTIONS[function]
    body = b"{}" if method in ("PUT", "PATCH", "POST") else None
    return host.call(method, f"/{ROUTES[function].removeprefix('/')}", body, {**JSON, **headers})


@pytest.mark.parametrize("roles", ROLE_SETS.values(), ids=ROLE_SETS)
@pytest.mark.parametrize("function", sorted(ROLES))
def test_a_role_opens_what_it_includes_and_nothing_else(cloud: Host, function: str, roles: tuple[str, ...]) -> None:
    needed = ROLES[function]
    is_enough = any(role in roles and needed in INCLUDES[role] for role in Role)

    reply = call(cloud, function, signed_in(*roles))

    assert (reply.status != 403) == is_enough, reply.body
    if not is_enough:
        assert error_of(reply)["code"] == reply.headers["x-ms-error-code"] == "Forbidden"
        assert needed in error_of(reply)["message"]
        assert "ada@contoso.example" not in str(reply.json)


@pytest.mark.parametrize("function", sorted(ROLES))
def test_without_easy_auth_nobody_s_headers_are_believed(laptop: Host, function: str) -> None:
    assert call(laptop, function, signed_in()).status not in (401, 403)


@pytest.mark.parametrize("function", sorted(set(ROLES) - {"get_data", "get_instance_data", "query_data"}))
def test_who_brought_a_key_of_the_hosts_needs_no_role(cloud: Host, function: str) -> None:
    assert call(cloud, function, {}).status not in (401, 403)


@pytest.mark.parametrize("headers", [{"X-MS-CLIENT-PRINCIPAL-ID": "an-id"}, {"X-MS-CLIENT-PRINCIPAL": "!"}])
def test_a_principal_that_cannot_be_read_has_no_role(cloud: Host, headers: dict[str, str]) -> None:
    assert call(cloud, "get_data", headers).status == 403
    assert call(cloud, "list_skills", headers).status == 403


@pytest.mark.parametrize("function", sorted(OPEN))
def test_health_and_the_pages_are_for_everybody(cloud: Host, function: str) -> None:
    assert call(cloud, function, signed_in()).status in (200, 302)
