"""What only a socket shows: dropped connections, slow and endless bodies, calls in flight."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest


def test_a_drop_before_the_answer_closes_the_connection_without_a_byte(served: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending a response"):
        httpx.post(f"{served}/score/dropped", params={"drop": "before"}, json={"text": "a"})


def test_a_drop_midway_gives_the_head_and_half_of_the_body(served: str) -> None:
    with httpx.stream("POST", f"{served}/score?drop=midway", json={"text": "a"}) as answer:
        pieces = answer.iter_raw()
        first = next(pieces)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
            next(pieces)

    assert answer.status_code == 200
    assert 0 < len(first) < int(answer.headers["content-length"])


def test_a_dropped_call_counts_as_unfinished(served: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{served}/score/unfinished?drop=before", json={})

    assert httpx.get(f"{served}/calls").json()["/score/unfinished"]["statuses"] == {"unfinished": 1}


def test_the_connection_after_a_drop_is_a_new_one_and_works(served: str) -> None:
    with httpx.Client(base_url=served) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/score?drop=before", json={"text": "a"})
        answer = client.post("/score", json={"text": "a"})

    assert answer.status_code == 200


def test_a_slow_body_sends_its_head_at_once_and_trickles(served: str) -> None:
    with httpx.stream("POST", f"{served}/score?slowBody=0.5", json={"text": "a"}) as answer:
        head = time.monotonic()
        pieces = list(answer.iter_raw())
    body = time.monotonic()

    assert 0.3 <= body - head < 5
    assert len(pieces) >= 2
    assert b"".join(pieces).startswith(b'{"echo"')


def test_a_huge_body_goes_on_until_the_caller_hangs_up(served: str) -> None:
    received = 0
    with httpx.stream("POST", f"{served}/score/huge?answer=huge", json={"text": "a"}) as answer:
        for piece in answer.iter_raw():
            received += len(piece)
            if received > 20_000_000:
                break

    assert "content-length" not in answer.headers
    assert until_idle(served, "/score/huge")


def test_a_delay_holds_the_answer_back(served: str) -> None:
    started = time.monotonic()

    httpx.post(f"{served}/score?delay=0.2", json={"text": "a"})

    assert time.monotonic() - started >= 0.2


def test_calls_beyond_the_capacity_are_429_and_the_others_are_not(served: str) -> None:
    answers = at_once(8, f"{served}/score/full?capacity=3&delay=1&retryAfter=2")

    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [429] * 5
    assert {a.headers.get("retry-after") for a in answers if a.status_code == 429} == {"2"}
    assert httpx.get(f"{served}/calls").json()["/score/full"]["maxInFlight"] > 3


def test_a_managed_endpoint_is_full_beyond_twice_its_concurrency(served: str) -> None:
    token = httpx.get(
        f"{served}/identity/token",
        params={"api-version": "2019-08-01", "resource": "https://ml.azure.com"},
        headers={"x-identity-header": "local"},
    ).json()["access_token"]
    url = f"{served}/control/endpoints/language-aad-token/deployments/blue"
    httpx.patch(url, json={"maxConcurrentRequestsPerInstance": 1, "instances": 2}).raise_for_status()

    answers = at_once(6, f"{served}/endpoints/language-aad-token/score?delay=1", f"Bearer {token}")

    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 2


def at_once(count: int, url: str, authorization: str = "") -> list[httpx.Response]:
    headers = {"authorization": authorization} if authorization else {}
    with httpx.Client(headers=headers) as client, ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: client.post(url, json={"text": "a"}), range(count)))


def until_idle(served: str, path: str) -> bool:
    """Whether no call is in flight at `path` within two seconds."""
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        if httpx.get(f"{served}/calls").json()[path]["inFlight"] == 0:
            return True
        time.sleep(0.02)
    return False
