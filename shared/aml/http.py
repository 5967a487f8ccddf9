"""HTTP to Azure ML, behind one seam: an `httpx.AsyncBaseTransport` goes in, a bounded answer or a `Kind` comes out.

The transport is used without `httpx.AsyncClient`: redirects, cookies, proxies from the environment and
authentication flows are just what a call that carries a key must not do by itself.
"""

import asyncio
import socket
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import httpx

from shared.skills.failures import Kind
from shared.tracing import current, is_on

_MOST_IDLE_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_LONGEST_RETRY_AFTER = 300.0
"""Seconds: an endpoint that asks for more is asked again after these."""
_MOST_OF_AN_ERROR = 64 * 1024
_LONGEST_WAIT_FOR_AN_ERROR = 2.0
_BROKEN = (httpx.TransportError, aiohttp.ClientError, OSError)
_CONNECT_TIMEOUT = {"timeout": {"connect": _CONNECT_SECONDS}}


class CallFailed(Exception):
    """No whole answer came; `kind` says why."""

    def __init__(self, kind: Kind, **facts: object) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.facts = facts


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_json(self) -> bool:
        """`application/json`, with parameters or without, in any case; nothing like it."""
        return self.content_type == "application/json"

    @property
    def content_type(self) -> str:
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()


def create_transport() -> httpx.AsyncBaseTransport:
    """The process's one connection pool. httpx's own pool costs several times the CPU (docs/adr)."""
    from httpx_aiohttp import AiohttpTransport

    context = httpx.create_ssl_context()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=_MOST_IDLE_SECONDS)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    return AiohttpTransport(verify=context, client=session)


async def send(transport: httpx.AsyncBaseTransport, request: httpx.Request, *, most_bytes: int) -> HttpAnswer:
    """One exchange; no redirect is followed, nothing is tried twice. The caller bounds the time.

    Raises CallFailed: no connection, a broken one, or a body of more than `most_bytes`.
    """
    request.extensions = _CONNECT_TIMEOUT
    if is_on() and (traceparent := current().traceparent):
        request.headers["traceparent"] = traceparent
    try:
        response = await transport.handle_async_request(request)
        stream = _stream_of(response)
        try:
            body = await (_read(response, stream, most_bytes) if response.is_success else _read_error(response, stream))
        finally:
            await stream.aclose()
    except _BROKEN as error:
        raise CallFailed(_classify(error)) from error
    return HttpAnswer(response.status_code, response.headers, body)


def _stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    if not isinstance(response.stream, httpx.AsyncByteStream):
        raise TypeError("an asynchronous transport answers with an asynchronous stream")
    return response.stream


async def _read(response: httpx.Response, stream: httpx.AsyncByteStream, most_bytes: int) -> bytes:
    """The whole body; never more than `most_bytes` and a chunk are held, whatever it says of itself."""
    inflate = _inflater(response.headers)
    chunks: list[bytes] = []
    room = most_bytes
    async for chunk in stream:
        part = chunk if inflate is None else inflate(chunk, room + 1)
        room -= len(part)
        if room < 0:
            raise CallFailed(Kind.ANSWER_TOO_LARGE, limit=most_bytes)
        chunks.append(part)
    return b"".join(chunks)


async def _read_error(response: httpx.Response, stream: httpx.AsyncByteStream) -> bytes:
    """Of an error the status says what happened: a body that is long, broken, cut off or dripping takes nothing from that."""
    try:
        async with asyncio.timeout(_LONGEST_WAIT_FOR_AN_ERROR):
            return await _read(response, stream, _MOST_OF_AN_ERROR)
    except (CallFailed, TimeoutError, *_BROKEN):
        return b""


def _inflater(headers: httpx.Headers) -> Callable[[bytes, int], bytes] | None:
    """For the one coding that we ask for; each call gives at most so many bytes. httpx would decode a gzip within
    a gzip, which makes a terabyte of a megabyte."""
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise CallFailed(Kind.CONTENT_TYPE, content_type=f"application/json in the coding {coding[:40]!r}")
    decompressor = zlib.decompressobj(zlib.MAX_WBITS | 32)

    def inflate(chunk: bytes, most: int) -> bytes:
        try:
            return decompressor.decompress(chunk, most)
        except zlib.error as error:
            raise CallFailed(Kind.INVALID_JSON) from error

    return inflate


_CAUSES: tuple[tuple[tuple[type[BaseException], ...], Kind], ...] = (
    (
        (ssl.SSLError, ssl.CertificateError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch),
        Kind.TLS,
    ),
    ((socket.gaierror, aiohttp.ClientConnectorDNSError), Kind.DNS),
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ConnectionRefusedError), Kind.CONNECT),
    ((aiohttp.ClientError,), Kind.DROPPED),
    ((httpx.ConnectError, httpx.ConnectTimeout), Kind.CONNECT),
)


def _classify(error: BaseException) -> Kind:
    """By the error and what it was raised from: the innermost reason says most."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 10:
        chain.append(cause)
        cause = cause.__cause__ or getattr(cause, "os_error", None)
    for types, kind in _CAUSES:
        if any(isinstance(item, types) for item in chain):
            return kind
    return Kind.DROPPED


def is_header_value(text: str) -> bool:
    """Whether `text` can be sent as a credential: printable ASCII, without spaces."""
    return bool(text) and all("!" <= character <= "~" for character in text)


def retry_after(headers: httpx.Headers, now: datetime | None = None) -> float | None:
    """Seconds of a `Retry-After` header, as a number or a date; at most five minutes. None where there is none to read."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)
