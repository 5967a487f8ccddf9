"""Every way in which a call can fail, over real sockets."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from shared.aml.http import CallFailed, HttpAnswer, is_header_value, retry_after, send
from shared.skills.failures import Kind
from tests.aml.peers import Script, answer, peer, read_request, says, self_signed
from tests.support.ports import free_port

MIB = 1024 * 1024
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def post(url: str, body: bytes = b'{"text":"hello"}') -> httpx.Request:
    return httpx.Request("POST", url, headers={"Content-Type": "application/json"}, content=body)


async def exchange(
    transport: httpx.AsyncBaseTransport, script: Script, *, most_bytes: int = MIB, body: bytes = b"{}"
) -> HttpAnswer:
    async with peer(script) as url:
        return await send(transport, post(url, body), most_bytes=most_bytes)


async def failure(
    transport: httpx.AsyncBaseTransport, script: Script, *, most_bytes: int = MIB, body: bytes = b"{}"
) -> CallFailed:
    with pytest.raises(CallFailed) as raised:
        await exchange(transport, script, most_bytes=most_bytes, body=body)
    return raised.value


# No connection


async def test_connection_refused(transport: httpx.AsyncBaseTransport) -> None:
    with pytest.raises(CallFailed) as raised:
        await send(transport, post(f"http://127.0.0.1:{free_port()}/score"), most_bytes=MIB)

    assert raised.value.kind is Kind.CONNECT


async def test_host_that_does_not_exist(transport: httpx.AsyncBaseTransport) -> None:
    with pytest.raises(CallFailed) as raised:
        await send(transport, post("https://endpoint.westeurope.inference.invalid/score"), most_bytes=MIB)

    assert raised.value.kind is Kind.DNS


async def test_certificate_that_nobody_vouches_for(transport: httpx.AsyncBaseTransport, tmp_path: Path) -> None:
    async with peer(says(answer(b"{}")), self_signed(tmp_path)) as url:
        with pytest.raises(CallFailed) as raised:
            await send(transport, post(url), most_bytes=MIB)

    assert raised.value.kind is Kind.TLS


async def test_peer_that_speaks_no_tls(transport: httpx.AsyncBaseTransport) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"220 mail.example ready\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        with pytest.raises(CallFailed) as raised:
            await send(transport, post(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"), most_bytes=MIB)

    assert raised.value.kind is Kind.TLS


# A broken one


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "closed before a byte"),
        (b"HTTP/1.1 200 OK\r\nContent-Ty", "closed within the head"),
        (answer(b"x" * 100)[:-50], "closed within the body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "closed between chunks"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", "a chunk of no length"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "a head without end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}", "two lengths"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_broken_answer(transport: httpx.AsyncBaseTransport, sent: bytes, why: str) -> None:
    assert (await failure(transport, says(sent))).kind is Kind.DROPPED, why


async def test_connection_reset(transport: httpx.AsyncBaseTransport) -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"x" * 100)[:-50])
        await writer.drain()
        writer.transport.abort()

    assert (await failure(transport, reset)).kind is Kind.DROPPED


async def test_pooled_connection_that_the_peer_has_closed_meanwhile(transport: httpx.AsyncBaseTransport) -> None:
    """The next call takes a new one instead of failing."""
    async with peer(says(answer(b"{}", "Connection: close"))) as url:
        for _ in range(3):
            assert (await send(transport, post(url), most_bytes=MIB)).status == 200
            await asyncio.sleep(0.01)


# The body


@pytest.mark.parametrize(
    ("size", "fits"), [(0, True), (999, True), (1000, True), (1001, False), (100_000, False)], ids=str
)
async def test_body_is_bounded_to_the_byte(transport: httpx.AsyncBaseTransport, size: int, fits: bool) -> None:
    content = says(answer(b"x" * size))

    if fits:
        assert len((await exchange(transport, content, most_bytes=1000)).body) == size
    else:
        assert (await failure(transport, content, most_bytes=1000)).kind is Kind.ANSWER_TOO_LARGE


async def test_endless_body_is_left_after_the_limit(transport: httpx.AsyncBaseTransport) -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    failed = await failure(transport, endless, most_bytes=MIB)

    assert failed.kind is Kind.ANSWER_TOO_LARGE
    assert failed.facts == {"limit": MIB}
    assert sent < 16 * MIB


async def test_endless_body_of_an_error_keeps_the_status(transport: httpx.AsyncBaseTransport) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    found = await exchange(transport, endless)

    assert (found.status, found.headers["retry-after"], found.body) == (503, "7", b"")


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 429 Too Many\r\nContent-Length: 100\r\n\r\n{",
        answer(b"no gzip", "Content-Encoding: gzip", status="429 Too Many"),
        answer(b"{}", "Content-Encoding: br", status="429 Too Many"),
    ],
)
async def test_broken_body_of_an_error_keeps_the_status(transport: httpx.AsyncBaseTransport, sent: bytes) -> None:
    found = await exchange(transport, says(sent))

    assert (found.status, found.body) == (429, b"")


async def test_slow_body_is_ended_by_the_callers_time(transport: httpx.AsyncBaseTransport) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await exchange(transport, slow)

    assert loop.time() - started < 1


async def test_chunked_answer(transport: httpx.AsyncBaseTransport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b'4\r\n{"a"\r\n3\r\n:1}\r\n0\r\n\r\n'

    assert (await exchange(transport, says(chunked))).body == b'{"a":1}'


async def test_answer_without_a_length_ends_with_the_connection(transport: httpx.AsyncBaseTransport) -> None:
    assert (await exchange(transport, says(b"HTTP/1.1 200 OK\r\n\r\n{}"))).body == b"{}"


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_answer_before_the_request_was_read(transport: httpx.AsyncBaseTransport) -> None:
    """A front door that refuses a large body does not read it first."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer(b'{"message":"too large"}', "Connection: close", status="413 Too Large"))
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/score"
        async with asyncio.timeout(5):
            found = await send(transport, post(url, b"x" * 20 * MIB), most_bytes=MIB)
        server.close_clients()

    assert found.status == 413


