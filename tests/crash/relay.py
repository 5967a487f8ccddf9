"""A relay between the app and what it talks to, that ends the app's process at one request: before it arrives, or after
it was answered and before the app hears of it."""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

_LONGEST_HEAD = 256 * 1024


class When(Enum):
    BEFORE = "before"
    """The request never arrives."""
    AFTER = "after"
    """What it asks for is done, and the app does not hear of it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A request of the app that changes something outside of it."""

    method: str
    path: str
    """A regular expression, searched for in the request's target."""
    holds: tuple[str, ...] = ()
    """What its body holds, all of it."""
    nth: int = 1
    """Which of those that match."""

    def of(self, name: str) -> "Effect":
        """For the workflow of this name, which stands as `<name>` in path and body."""
        told = tuple(mark.replace("<name>", name) for mark in self.holds)
        return replace(self, path=self.path.replace("<name>", name), holds=told)

    def matches(self, request: "Message") -> bool:
        if request.method != self.method or not re.search(self.path, request.target):
            return False
        return all(mark.encode() in request.body for mark in self.holds)


@dataclass(frozen=True, slots=True)
class Message:
    """A request or an answer, as its bytes and what is to be known of them."""

    head: bytes
    body: bytes
    raw: bytes
    """The body as it travels: with the marks of its chunks."""

    @property
    def first(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.first.partition(" ")[0]

    @property
    def target(self) -> str:
        return self.first.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.first.split(" ")[1])


@dataclass
class Trap:
    """Waits for one effect, then strikes once."""

    effect: Effect
    when: When
    strike: Callable[[], object]
    seen: int = 0
    struck_at: float | None = None
    """On the monotonic clock."""
    sprung: threading.Event = field(default_factory=threading.Event)

    def takes(self, request: Message) -> bool:
        if self.struck_at is not None or not self.effect.matches(request):
            return False
        self.seen += 1
        return self.seen == self.effect.nth

    def spring(self) -> None:
        self.strike()
        self.struck_at = time.monotonic()
        self.sprung.set()


class Relay:
    """Passes HTTP on to ports of this machine."""

    def __init__(self) -> None:
        self.trap: Trap | None = None
        self.sent: list[Message] = []
        """Requests that put a message into a queue, in their order."""
        self._servers: list[asyncio.Server] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def listen(self, target: int) -> int:
        """The port that leads to `target`."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            call = asyncio.current_task()
            assert call is not None
            self._calls.add(call)
            try:
                with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                    await self._pass_on(reader, writer, target)
            finally:
                self._calls.discard(call)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=_LONGEST_HEAD)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        while (request := await _read(reader)) is not None:
            trap = self._trap_for(request)
            if trap and trap.when is When.BEFORE:
                trap.spring()
                return
            answer = await _answer(request, target)
            if trap:
                trap.spring()
                return
            writer.write(answer.head + answer.raw)
            await writer.drain()

    def _trap_for(self, request: Message) -> Trap | None:
        if request.method == "POST" and "/messages" in request.target:
            self.sent.append(request)
        return self.trap if self.trap is not None and self.trap.takes(request) else None


async def _answer(request: Message, port: int) -> Message:
    """Over a connection of its own: one that is kept may be closed behind us, unseen."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LONGEST_HEAD)
    try:
        writer.write(request.head + request.raw)
        answer = await _read(reader, asked=request.method)
    finally:
        writer.close()
    if answer is None:
        raise ConnectionResetError(f"port {port} gave no answer to {request.first}")
    return answer


async def _read(reader: asyncio.StreamReader, asked: str = "") -> Message | None:
    """The next message, None at the end of the connection; `asked`: the method that it answers, empty for a request."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    headers = head.lower()
    if asked == "HEAD" or (asked and Message(head, b"", b"").status in (204, 304)):
        return Message(head, b"", b"")
    if b"\r\ntransfer-encoding: chunked" in headers:
        return Message(head, *await _chunks(reader))
    length = re.search(rb"\r\ncontent-length: *(\d+)", headers)
    body = await reader.readexactly(int(length.group(1))) if length else b""
    return Message(head, body, body)


async def _chunks(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """A chunked body without and with its marks."""
    body, raw = bytearray(), bytearray()
    while True:
        line = await reader.readuntil(b"\r\n")
        chunk = await reader.readexactly(int(line.partition(b";")[0], 16) + 2)
        raw += line + chunk
        body += chunk[:-2]
        if len(chunk) == 2:
            return bytes(body), bytes(raw)


class Loop:
    """An event loop in a thread of its own, for code that blocks."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relays")

    def do(self, work: Any) -> Any:
        """Wait for a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    @contextmanager
    def running(self) -> Iterator["Loop"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
