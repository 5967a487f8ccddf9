"""The lower bound: how little can a client do and still send, read and parse? No retry, timeout or pool."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import httptools
import orjson


class RawConnection(asyncio.Protocol):
    """One keep-alive connection with at most one call in flight."""

    _transport: asyncio.Transport
    _answer: asyncio.Future[bytes]

    def __init__(self, host: str, path: str) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: "
        ).encode()

    def post(self, body: bytes) -> asyncio.Future[bytes]:
        """Send `body`; the future is the answer's body, or an error for any status but 200."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%b%d\r\n\r\n%b" % (self._head, len(body), body))
        return self._answer

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._chunks = []

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        if (status := self._parser.get_status_code()) == 200:
            self._answer.set_result(b"".join(self._chunks))
        else:
            self._answer.set_exception(ConnectionError(f"the endpoint answered {status}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if hasattr(self, "_answer") and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the endpoint"))


async def opened_connection(url: str) -> RawConnection:
    """A connection that posts to `url`."""
    parts = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: RawConnection(parts.netloc, parts.path), parts.hostname or "", parts.port or 80
    )
    return connection


async def raw_workers(records: list[bytes], url: str, parallelism: int) -> list[Any]:
    """`parallelism` connections, each taking the next record when it has its answer."""
    opened = [await opened_connection(url) for _ in range(parallelism)]
    answers: list[Any] = [None] * len(records)
    waiting = iter(enumerate(records))

    async def work(connection: RawConnection) -> None:
        for index, body in waiting:
            answers[index] = orjson.loads(await connection.post(body))

    try:
        await asyncio.gather(*map(work, opened))
    finally:
        for connection in opened:
            connection.close()
    return answers
