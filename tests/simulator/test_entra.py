"""Does the token endpoint take what Entra takes, and is its token good in its tenant alone?"""

import httpx
import pytest

from simulator.app import Simulator
from simulator.arm.models import SUBSCRIPTION_ABROAD, TENANT, TENANT_ABROAD
from simulator.entra import EXCHANGE, JWT_BEARER, REGISTRATION
from simulator.identity import MANAGEMENT, audience_of
from tests.simulator.arm import KEY, VERSION

ABROAD = (
    f"/subscriptions/{SUBSCRIPTION_ABROAD}/resourceGroups/local/providers/"
    "Microsoft.MachineLearningServices/workspaces/abroad"
)


@pytest.fixture
def assertion(simulator: Simulator) -> str:
    return simulator.tokens.issue(audience_of(EXCHANGE), 600).value


async def exchange(
    client: httpx.AsyncClient, assertion: str, tenant: str = TENANT_ABROAD, **members: str
) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": REGISTRATION,
        "client_assertion_type": JWT_BEARER,
        "client_assertion": assertion,
        "scope": f"{MANAGEMENT}/.default",
        **members,
    }
    return await client.post(f"/{tenant}/oauth2/v2.0/token", data=form)


@pytest.mark.parametrize(("tenant", "opens", "refused"), [(TENANT_ABROAD, ABROAD, KEY), (TENANT, KEY, ABROAD)])
async def test_a_token_opens_the_subscriptions_of_its_tenant_alone(
    client: httpx.AsyncClient, assertion: str, tenant: str, opens: str, refused: str
) -> None:
    answer = (await exchange(client, assertion, tenant)).json()
    headers = {"authorization": f"Bearer {answer['access_token']}"}

    opened, other = [await client.get(path + VERSION, headers=headers) for path in (opens, refused)]

    assert answer.keys() == {"token_type", "expires_in", "access_token"}
    assert opened.status_code == 200
    assert other.json()["error"]["code"] == "InvalidAuthenticationTokenTenant"


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"client_assertion": "made-up"}, 401, "AADSTS700213"),
        ({"client_id": "00000000-0000-0000-0000-0000000000c1"}, 400, "AADSTS700016"),
        ({"grant_type": "password"}, 400, "AADSTS70003"),
        ({"client_assertion_type": "saml"}, 400, "AADSTS70003"),
        ({"scope": MANAGEMENT}, 400, "AADSTS1002012"),
        ({"tenant": "00000000-0000-0000-0000-0000000000dd"}, 400, "AADSTS90002"),
    ],
)
async def test_what_entra_refuses(
    client: httpx.AsyncClient, assertion: str, members: dict[str, str], status: int, code: str
) -> None:
    answer = await exchange(client, **{"assertion": assertion, **members})

    assert answer.status_code == status
    assert code in answer.json()["error_description"]


async def test_a_token_for_another_audience_is_no_assertion(client: httpx.AsyncClient, simulator: Simulator) -> None:
    answer = await exchange(client, simulator.tokens.issue(MANAGEMENT, 600).value)

    assert answer.json()["error"] == "invalid_client"
