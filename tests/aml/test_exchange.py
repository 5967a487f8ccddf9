"""What the one authenticated call keeps to, whoever makes it."""

import httpx
import pytest

from shared.aml.exchange import DataPlane, Exchange, ExchangeFailed
from tests.aml.fakes import MANAGEMENT, FakeIdentity


def exchange(asked: list[httpx.Request], status: int = 200) -> Exchange:
    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status)

    return Exchange(httpx.MockTransport(respond), FakeIdentity().tokens(), audience=MANAGEMENT, address=MANAGEMENT)


@pytest.mark.parametrize(
    "url", ["https://evil.example/", "http://management.azure.com/", "https://a:b@management.azure.com/", "/relative"]
)
async def test_a_call_to_another_host_is_not_made(url: str) -> None:
    asked: list[httpx.Request] = []

    with pytest.raises(ExchangeFailed):
        await exchange(asked).send("GET", httpx.URL(url))

    assert asked == []


async def test_a_token_is_renewed_once_and_no_more() -> None:
    asked: list[httpx.Request] = []
    calls = exchange(asked, 401)

    answer = await calls.send("GET", calls.url("/x"))

    assert answer.status == 401
    assert [request.headers["authorization"] for request in asked] == [f"Bearer {MANAGEMENT}#{n}" for n in (1, 2)]


async def test_headers_of_a_caller_replace_no_token() -> None:
    asked: list[httpx.Request] = []
    calls = exchange(asked)

    await calls.send("GET", calls.url("/x"), headers={"Authorization": "Bearer other", "x-own": "1"})

    assert asked[0].headers.get_list("authorization") == [f"Bearer {MANAGEMENT}#1"]
    assert asked[0].headers["x-own"] == "1"


@pytest.mark.parametrize("loopback", [True, False])
async def test_a_data_plane_on_this_machine_is_for_a_laptop(loopback: bool) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200))
    plane = DataPlane(
        transport, FakeIdentity().tokens(), audience=MANAGEMENT, domain="api.azureml.ms", loopback=loopback
    )

    if loopback:
        assert plane.check("http://127.0.0.1:7072").port == 7072
    else:
        with pytest.raises(ExchangeFailed):
            plane.check("http://127.0.0.1:7072")
