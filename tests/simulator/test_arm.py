"""Does the ARM side answer and refuse as Azure Resource Manager does?"""

import httpx
import pytest

from simulator.app import Simulator
from simulator.arm.front import Throttle
from simulator.arm.models import Deployment
from simulator.identity import MACHINE_LEARNING, MANAGEMENT
from tests.simulator.arm import AAD_TOKEN, AML_TOKEN, ENDPOINTS, KEY, VERSION, WORKSPACE


@pytest.mark.parametrize(("path", "mode"), [(KEY, "Key"), (AML_TOKEN, "AMLToken"), (AAD_TOKEN, "AADToken")])
async def test_there_is_an_endpoint_a_kind_of_authentication(arm: httpx.AsyncClient, path: str, mode: str) -> None:
    endpoint = (await arm.get(path)).json()

    name = path.rpartition("/")[2]
    assert endpoint["id"] == path
    assert endpoint["location"] == "westeurope"
    assert endpoint["properties"]["authMode"] == mode
    assert endpoint["properties"]["scoringUri"] == f"http://simulator/endpoints/{name}/score"
    assert endpoint["properties"]["traffic"] == {"blue": 100}


async def test_the_deployment_tells_instances_and_concurrency(arm: httpx.AsyncClient) -> None:
    deployment = (await arm.get(f"{KEY}/deployments/blue")).json()

    assert deployment["sku"]["capacity"] == 1
    assert deployment["properties"]["requestSettings"]["maxConcurrentRequestsPerInstance"] == 10
    assert deployment["properties"]["scaleSettings"] == {"scaleType": "Default"}


@pytest.mark.parametrize("spelled", [KEY.lower(), KEY.upper(), KEY.replace("/bridge/", "/Bridge/")])
async def test_ids_compare_without_regard_to_case(arm: httpx.AsyncClient, spelled: str) -> None:
    answer = await arm.get(spelled)

    assert answer.json()["id"] == KEY


@pytest.mark.parametrize(
    ("audience", "lifetime", "code"),
    [
        (None, 0, "AuthenticationFailed"),
        (MACHINE_LEARNING, 3_600, "InvalidAuthenticationTokenAudience"),
        ("https://storage.azure.com", 3_600, "InvalidAuthenticationTokenAudience"),
        (MANAGEMENT, 0, "ExpiredAuthenticationToken"),
    ],
)
async def test_without_a_good_management_token_it_is_401(
    client: httpx.AsyncClient, simulator: Simulator, audience: str | None, lifetime: int, code: str
) -> None:
    token = simulator.tokens.issue(audience, lifetime).value if audience else ""
    headers = {"authorization": f"Bearer {token}"} if audience else {}

    answer = await client.get(KEY + VERSION, headers=headers)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("authorization", ["Bearer made-up", "Basic YTpi", "Bearer", "Bearer "])
async def test_what_is_no_token_of_ours_is_401(client: httpx.AsyncClient, authorization: str) -> None:
    answer = await client.get(KEY + VERSION, headers={"authorization": authorization})

    assert answer.status_code == 401


