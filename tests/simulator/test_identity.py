"""Does azure-identity get its tokens here, for the audience asked, and only with the secret?"""

import json
import os
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from simulator.app import Simulator
from simulator.identity import MACHINE_LEARNING, MANAGEMENT
from simulator.tokens import TokenRefused, TokenStore
from tests.simulator.arm import KEY, VERSION

HEADER = {"x-identity-header": "local"}

# In a process of its own, as the credential reads its settings from the environment.
REAL_CREDENTIAL = """
import json, sys
from azure.identity import ManagedIdentityCredential
credential = ManagedIdentityCredential(**json.loads(sys.argv[1]))
tokens = [credential.get_token(scope) for scope in sys.argv[2:]]
print(json.dumps([[token.token, token.expires_on] for token in tokens]))
"""


def tokens_of_real_credential(served: str, *scopes: str, **options: str) -> list[Any]:
    environ = {**os.environ, "IDENTITY_ENDPOINT": f"{served}/identity/token", "IDENTITY_HEADER": "local"}
    command = [sys.executable, "-c", REAL_CREDENTIAL, json.dumps(options), *scopes]
    output = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    tokens: list[Any] = json.loads(output)
    return tokens


@pytest.mark.parametrize("options", [{}, {"client_id": "11111111-1111-1111-1111-111111111111"}])
def test_the_real_credential_gets_a_token_that_arm_takes(served: str, options: dict[str, str]) -> None:
    [[token, expires_on]] = tokens_of_real_credential(served, f"{MANAGEMENT}/.default", **options)

    answer = httpx.get(served + KEY + VERSION, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert expires_on == pytest.approx(time.time() + 86_400, abs=60)


def test_a_token_for_azure_ml_scores_but_is_refused_by_arm(served: str) -> None:
    [[token, _]] = tokens_of_real_credential(served, f"{MACHINE_LEARNING}/.default")
    headers = {"authorization": f"Bearer {token}"}

    scored = httpx.post(f"{served}/endpoints/language-aad-token/score", headers=headers, json={"text": "a"})
    managed = httpx.get(served + KEY + VERSION, headers=headers)

    assert scored.status_code == 200
    assert managed.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"


async def get_token(client: httpx.AsyncClient, **query: str) -> httpx.Response:
    asked = {"api-version": "2019-08-01", "resource": MANAGEMENT, **query}
    return await client.get("/identity/token", params=asked, headers=HEADER)


async def test_the_answer_has_the_members_of_app_service(client: httpx.AsyncClient) -> None:
    answer = (await get_token(client, client_id="c1")).json()

    assert answer.keys() == {"access_token", "expires_on", "resource", "token_type", "client_id"}
    assert answer["resource"] == MANAGEMENT
    assert answer["token_type"] == "Bearer"
    assert answer["client_id"] == "c1"
    assert int(answer["expires_on"]) > time.time()
    assert isinstance(answer["expires_on"], str)


@pytest.mark.parametrize("resource", [MANAGEMENT, f"{MANAGEMENT}/", "HTTPS://Management.Azure.com"])
async def test_every_spelling_of_an_audience_is_that_audience(
    client: httpx.AsyncClient, simulator: Simulator, resource: str
) -> None:
    token = (await get_token(client, resource=resource)).json()["access_token"]

    simulator.tokens.check(token, MANAGEMENT)


@pytest.mark.parametrize("header", [{}, {"x-identity-header": "wrong"}, {"x-identity-header": ""}])
async def test_without_the_secret_it_is_401(client: httpx.AsyncClient, header: dict[str, str]) -> None:
    url = f"/identity/token?api-version=2019-08-01&resource={MANAGEMENT}"

    answer = await client.get(url, headers=header)

    assert answer.status_code == 401
    assert answer.json().keys() == {"statusCode", "message"}


@pytest.mark.parametrize(
    "query",
    [
        {"api-version": "2017-09-01"},
        {"resource": ""},
        {"resource": "management"},
        {"client_id": "a", "mi_res_id": "b"},
    ],
)
async def test_a_bad_request_is_400(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await get_token(client, **query)

    assert answer.status_code == 400


def test_a_token_is_good_until_it_expires_for_its_audience_alone() -> None:
    now = 1_000.0
    store = TokenStore(clock=lambda: now)
    token = store.issue("a", 10)

    store.check(token.value, "a")
    with pytest.raises(TokenRefused, match="audience"):
        store.check(token.value, "b")
    now = 1_010.0
    with pytest.raises(TokenRefused, match="expired"):
        store.check(token.value, "a")


def test_revoking_an_audience_leaves_the_others() -> None:
    store = TokenStore()
    kept, revoked = store.issue("a", 60), store.issue("b", 60)

    count = store.revoke("b")

    assert count == 1
    store.check(kept.value, "a")
    with pytest.raises(TokenRefused, match="unknown"):
        store.check(revoked.value, "b")
