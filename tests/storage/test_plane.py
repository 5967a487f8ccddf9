"""The row plane against a table service that is busy in one of its two ways."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from azure.core.pipeline.policies import SansIOHTTPPolicy

from shared.storage.plane import RowPlane
from shared.storage.row_bodies import Refused, read_answer

_BUSY = b'{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"1:The server is busy."}}}'
_DONE = b"--b\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n--b--\r\n"
_BUSY_INSIDE = b"--b\r\n\r\nHTTP/1.1 503 Service Unavailable\r\n\r\n" + _BUSY + b"\r\n--b--\r\n"


@asynccontextmanager
async def answering(*answers: tuple[int, bytes]) -> AsyncIterator[tuple[RowPlane, Sequence[bytes]]]:
    """A plane whose account gives these answers one after the other, and what it was sent."""
    left, sent = list(answers), list[bytes]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.readuntil(b"\r\n\r\n"))
        status, body = left.pop(0)
        writer.write(f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, RowPlane(f"http://127.0.0.1:{port}/account", SansIOHTTPPolicy()) as plane:
        yield plane, sent


@pytest.mark.parametrize("busy", [(503, b""), (429, b""), (202, _BUSY_INSIDE)])
async def test_what_a_busy_account_refuses_is_asked_for_again(busy: tuple[int, bytes]) -> None:
    async with answering(busy, (202, _DONE)) as (plane, sent):
        found = await plane.send("POST", "$batch", headers={})

    assert (found.status_code, found.content, len(sent)) == (202, _DONE, 2)


async def test_a_transaction_refused_for_another_reason_is_not_sent_again() -> None:
    refused = _BUSY_INSIDE.replace(b" 503 ", b" 409 ")
    async with answering((202, refused)) as (plane, sent):
        found = await plane.send("POST", "$batch", headers={})

    assert (found.content, len(sent)) == (refused, 1)


@pytest.mark.parametrize(
    ("error", "code", "index"),
    [
        (_BUSY, "ServerBusy", 1),
        (b'{"odata.error":{"code":"X","message":"a text"}}', "", None),
        (b'{"odata.error":[]}', "", None),
        (b"not JSON", "", None),
    ],
)
def test_a_refusal_is_read_whatever_its_body(error: bytes, code: str, index: int | None) -> None:
    assert read_answer(b"\r\nHTTP/1.1 503 x\r\n\r\n" + error, 1) == Refused(503, code, index)
