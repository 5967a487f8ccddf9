"""Can a test set the scene over HTTP?"""

from typing import Any

import httpx
import pytest

from simulator.app import Simulator
from simulator.identity import MACHINE_LEARNING
from tests.simulator.arm import AML_TOKEN, KEY


async def test_settings_are_shown_and_changed(client: httpx.AsyncClient) -> None:
    before = (await client.get("/control")).json()
    after = (await client.patch("/control", json={"tokenLifetime": 5, "endpointTokenLifetime": 6})).json()

    assert before == {
        "tokenLifetime": 86_400,
        "endpointTokenLifetime": 43_200,
        "pageSize": 20,
        "throttle": None,
        "faults": [],
    }
    assert after == before | {"tokenLifetime": 5, "endpointTokenLifetime": 6}


async def test_a_short_lifetime_shows_in_the_tokens(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.tokens.clock = lambda: 1_000
    await arm.patch("/control", json={"tokenLifetime": 5, "endpointTokenLifetime": 6})

    query = {"api-version": "2019-08-01", "resource": MACHINE_LEARNING}
    token = (await arm.get("/identity/token", params=query, headers={"x-identity-header": "local"})).json()
    endpoint_token = (await arm.post(f"{AML_TOKEN}/token")).json()

    assert token["expires_on"] == "1005"
    assert endpoint_token["expiryTimeUtc"] == 1_006


async def test_throttling_can_be_set(arm: httpx.AsyncClient) -> None:
    await arm.patch("/control", json={"throttle": {"calls": 1, "retryAfter": 3}})

    answers = [await arm.get(KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [429, 200]


@pytest.mark.parametrize(
    "settings",
    [{"tokenLifetmie": 5}, {"tokenLifetime": -1}, {"pageSize": 0}, {"throttle": {"retryAfter": 1}}, []],
)
async def test_a_bad_setting_is_400(client: httpx.AsyncClient, settings: Any) -> None:
    answer = await client.patch("/control", json=settings)

    assert answer.status_code == 400
    assert answer.json()["message"]


async def test_revoking_everything_renews_keys_and_ends_tokens(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    key = simulator.workspace.online_endpoints["language-key"].primary_key

    revoked = (await arm.post("/control/revoke")).json()

    assert revoked["tokens"] == 1
    assert len(revoked["endpointsWithNewKeys"]) == 3
    assert simulator.workspace.online_endpoints["language-key"].primary_key != key
    assert (await arm.get(KEY)).status_code == 401


async def test_revoking_an_endpoint_leaves_the_rest(arm: httpx.AsyncClient) -> None:
    await arm.post(f"{AML_TOKEN}/token")

    revoked = (await arm.post("/control/revoke", json={"endpoint": "language-aml-token"})).json()

    assert revoked == {"tokens": 1, "endpointsWithNewKeys": ["language-aml-token"]}
    assert (await arm.get(KEY)).status_code == 200


async def test_revoking_an_audience_leaves_the_rest(arm: httpx.AsyncClient, simulator: Simulator) -> None:
    simulator.tokens.issue(MACHINE_LEARNING, 60)

    revoked = (await arm.post("/control/revoke", json={"audience": f"{MACHINE_LEARNING}/"})).json()

    assert revoked == {"tokens": 1, "endpointsWithNewKeys": []}
    assert (await arm.get(KEY)).status_code == 200


async def test_a_capacity_can_be_set_and_shows_in_arm(arm: httpx.AsyncClient) -> None:
    url = "/control/endpoints/language-key/deployments/blue"
    new = {"instances": 3, "maxConcurrentRequestsPerInstance": 4, "requestTimeout": 5}

    answer = await arm.patch(url, json=new)

    deployment = (await arm.get(f"{KEY}/deployments/blue")).json()
    assert answer.json() == {"capacity": 24}
    assert deployment["sku"]["capacity"] == 3
    assert deployment["properties"]["requestSettings"] == {
        "maxConcurrentRequestsPerInstance": 4,
        "maxQueueWait": "PT0.5S",
        "requestTimeout": "PT5S",
    }


@pytest.mark.parametrize("path", ["language-key/deployments/green", "other/deployments/blue"])
async def test_an_unknown_deployment_is_404(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.patch(f"/control/endpoints/{path}", json={})).status_code == 404
