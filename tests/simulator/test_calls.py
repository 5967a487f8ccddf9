"""Are calls counted and logged, and never a credential?"""

import httpx
import pytest

from tests.simulator.arm import KEY, VERSION


async def test_calls_are_counted_a_path_and_status(client: httpx.AsyncClient) -> None:
    await client.post("/score", json={})
    await client.post("/score?status=503", json={})
    await client.post("/score/other", json={})

    counted = (await client.get("/calls")).json()

    assert counted == {
        "/score": {"calls": 2, "inFlight": 0, "maxInFlight": 1, "statuses": {"200": 1, "503": 1}},
        "/score/other": {"calls": 1, "inFlight": 0, "maxInFlight": 1, "statuses": {"200": 1}},
    }


async def test_a_reset_starts_anew(client: httpx.AsyncClient) -> None:
    await client.post("/score", json={})

    reset = await client.post("/calls/reset")

    assert reset.status_code == 204
    assert (await client.get("/calls")).json() == {}
    assert (await client.get("/calls/log")).json() == {"value": []}


async def test_the_log_holds_heads_and_bodies_of_the_last_calls(client: httpx.AsyncClient) -> None:
    for number in range(3):
        await client.post("/score/logged?status=503", headers={"x-request-id": str(number)}, json={"n": number})

    calls = (await client.get("/calls/log?last=2")).json()["value"]

    assert [call["body"] for call in calls] == [{"n": 1}, {"n": 2}]
    assert [call["headers"]["x-request-id"] for call in calls] == ["1", "2"]
    assert (
        calls[0].items()
        >= {
            "method": "POST",
            "path": "/score/logged",
            "query": "status=503",
            "status": "503",
        }.items()
    )
    assert calls[0]["milliseconds"] >= 0


@pytest.mark.parametrize("authorization", ["Bearer s3cret", "s3cret", "Basic s3cret"])
async def test_the_log_never_holds_a_credential(client: httpx.AsyncClient, authorization: str) -> None:
    headers = {"authorization": authorization, "x-identity-header": "s3cret"}
    await client.get(KEY + VERSION, headers=headers)
    await client.get(KEY + VERSION, headers=headers)

    log = await client.get("/calls/log")

    first, second = (call["headers"]["authorization"] for call in log.json()["value"])
    assert "s3cret" not in log.text
    assert "sha256:" in first
    assert first == second


@pytest.mark.parametrize(("body", "logged"), [(b"", ""), (b"no JSON", "no JSON"), (b"\xff", "\ufffd")])
async def test_a_body_that_is_not_json_is_logged_as_text(client: httpx.AsyncClient, body: bytes, logged: str) -> None:
    await client.post("/score", content=body)

    assert (await client.get("/calls/log")).json()["value"][0]["body"] == logged


async def test_the_log_of_a_bad_number_is_400(client: httpx.AsyncClient) -> None:
    assert (await client.get("/calls/log?last=all")).status_code == 400
