"""How does an answer reach the wire? Whole; or late, in drops, without end, or not at all."""

import asyncio
from collections.abc import Callable

from starlette.types import Receive, Scope, Send

from simulator.scoring.answers import Answer
from simulator.scoring.faults import Fault

# The server's ASGI extension that closes the connection under a call (simulator/server.py).
HANG_UP = "simulator.hang_up"
PIECES = 10
ENDLESS_PIECE = b"x" * 65_536


async def send_answer(answer: Answer, scope: Scope, receive: Receive, send: Send, fault: Fault | None) -> None:
    if fault is None:
        await send_whole(answer, send)
    elif fault.drop is not None:
        await send_and_drop(answer, scope, receive, send, midway=fault.drop == "midway")
    elif fault.answer == "huge":
        await send_endless(answer, receive, send)
    elif fault.slow_body:
        await send_slowly(answer, send, fault.slow_body)
    else:
        await send_whole(answer, send)


async def send_whole(answer: Answer, send: Send) -> None:
    await start(answer, send, len(answer.body))
    await send({"type": "http.response.body", "body": answer.body})


async def send_slowly(answer: Answer, send: Send, seconds: float) -> None:
    """The head at once, the body in pieces over `seconds`."""
    await start(answer, send, len(answer.body))
    size = max(1, -(-len(answer.body) // PIECES))
    pieces = [answer.body[at : at + size] for at in range(0, len(answer.body), size)]
    for piece in pieces:
        await asyncio.sleep(seconds / len(pieces))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def send_endless(answer: Answer, receive: Receive, send: Send) -> None:
    """A JSON object whose one string never ends, until the caller hangs up."""
    await start(answer, send, None)
    await send({"type": "http.response.body", "body": b'{"detected_language_code": "', "more_body": True})
    gone = asyncio.ensure_future(wait_until_gone(receive))
    try:
        while not gone.done():
            await send({"type": "http.response.body", "body": ENDLESS_PIECE, "more_body": True})
            await asyncio.sleep(0)
    finally:
        gone.cancel()


async def send_and_drop(answer: Answer, scope: Scope, receive: Receive, send: Send, *, midway: bool) -> None:
    """Close the connection: without a byte, or after the head and half of the body."""
    if midway:
        await start(answer, send, len(answer.body))
        half = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
    hang_up(scope)()
    await wait_until_gone(receive)


def hang_up(scope: Scope) -> Callable[[], None]:
    try:
        close: Callable[[], None] = scope["extensions"][HANG_UP]["close"]
    except KeyError as error:
        raise ConnectionAbortedError("the call was dropped; without the simulator's server by an error") from error
    return close


async def wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def start(answer: Answer, send: Send, length: int | None) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if answer.content_type is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    if length is not None and answer.status not in (204, 304):
        headers.append((b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