# Codings


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_compressed_answer(
    transport: httpx.AsyncBaseTransport, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    content = b'{"a": "' + b"b" * 50_000 + b'"}'

    found = await exchange(transport, says(answer(encode(content), f"Content-Encoding: {coding}")))

    assert found.body == content


async def test_gzip_bomb_is_bounded(transport: httpx.AsyncBaseTransport) -> None:
    bomb = gzip.compress(bytes(200 * MIB))

    failed = await failure(transport, says(answer(bomb, "Content-Encoding: gzip")))

    assert failed.kind is Kind.ANSWER_TOO_LARGE


async def test_gzip_within_gzip_is_refused(transport: httpx.AsyncBaseTransport) -> None:
    bomb = gzip.compress(gzip.compress(bytes(MIB)))

    failed = await failure(transport, says(answer(bomb, "Content-Encoding: gzip, gzip")))

    assert failed.kind is Kind.CONTENT_TYPE
    assert "'gzip, gzip'" in str(failed.facts["content_type"])


async def test_gzip_that_is_none(transport: httpx.AsyncBaseTransport) -> None:
    assert (await failure(transport, says(answer(b"{}", "Content-Encoding: gzip")))).kind is Kind.INVALID_JSON


# What a client would do by itself, and ours does not


async def test_redirect_is_not_followed(transport: httpx.AsyncBaseTransport) -> None:
    visited = 0

    async def elsewhere(writer: asyncio.StreamWriter) -> None:
        nonlocal visited
        visited += 1
        writer.write(answer(b"{}"))

    async with peer(elsewhere) as other:
        found = await exchange(transport, says(answer(b"", f"Location: {other}", status="307 Moved")))

    assert (found.status, visited) == (307, 0)


async def test_cookies_are_not_kept(transport: httpx.AsyncBaseTransport) -> None:
    requests: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer(b"{}", "Set-Cookie: session=1; Path=/", "Connection: close"))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/score"
        for _ in range(2):
            await send(transport, post(url), most_bytes=MIB)

    assert len(requests) == 2
    assert not any(b"cookie" in request.lower() for request in requests)


# Content types


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON;charset=UTF-8", True),
        (" application/json ", True),
        ("application/json ; odata=none", True),
        ("text/html", False),
        ("text/json", False),
        ("application/jsonp", False),
        ("application/json5", False),
        ("application/problem+json", False),
        ("application/x-ndjson", False),
        ("application/jsonlines", False),
        ("application/json, text/html", False),
        ("", False),
        (None, False),
    ],
)
async def test_only_application_json_is_json(
    transport: httpx.AsyncBaseTransport, content_type: str | None, is_json: bool
) -> None:
    found = await exchange(transport, says(answer(b"{}", content_type=content_type)))

    assert found.is_json is is_json


async def test_two_content_types_are_none(transport: httpx.AsyncBaseTransport) -> None:
    found = await exchange(transport, says(answer(b"{}", "Content-Type: text/html")))

    assert not found.is_json


# Small things


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("3600", 300.0),
        ("86400", 300.0),
        ("9" * 500, 300.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("Thu, 01 Jan 2026 13:00:30 +0100", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2038 00:00:00 GMT", 300.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 12:00:00 +99999999999999999999", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after(httpx.Headers([(b"Retry-After", text.encode())]), NOW) == seconds


def test_no_retry_after() -> None:
    assert retry_after(httpx.Headers()) is None


@pytest.mark.parametrize(
    ("text", "fits"),
    [("abc", True), ("a.b-c_d~/+=", True), ("", False), ("a b", False), ("a\n", False), ("ä", False), ("\x7f", False)],
)
def test_header_value(text: str, fits: bool) -> None:
    assert is_header_value(text) is fits
