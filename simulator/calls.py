"""What has been asked of the simulator? Counters a path, and the last calls with their heads and bodies.

    GET  /calls           {"/score": {"calls": 12, "inFlight": 0, "maxInFlight": 5, "statuses": {"200": 12}}}
    GET  /calls/log?last  {"value": [{"at", "method", "path", "query", "headers", "body", "status",
                                      "milliseconds"}]}, the oldest first
    POST /calls/reset     counters, log, and what faults remember

A credential is never kept: of an Authorization header the scheme and the start of its SHA-256 stay.
A call whose answer did not reach its end counts as `unfinished`.
"""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEPT_CALLS = 500
KEPT_BODY = 65_536
OWN_PATHS = ("/calls", "/control")
SECRET_HEADERS = frozenset({b"authorization", b"x-identity-header"})
UNFINISHED = "unfinished"


@dataclass
class PathCalls:
    calls: int = 0
    in_flight: int = 0
    max_in_flight: int = 0
    statuses: Counter[str] = field(default_factory=Counter)

    def begin(self) -> None:
        self.calls += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def end(self, status: str) -> None:
        self.in_flight -= 1
        self.statuses[status] += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "calls": self.calls,
            "inFlight": self.in_flight,
            "maxInFlight": self.max_in_flight,
            "statuses": dict(self.statuses),
        }


@dataclass(slots=True)
class Call:
    """One call as it came, and how it ended; status and milliseconds are null while it is in flight."""

    method: str
    path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    body: bytes = b""
    status: str = ""
    finished: bool = False
    milliseconds: float | None = None

    def outcome(self) -> str:
        return self.status if self.finished else UNFINISHED

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query.decode("latin-1"),
            "headers": readable_headers(self.headers),
            "body": readable_body(self.body),
            "status": None if self.milliseconds is None else self.outcome(),
            "milliseconds": self.milliseconds,
        }


class Calls:
    """ASGI middleware around the whole simulator."""

    def __init__(self) -> None:
        self.paths: dict[str, PathCalls] = {}
        self.log: deque[Call] = deque(maxlen=KEPT_CALLS)

    def reset(self) -> None:
        """Calls that are in flight stay so: they will end."""
        self.paths = {
            path: PathCalls(in_flight=each.in_flight, max_in_flight=each.in_flight)
            for path, each in self.paths.items()
            if each.in_flight
        }
        self.log.clear()

    def to_json(self) -> dict[str, Any]:
        return {path: calls.to_json() for path, calls in self.paths.items()}

    def last(self, count: int) -> list[dict[str, Any]]:
        """The last `count` calls, oldest first."""
        return [call.to_json() for call in list(self.log)[-count:]] if count > 0 else []

    def around(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"].startswith(OWN_PATHS):
                await app(scope, receive, send)
            else:
                await self._count(app, scope, receive, send)

        return counted

    async def _count(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        call = Call(scope["method"], path, scope["query_string"], scope["headers"])
        self.log.append(call)
        self.paths.setdefault(path, PathCalls()).begin()

        async def listening() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(call.body) < KEPT_BODY:
                call.body = (call.body + message.get("body", b""))[:KEPT_BODY]
            return message

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = str(message["status"])
            elif not message.get("more_body", False):
                call.finished = True
            await send(message)

        try:
            await app(scope, listening, noting)
        finally:
            call.milliseconds = round((time.perf_counter() - call.started) * 1000, 1)
            self.paths.setdefault(path, PathCalls(in_flight=1)).end(call.outcome())


def readable_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {
        name.decode("latin-1"): redacted(value) if name in SECRET_HEADERS else value.decode("latin-1")
        for name, value in headers
    }


def redacted(value: bytes) -> str:
    """Scheme and a fingerprint: enough to see whether two calls carried the same credential."""
    scheme, space, credential = value.partition(b" ")
    secret = credential if space else value
    fingerprint = f"sha256:{hashlib.sha256(secret).hexdigest()[:12]}"
    return f"{scheme.decode('latin-1')} {fingerprint}" if space else fingerprint


def readable_body(body: bytes) -> Any:
    """Its JSON value if it is JSON, else its text."""
    try:
        return orjson.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
