"""One attempt to tell a receiver, over real sockets."""

import asyncio

import httpx
import pytest

from shared.aml.webhooks import Webhooks
from shared.errors import NotificationFailed
from shared.settings import Settings
from tests.aml.peers import Script, answer, peer, says
from tests.support.ports import free_port

LOOPBACK = Settings(ALLOW_LOOPBACK_SCORING=True).notify_hosts
BODY = b'{"v":1}'


async def told(transport: httpx.AsyncBaseTransport, script: Script) -> None:
    async with peer(script) as url:
        await Webhooks(transport, LOOPBACK).post(url, {"x-bridge-delivery": "d"}, BODY)


@pytest.mark.parametrize(
    "script",
    [
        says(answer(b"{}")),
        says(answer(b"", status="204 No Content", content_type=None)),
        says(answer(b"thanks", status="202 Accepted", content_type="text/plain")),
        says(answer(b"x" * 100_000)),
    ],
    ids=["200", "204", "202", "talkative"],
)
async def test_any_success_takes_it(transport: httpx.AsyncBaseTransport, script: Script) -> None:
    await told(transport, script)


@pytest.mark.parametrize(
    ("status", "says_what", "is_final"),
    [
        ("500 Oops", "answered 500; any status of 200 to 299", False),
        ("400 Bad Request", "answered 400", False),
        ("429 Busy", "answered 429", False),
        ("410 Gone", "answered 410", True),
        ("302 Found", "answered 302, a redirect, which is not followed", False),
        ("308 Permanent Redirect", "answered 308, a redirect", False),
    ],
)
async def test_any_other_status_is_a_failure_that_names_the_host_alone(
    transport: httpx.AsyncBaseTransport, status: str, says_what: str, is_final: bool
) -> None:
    with pytest.raises(NotificationFailed, match=says_what) as raised:
        await told(transport, says(answer(b"sentinel", "Location: http://127.0.0.1:1/stolen", status=status)))

    assert raised.value.is_final is is_final
    assert raised.value.message.startswith("127.0.0.1 ")
    assert "sentinel" not in raised.value.message
    assert "/score" not in raised.value.message


async def test_nobody_there(transport: httpx.AsyncBaseTransport) -> None:
    with pytest.raises(NotificationFailed, match=r"127\.0\.0\.1 gave no answer"):
        await Webhooks(transport, LOOPBACK).post(f"http://127.0.0.1:{free_port()}/", {}, BODY)


@pytest.mark.slow
async def test_a_receiver_that_does_not_answer_is_left_after_ten_seconds(
    transport: httpx.AsyncBaseTransport,
) -> None:
    async def silent(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    started = asyncio.get_running_loop().time()
    with pytest.raises(NotificationFailed, match="did not answer within 10 s"):
        await told(transport, silent)

    assert 9.5 < asyncio.get_running_loop().time() - started < 15


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("", "https://hooks.contoso.com/x"),
        ("contoso.com", "http://hooks.contoso.com/x"),
        ("contoso.com", "https://evilcontoso.com/x"),
        ("contoso.com", "https://contoso.com.evil.example/x"),
        ("contoso.com", "https://user@hooks.contoso.com/x"),
        ("contoso.com", "https://169.254.169.254/metadata"),
        ("contoso.com", "http://127.0.0.1:1/x"),
    ],
)
async def test_an_address_that_is_not_allowed_is_called_at_no_time(allowed: str, url: str) -> None:
    called: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        called.append(request)
        return httpx.Response(200)

    hosts = Settings.from_environment({"NOTIFY_HOSTS": allowed}).notify_hosts

    with pytest.raises(NotificationFailed, match="its address is refused"):
        await Webhooks(httpx.MockTransport(respond), hosts).post(url, {}, BODY)

    assert called == []


def test_a_refusal_names_the_setting_that_lists_the_hosts() -> None:
    with pytest.raises(ValueError, match=r"add it to the app setting NOTIFY_HOSTS \(now: none\)"):
        Settings().notify_hosts.check("https://hooks.contoso.com/x")