async def test_a_revoked_token_is_401_from_then_on(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    before = await arm.get(KEY)
    simulator.tokens.revoke(MANAGEMENT)
    after = await arm.get(KEY)

    assert (before.status_code, after.status_code) == (200, 401)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("?api-version=", "MissingApiVersionParameter"),
        ("?api-version=latest", "InvalidApiVersionParameter"),
        ("?api-version=2025-12-01-beta", "InvalidApiVersionParameter"),
    ],
)
async def test_without_an_api_version_it_is_400(
    client: httpx.AsyncClient, simulator: Simulator, query: str, code: str
) -> None:
    token = simulator.tokens.issue(MANAGEMENT, 60).value

    answer = await client.get(KEY + query, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code


@pytest.mark.parametrize("version", ["2022-02-01-preview", "2025-12-01", "2026-09-01"])
async def test_every_published_looking_version_is_taken(arm: httpx.AsyncClient, version: str) -> None:
    answer = await arm.get(KEY, params={"api-version": version})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        f"{ENDPOINTS}/unknown",
        f"{KEY}/deployments/green",
        KEY.replace("bridge", "other"),
        KEY.replace("/local/", "/other/"),
        KEY.replace("-000000000001", "-000000000002"),
    ],
)
async def test_an_unknown_resource_is_404_and_named(arm: httpx.AsyncClient, path: str) -> None:
    answer = await arm.get(path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "ResourceNotFound"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", f"{WORKSPACE}/unheardOf"), ("DELETE", KEY), ("GET", f"{KEY}/listKeys")]
)
async def test_what_is_not_simulated_is_404_in_the_shape_of_arm(arm: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await arm.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NotFound"


async def test_keys_are_those_that_the_endpoint_takes(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    keys = (await arm.post(f"{KEY}/listKeys")).json()

    endpoint = simulator.workspace.online_endpoints["language-key"]
    assert keys == {"primaryKey": endpoint.primary_key, "secondaryKey": endpoint.secondary_key}
    assert keys["primaryKey"] != keys["secondaryKey"]


async def test_a_token_tells_when_it_expires_in_epoch_seconds(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.endpoints.token_lifetime = 100
    simulator.tokens.clock = lambda: 1_000.9

    token = (await arm.post(f"{AML_TOKEN}/token")).json()

    assert token["expiryTimeUtc"] == 1_100
    assert token["refreshAfterTimeUtc"] == 1_050
    assert token["tokenType"] == "Bearer"


@pytest.mark.parametrize(
    "path", [f"{KEY}/token", f"{AAD_TOKEN}/token", f"{AML_TOKEN}/listKeys", f"{AAD_TOKEN}/listKeys"]
)
async def test_a_credential_of_another_kind_is_400(arm: httpx.AsyncClient, path: str) -> None:
    answer = await arm.post(path)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "UserError"


async def test_a_short_list_is_one_page(arm: httpx.AsyncClient) -> None:
    page = (await arm.get(f"{KEY}/deployments")).json()

    assert [deployment["name"] for deployment in page["value"]] == ["blue"]
    assert page["nextLink"] is None


async def test_a_long_list_is_followed_by_next_link(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    names = ["blue", "green", "red"]
    endpoint = simulator.workspace.online_endpoints["language-key"]
    endpoint.deployments |= {name: Deployment(name) for name in names}
    simulator.pages.size = 2

    first = (await arm.get(f"{KEY}/deployments")).json()
    arm.params = httpx.QueryParams()
    second = (await arm.get(first["nextLink"])).json()

    assert "api-version=2025-12-01" in first["nextLink"]
    assert "skip=" in first["nextLink"]
    assert [deployment["name"] for deployment in first["value"] + second["value"]] == names
    assert second["nextLink"] is None


async def test_the_endpoints_are_listed(arm: httpx.AsyncClient) -> None:
    page = (await arm.get(ENDPOINTS)).json()

    assert [endpoint["id"] for endpoint in page["value"]] == [KEY, AML_TOKEN, AAD_TOKEN]


@pytest.mark.parametrize("token", ["x", "////", "YWJj"])
async def test_a_skip_token_that_is_not_ours_is_400(arm: httpx.AsyncClient, token: str) -> None:
    answer = await arm.get(f"{KEY}/deployments", params={"$skip": token})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "UserError"


async def test_throttling_lasts_for_as_many_calls_as_set(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.front.throttle = Throttle(calls=2, retry_after=7)

    answers = [await arm.get(KEY) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "7"
    assert answers[0].json()["error"]["code"] == "SubscriptionRequestsThrottled"


async def test_every_answer_carries_request_ids(arm: httpx.AsyncClient) -> None:
    answers = [await arm.get(KEY), await arm.get(f"{ENDPOINTS}/unknown")]

    assert all(answer.headers["x-ms-request-id"] for answer in answers)
    assert all(answer.headers["x-ms-correlation-request-id"] for answer in answers)
