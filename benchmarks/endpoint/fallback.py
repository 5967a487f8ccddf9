"""The endpoint for machines without a C compiler: the behaviour of `endpoint.c` on uvloop and httptools.

A record's digest is that of its compact JSON: the same bytes as sent, if the client sends compact JSON.
"""

import asyncio
import sys
import zlib
from typing import Any, cast

import httptools
import orjson
import uvloop

MAX_BODY = 16 * 1024 * 1024
MAX_RECORDS = 65_536
MAX_DELAY_MS = 60_000
ANSWER = (
    b'{"detected_language_code":"es","confidence":0.98716,"alternatives":["pt","ca","gl"],'
    b'"model":"language:5","digest":"%08x"}'
)


class RefusedError(Exception):
    """A request that gets an error status; the message is the status line's rest."""


class Tail:
    """Every 20th request is slow."""

    def __init__(self) -> None:
        self.count = 0

    def delay_ms(self) -> int:
        self.count += 1
        return 10 if self.count % 20 else 200


def records_of(body: bytes) -> list[Any] | None:
    """The records of a batch; None if the body is one record."""
    if not body.lstrip().startswith((b'{"instances"', b'{"dataframe_split"')):
        return None
    try:
        batch = orjson.loads(body)
        records = batch["instances"] if "instances" in batch else batch["dataframe_split"]["data"]
    except (ValueError, KeyError, TypeError) as problem:
        raise RefusedError("400 Bad Request") from problem
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise RefusedError("400 Bad Request")
    return records


def scores(body: bytes) -> bytes:
    """The JSON answer to a body."""
    records = records_of(body)
    if records is None:
        return ANSWER % zlib.crc32(body)
    return b'{"predictions":[%s]}' % b",".join(ANSWER % zlib.crc32(orjson.dumps(each)) for each in records)


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests are answered one after the other."""

    transport: asyncio.Transport

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse("400 Bad Request")

    def on_message_begin(self) -> None:
        self._path = b""
        self._body.clear()

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_BODY:
            self._refuse("413 Content Too Large")

    def on_message_complete(self) -> None:
        try:
            if self._parser.get_method() != b"POST":
                raise RefusedError("405 Method Not Allowed")
            delay_ms, body = self._answer(self._path.decode("ascii", "replace"))
        except RefusedError as refused:
            self._refuse(str(refused))
            return
        if delay_ms:
            asyncio.get_running_loop().call_later(delay_ms / 1000, self._send, "200 OK", body)
        else:
            self._send("200 OK", body)

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/reset":
            self._tail.count = 0
            return 0, b"{}"
        if path == "/tail":
            return self._tail.delay_ms(), scores(bytes(self._body))
        ms = path.removeprefix("/d/")
        if ms == path or not (ms.isascii() and ms.isdigit()) or int(ms) > MAX_DELAY_MS:
            raise RefusedError("404 Not Found")
        return int(ms), scores(bytes(self._body))

    def _refuse(self, status: str) -> None:
        self._send(status, b'{"message":"%s"}' % status.encode())
        self.transport.close()

    def _send(self, status: str, body: bytes) -> None:
        if self.transport.is_closing():
            return
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        if not self._parser.should_keep_alive():
            self.transport.close()


async def serve(port: int) -> None:
    """Serve on 127.0.0.1 until the process ends."""
    tail = Tail()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(tail), "127.0.0.1", port)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
