"""The HTTP door: an ASGI app that routes on the raw path, asks for keys, calls, and writes what came back."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, Protocol

from devhost.answers import Answer, answer_of
from devhost.calls import Caller
from devhost.functions import AuthLevel, Function, HttpTrigger
from devhost.keys import Keys, key_of
from devhost.protos import RpcHttp, TypedData
from devhost.request import BodyTooLargeError, CallerGoneError, Receive, Request, Scope
from devhost.routes import Match, Router
from devhost.throttle import Throttle
from devhost.worker import Trace

log = logging.getLogger("Host.Http")

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUEST_LINE_LIMIT = 8192
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}.*")
CHUNKED = (
    "%s %s came with a chunked body, which functions never see (azure-functions-host#4926): "
    "'%s' gets an empty one. Send a Content-Length."
)
HOMEPAGE = b"<!doctype html><title>devhost</title><h1>Your function app is up and running</h1>"


class AdminDoor(Protocol):
    async def answer(self, request: Request, level: AuthLevel) -> Answer: ...


class Door:
    """The ASGI app."""

    def __init__(
        self,
        functions: Iterable[Function],
        router: Router,
        caller: Caller,
        admin: AdminDoor,
        *,
        keys: Keys | None,
        disabled: Callable[[str], bool],
        throttle: Throttle,
        body_limit: int,
        homepage: bool,
        access_log: bool,
    ) -> None:
        self._functions = {function.name: function for function in functions}
        self._router = router
        self._caller = caller
        self._admin = admin
        self._keys = keys
        self._disabled = disabled
        self._throttle = throttle
        self._body_limit = body_limit
        self._homepage = homepage
        self._access_log = access_log
        self._call_level = logging.DEBUG if access_log else logging.INFO

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"devhost serves HTTP, not {scope['type']}")
        started = time.monotonic()
        try:
            answer = await self._answer(scope, receive)
        except CallerGoneError:
            return
        except BodyTooLargeError:
            answer = Answer(413, headers={"connection": "close"})
        except asyncio.CancelledError:  # the host stops, and the call has had its time
            answer = Answer(503, headers={"connection": "close"})
        except Exception:
            log.exception("devhost failed on %s %s", scope["method"], scope["path"])
            answer = Answer(500)
        await send_answer(answer, send)
        if self._access_log:
            log_request(scope, answer.status, (time.monotonic() - started) * 1000)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        line = len(scope["method"]) + len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if line > REQUEST_LINE_LIMIT:
            return Answer(414)
        request = Request.read(scope, receive)
        if re.match(r"/admin(/|$)", request.path, re.IGNORECASE):
            return await self._admin.answer(request, self._level(request, None))
        match = self._router.find(request.method, request.path)
        if match is None:
            return self._unrouted(request)
        async with self._throttle.place() as admitted:
            return await self._serve(request, match) if admitted else Answer(429)

    def _unrouted(self, request: Request) -> Answer:
        if request.path != "/":
            return Answer(404)
        return Answer(200, HOMEPAGE, {"content-type": "text/html"}) if self._homepage else Answer(204)

    async def _serve(self, request: Request, match: Match) -> Answer:
        function = self._functions[match.function]
        trigger = function.trigger
        level = self._level(request, function.name)
        if not isinstance(trigger, HttpTrigger) or level < trigger.auth_level:
            return Answer(401)
        if self._disabled(function.name) and not self._is_master(request):
            return Answer(404)
        if request.chunked:
            log.warning(CHUNKED, request.method, request.path, function.name)
        body = await request.body(self._body_limit)
        data = TypedData(http=rpc_request(request, match.values, body))
        outcome = await self._caller.call(function, data, trace=trace_of(request.headers), level=self._call_level)
        if outcome.failure is not None:
            return Answer(500)
        try:
            return answer_of(outcome, writes_http(function))
        except ValueError as error:
            log.error("'%s' answered what cannot be sent: %s", function.name, error)
            return Answer(500)

    def _level(self, request: Request, function: str | None) -> AuthLevel:
        if self._keys is None:
            return AuthLevel.ADMIN
        return self._keys.level(key_of(request.headers, request.query), function)

    def _is_master(self, request: Request) -> bool:
        return self._keys is not None and self._level(request, None) is AuthLevel.ADMIN


def log_request(scope: Scope, status: int, milliseconds: float) -> None:
    """The path as it came, escapes and all, and without the query, which may hold a key; nor one that is in the path."""
    path = (scope.get("raw_path") or scope["path"].encode()).decode("ascii", "backslashreplace")
    path = re.split("%3F", path, maxsplit=1, flags=re.IGNORECASE)[0]
    level = logging.WARNING if status >= 500 else logging.INFO
    log.log(level, "%s %s %d %.0f ms", scope["method"], path, status, milliseconds)


def rpc_request(request: Request, values: Mapping[str, str | None], body: bytes) -> RpcHttp:
    return RpcHttp(
        method=request.method,
        url=request.url,
        headers=request.headers,
        params={name: value for name, value in values.items() if value is not None},
        query={name: value for name, value in request.query.items() if value},
        body=TypedData(bytes=body) if body else TypedData(),
    )


def trace_of(headers: Mapping[str, str]) -> Trace | None:
    """The caller's, if it names one. The real host puts a span of its own in between; ours has none to show."""
    parent = headers.get("traceparent", "")
    return Trace(parent, headers.get("tracestate", "")) if TRACEPARENT.fullmatch(parent) else None


def writes_http(function: Function) -> str | None:
    """The name of the function's HTTP output, if it has one."""
    return next((str(each["name"]) for each in function.bindings if each.get("type") == "http"), None)


async def send_answer(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
    headers += [(b"set-cookie", cookie.encode("latin-1")) for cookie in answer.cookies]
    bare = answer.status in (204, 205, 304)  # these have no body by definition
    if not bare:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bare else answer.body})
