"""An HTTP request as the real host would see it: path, query, headers, body."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote

from devhost.routes import decode_path

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_MOST_DRAINED = 16 * 1024 * 1024


class BodyTooLargeError(Exception):
    pass


class CallerGoneError(Exception):
    pass


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # decoded once, `%2F` kept
    query_string: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    receive: Receive = field(repr=False)

    @classmethod
    def read(cls, scope: Scope, receive: Receive) -> "Request":
        query_string = scope["query_string"].decode("latin-1")
        return cls(
            method=scope["method"],
            path=decode_path(scope.get("raw_path") or scope["path"].encode()) or "/",
            query_string=query_string,
            headers=joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
            query=joined(parse_qsl(query_string, keep_blank_values=True, errors="replace")),
            receive=receive,
        )

    @property
    def url(self) -> str:
        path = quote(self.path, safe="!$&'()*+,-./:;=@_~%")
        path = re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", path)
        query = f"?{self.query_string}" if self.query_string else ""
        return f"http://{self.headers.get('host', '')}{path}{query}"

    @property
    def chunked(self) -> bool:
        return "transfer-encoding" in self.headers

    async def body(self, limit: int) -> bytes:
        """What the worker gets: the body if its length is announced, else nothing, as in the real host."""
        length = self.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > limit:
            await self._drain(_MOST_DRAINED)
            raise BodyTooLargeError
        if self.chunked or int(length) == 0:
            return b""
        received = bytearray()
        while True:
            event = await self.receive()
            if event["type"] == "http.disconnect":
                raise CallerGoneError
            received += event.get("body", b"")
            if not event.get("more_body"):
                return bytes(received)

    async def _drain(self, most: int) -> None:
        """Read and drop: a caller that still writes when the connection closes may never see its answer."""
        while most > 0:
            event = await self.receive()
            most -= len(event.get("body", b""))
            if event["type"] == "http.disconnect" or not event.get("more_body"):
                return


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Repeated names, whatever their case, become one with commas; the first spelling stays."""
    names: dict[str, str] = {}
    values: dict[str, str] = {}
    for name, value in pairs:
        spelled = names.setdefault(name.lower(), name)
        values[spelled] = f"{values[spelled]},{value}" if spelled in values else value
    return values
