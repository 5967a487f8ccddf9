"""What is asked of Azure Resource Manager, what comes of its answers, and where its token never goes."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from shared.aml.arm import EndpointToken, OnlineEndpoint, ResourceManager
from shared.skills.addresses import EndpointId
from shared.skills.failures import Kind
from shared.skills.gateway import AttemptFailed
from simulator.app import Simulator, create_app
from tests.aml.fakes import ENDPOINT, MANAGEMENT, FakeArm, FakeIdentity, endpoint_json, resource_manager
from tests.support.bridge import SUBSCRIPTION

BASE = f"{MANAGEMENT}{ENDPOINT.path}"


async def failed(attempt: Awaitable[object]) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as raised:
        await attempt
    return raised.value


def deployment(name: str = "blue", instances: int | None = 1, concurrent: int | None = 10) -> dict[str, Any]:
    return {
        "name": name,
        "sku": None if instances is None else {"name": "Default", "capacity": instances},
        "properties": {"requestSettings": {"maxConcurrentRequestsPerInstance": concurrent}},
    }


# Requests


@pytest.mark.parametrize(
    ("ask", "method", "path", "answer"),
    [
        (lambda arm: arm.online_endpoint(ENDPOINT), "GET", "", endpoint_json()),
        (lambda arm: arm.primary_key(ENDPOINT), "POST", "/listKeys", {"primaryKey": "k", "secondaryKey": "s"}),
        (lambda arm: arm.endpoint_token(ENDPOINT), "POST", "/token", {"accessToken": "t", "expiryTimeUtc": 1}),
        (lambda arm: arm.capacity(ENDPOINT, "blue"), "GET", "/deployments", {"value": []}),
    ],
    ids=["endpoint", "listKeys", "token", "deployments"],
)
async def test_request(
    ask: Callable[[ResourceManager], Awaitable[object]], method: str, path: str, answer: dict[str, Any]
) -> None:
    arm = FakeArm({"language": answer, "listKeys": answer, "token": answer, "deployments": answer})

    await ask(resource_manager(arm))

    (request,) = arm.requests
    assert request.method == method
    assert str(request.url) == f"{BASE}{path}?api-version=2025-12-01"
    assert request.headers["authorization"] == f"Bearer {MANAGEMENT}#1"
    assert request.content == b""
    assert request.headers.get("content-length") == ("0" if method == "POST" else None)


# Answers


@pytest.mark.parametrize(
    ("given", "read"),
    [("Key", "key"), ("AMLToken", "amltoken"), ("aml_token", "amltoken"), ("AADToken", "aadtoken"), (None, "")],
)
async def test_authentication_mode_in_every_spelling(given: str | None, read: str) -> None:
    answer = endpoint_json()
    answer["properties"]["authMode"] = given

    found = await resource_manager(FakeArm({"language": answer})).online_endpoint(ENDPOINT)

    assert found.auth_mode == read


async def test_endpoint_with_nulls_as_live_answers_have_them() -> None:
    answer = {"location": None, "properties": {"authMode": "Key", "scoringUri": None, "traffic": None}}

    found = await resource_manager(FakeArm({"language": answer})).online_endpoint(ENDPOINT)

    assert found == OnlineEndpoint("key", "", "", {})


async def test_token_with_the_time_to_renew_it() -> None:
    arm = FakeArm({"token": {"accessToken": "t", "expiryTimeUtc": 2000, "refreshAfterTimeUtc": 1500}})

    assert await resource_manager(arm).endpoint_token(ENDPOINT) == EndpointToken("t", 1500)


@pytest.mark.parametrize(
    ("deployments", "capacity"),
    [
        ([deployment(instances=1, concurrent=10)], 20),
        ([deployment(instances=3, concurrent=2)], 12),
        ([deployment(instances=2, concurrent=None)], 4),
        ([deployment(instances=None)], None),
        ([deployment("green", 50)], None),
        ([deployment(), deployment("green", 50)], 20),
        ([], None),
    ],
)
async def test_capacity_counts_what_gets_traffic(deployments: list[Any], capacity: float | None) -> None:
    arm = FakeArm({"language": endpoint_json(), "deployments": {"value": deployments}})

    assert await resource_manager(arm).capacity(ENDPOINT, None) == capacity


async def test_capacity_of_a_pinned_deployment() -> None:
    arm = FakeArm({"deployments": {"value": [deployment(), deployment("green", 2, 1)]}})

    assert await resource_manager(arm).capacity(ENDPOINT, "green") == 4


# Pages


def paged(*links: str) -> Callable[[httpx.Request], httpx.Response]:
    """One deployment `blue` a page; page n leads to links[n]."""
    pages = iter([*links, None])
    return lambda _: httpx.Response(200, json={"value": [deployment()], "nextLink": next(pages)})


async def test_pages_are_followed() -> None:
    next_page = f"{BASE}/deployments?api-version=2025-12-01&$skip=abc"

    assert await resource_manager(paged(next_page, next_page)).capacity(ENDPOINT, "blue") == 60


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/deployments",
        "https://management.azure.com.evil.example/x",
        "https://management.azure.com@evil.example/x",
        "https://user:secret@management.azure.com/x",
        "https://management.azure.com:8443/x",
        "http://management.azure.com/x",
        "//evil.example/x",
        "/relative",
        "https://management.azure.com\\@evil.example/x",
        "https://[bad/x",
        "https://management.azure.com:99999999/x",
        "\x00",
    ],
)
async def test_the_token_goes_to_no_other_host(link: str) -> None:
    asked: list[httpx.Request] = []
    pages = paged(link)

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return pages(request)

    error = await failed(resource_manager(respond).capacity(ENDPOINT, "blue"))

    assert error.failure.kind is Kind.ARM_FAILED
    assert {request.url.host for request in asked} == {"management.azure.com"}
    assert len(asked) == 1


async def test_pages_without_end_are_left() -> None:
    link = f"{BASE}/deployments?more"

    assert await resource_manager(paged(*[link] * 500)).capacity(ENDPOINT, "blue") == 50 * 20


# Failures


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Kind.ARM_REFUSED),
        (401, Kind.ARM_FORBIDDEN),
        (403, Kind.ARM_FORBIDDEN),
        (404, Kind.ARM_NOT_FOUND),
        (409, Kind.ARM_REFUSED),
        (429, Kind.ARM_THROTTLED),
        (500, Kind.ARM_FAILED),
        (503, Kind.ARM_FAILED),
        (202, Kind.ARM_REFUSED),
        (302, Kind.ARM_REFUSED),
    ],
)
async def test_status(status: int, kind: Kind) -> None:
    answer = httpx.Response(status, headers={"Retry-After": "17", "Location": "https://evil.example"}, json={})
    arm = FakeArm({"language": answer})

    error = await failed(resource_manager(arm).online_endpoint(ENDPOINT))

    assert error.failure.kind is kind
    assert error.failure.retry_after == (None if status in (401, 403, 404) else 17)
    assert error.failure.facts["scope"] in (ENDPOINT.path, ENDPOINT.workspace_path)
    assert len(arm.requests) == (2 if status == 401 else 1)


async def test_a_refused_token_is_renewed_once() -> None:
    identity, seen = FakeIdentity(), list[str]()

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json=endpoint_json()) if seen[-1].endswith("#2") else httpx.Response(401)

    await resource_manager(respond, identity).online_endpoint(ENDPOINT)

    assert seen == [f"Bearer {MANAGEMENT}#1", f"Bearer {MANAGEMENT}#2"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"properties": 5}',
        b'{"properties": {"traffic": {"blue": "many"}}}',
        b'{"properties": {"scoringUri": 5}}',
    ],
)
async def test_an_answer_of_another_shape_is_a_failure(body: bytes) -> None:
    error = await failed(resource_manager(lambda _: httpx.Response(200, content=body)).online_endpoint(ENDPOINT))

    assert error.failure.kind is Kind.ARM_FAILED


async def test_an_answer_of_another_shape_is_repeated_nowhere() -> None:
    respond = FakeArm({"listKeys": {"primaryKey": ["sentinel-key"]}})

    error = await failed(resource_manager(respond).primary_key(ENDPOINT))

    assert "sentinel" not in repr(error) + repr(error.failure)
    assert error.__cause__ is None
    assert error.__suppress_context__


async def test_no_connection_is_a_failure() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    error = await failed(resource_manager(refuse).online_endpoint(ENDPOINT))

    assert error.failure.kind is Kind.ARM_FAILED
    assert error.failure.facts["status"] == "nothing (ConnectFailed)"


# The simulator's ARM, whose shapes are checked against Azure's specifications


class _Identity(FakeIdentity):
    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator

    async def token(self, audience: str, *, anew: bool) -> Any:
        found = await super().token(audience, anew=anew)
        issued = self._simulator.tokens.issue(audience, 3600)
        return type(found)(issued.value, found.expires_at)


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
def arm(simulator: Simulator) -> ResourceManager:
    return resource_manager(httpx.ASGITransport(create_app(simulator)), _Identity(simulator))


def simulated(name: str) -> EndpointId:
    return EndpointId(SUBSCRIPTION, "LOCAL", "Bridge", name)


async def test_simulated_endpoint(arm: ResourceManager) -> None:
    found = await arm.online_endpoint(simulated("language-key"))

    assert found.auth_mode == "key"
    assert found.scoring_uri.endswith("/endpoints/language-key/score")
    assert found.traffic == {"blue": 100}


async def test_simulated_key_and_token(arm: ResourceManager) -> None:
    assert await arm.primary_key(simulated("language-key"))
    token = await arm.endpoint_token(simulated("language-aml-token"))
    assert token.value
    assert token.refresh_at > 1_700_000_000


async def test_simulated_capacity_over_pages(arm: ResourceManager, simulator: Simulator) -> None:
    assert await arm.capacity(simulated("language-key"), None) == 20


async def test_simulated_endpoint_that_is_not_there(arm: ResourceManager) -> None:
    assert (await failed(arm.online_endpoint(simulated("nothing")))).failure.kind is Kind.ARM_NOT_FOUND


async def test_keys_of_an_endpoint_that_has_none(arm: ResourceManager) -> None:
    assert (await failed(arm.primary_key(simulated("language-aad-token")))).failure.kind is Kind.ARM_REFUSED
