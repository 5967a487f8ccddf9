"""The management routes under /admin that tools and portals use."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from devhost.answers import Answer
from devhost.functions import AuthLevel, Function, HttpTrigger
from devhost.request import Request
from devhost.routes import Route

log = logging.getLogger("Host.Admin")

Manual = Callable[
    [Function, str], Coroutine[Any, Any, None]
]  # runs a function by hand, with the text given as its input


class Admin:
    def __init__(
        self,
        functions: Iterable[Function],
        routes: Iterable[Route],
        run: Manual,
        *,
        address: str,
        host_id: str,
        disabled: Callable[[str], bool],
    ) -> None:
        self._functions = list(functions)
        self._routes = {route.function: route for route in routes}
        self._run = run
        self._address = address
        self._host_id = host_id
        self._disabled = disabled
        self._started = time.monotonic()
        self._manual_calls: set[asyncio.Task[Any]] = set()

    async def answer(self, request: Request, level: AuthLevel) -> Answer:
        parts = request.path.lower().strip("/").split("/")[1:]
        if parts == ["host", "ping"] and request.method in ("GET", "POST"):
            return Answer(200)
        if level < AuthLevel.ADMIN:
            return Answer(401)
        match request.method, parts:
            case "GET", ["host", "status"]:
                return as_json(self._status())
            case "GET", ["functions"]:
                return as_json([self._describe(function) for function in self._functions])
            case "GET", ["functions", name]:
                function = self._find(name)
                return as_json(self._describe(function)) if function else Answer(404)
            case "GET", ["functions", name, "status"]:
                return as_json({}) if self._find(name) else Answer(404)
            case "POST", ["functions", name]:
                return await self._invoke(name, request)
        return Answer(404)

    async def _invoke(self, name: str, request: Request) -> Answer:
        given = read_input(await request.body(limit=1024 * 1024))
        function = self._find(name)
        if given is None:
            return Answer(400)
        if function is None:
            return Answer(404)
        if isinstance(function.trigger, HttpTrigger):
            log.warning("'%s' is an HTTP function: call its route, not /admin", function.name)
            return Answer(400)
        task = asyncio.ensure_future(self._run(function, given))
        self._manual_calls.add(task)
        task.add_done_callback(self._manual_calls.discard)
        return Answer(202)

    def _find(self, name: str) -> Function | None:
        return next((each for each in self._functions if each.name.lower() == unquote(name).lower()), None)

    def _status(self) -> Mapping[str, Any]:
        return {
            "id": self._host_id,
            "state": "Running",
            "version": "4.0.0-devhost",
            "versionDetails": "devhost, a local host",
            "processUptime": int((time.monotonic() - self._started) * 1000),
        }

    def _describe(self, function: Function) -> Mapping[str, Any]:
        route = self._routes.get(function.name)
        return {
            "name": function.name,
            "script_href": f"{self._address}/admin/vfs/{function.script_file}",
            "href": f"{self._address}/admin/functions/{function.name}",
            "invoke_url_template": f"{self._address}/{route.template}" if route else None,
            "language": "python",
            "isDisabled": self._disabled(function.name),
            "config": {"bindings": list(function.bindings)},
        }


def read_input(body: bytes) -> str | None:
    """The text of {"input": "…"}; None if the body is not that."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    if not isinstance(content, dict):
        return None
    value = content.get("input")
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def as_json(content: Any) -> Answer:
    return Answer(200, json.dumps(content).encode(), {"content-type": "application/json; charset=utf-8"})
