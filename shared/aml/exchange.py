"""One authenticated call: a token for one audience goes to one host, and a bounded answer comes back.

Azure Resource Manager is one such host; the data planes of Machine Learning are others, whose addresses Azure tells
and this module checks before a token goes there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.aml.auth import TokenSource
from shared.aml.http import CallFailed, HttpAnswer, send
from shared.signals import Attributes, Spans
from shared.skills.addresses import ScoringHosts
from shared.tracing import SpanKind, is_on, span
from shared.wire import parse_json

_MOST_BYTES = 4 * 1024 * 1024
_MOST_PAGES = 50
_MOST_SECONDS = 15.0


class ExchangeFailed(Exception):
    """No answer that can be used; `cause` is what was answered instead: `nothing within 15 s`."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Answer(BaseModel):
    """The part of an answer that is read; Azure writes null for what has no value."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class Page[T](Answer):
    """Of a list."""

    value: tuple[T, ...] = ()
    next_link: str | None = None


class Exchange:
    """Calls to the host of `address`, and to no other, with tokens for `audience`."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        tokens: TokenSource,
        *,
        audience: str,
        address: str | httpx.URL,
        most_seconds: float = _MOST_SECONDS,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._audience = audience
        self._address = httpx.URL(address)
        self._most_seconds = most_seconds

    def url(self, path: str, params: Mapping[str, str] | None = None) -> httpx.URL:
        return self._address.copy_with(path=path, params=params or None)

    def own(self, link: str) -> httpx.URL:
        """`link` if it leads to this host: a token goes nowhere else. Raises ExchangeFailed."""
        try:
            url = httpx.URL(link)
        except httpx.InvalidURL as error:
            raise ExchangeFailed("with a link that cannot be read") from error
        own = self._address
        if (url.scheme, url.host, url.port, url.userinfo) != (own.scheme, own.host, own.port, b""):
            raise ExchangeFailed("with a link to another host")
        return url

    async def send(
        self,
        method: str,
        url: httpx.URL,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        other_tokens: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """One call, and after a 401 one more with new tokens. `other_tokens`: audiences of tokens in headers of their own.

        Raises ExchangeFailed, and AttemptFailed where this app's identity gets no token.
        """
        audiences = {"Authorization": self._audience, **(other_tokens or {})}
        tokens = await self._get(audiences)
        answer = await self._send(method, url, content, headers or {}, tokens)
        if answer.status != 401:
            return answer
        for header, token in tokens.items():
            self._tokens.forget(audiences[header], token)
        return await self._send(method, url, content, headers or {}, await self._get(audiences))

    async def items[T](
        self, first: httpx.URL, ask: Callable[[httpx.URL], Awaitable[Page[T]]], *, most_pages: int = _MOST_PAGES
    ) -> AsyncIterator[T]:
        """What a list holds, over its pages, which `ask` reads. Raises ExchangeFailed for a link that is not followed."""
        url = first
        for _ in range(most_pages):
            page = await ask(url)
            for item in page.value:
                yield item
            if not page.next_link:
                return
            url = self.own(page.next_link)

    async def _get(self, audiences: Mapping[str, str]) -> dict[str, str]:
        return {header: await self._tokens.get(audience) for header, audience in audiences.items()}

    async def _send(
        self, method: str, url: httpx.URL, content: bytes | None, headers: Mapping[str, str], tokens: Mapping[str, str]
    ) -> HttpAnswer:
        self.own(str(url))
        sent = {**headers, "Accept": "application/json", **tokens, "Authorization": f"Bearer {tokens['Authorization']}"}
        body = b"" if content is None and method == "POST" else content
        request = httpx.Request(method, url, headers=sent, content=body)
        return await _bounded(self._transport, request, self._most_seconds)


async def _bounded(transport: httpx.AsyncBaseTransport, request: httpx.Request, most_seconds: float) -> HttpAnswer:
    """With a span, which names the kind of what is called and no names in its path."""
    if not is_on():
        return await _answered(transport, request, most_seconds)
    kind = resource_kind(request.url.path)
    values = {Attributes.METHOD: request.method, Attributes.HOST: request.url.host, Attributes.RESOURCE: kind}
    with span(f"{Spans.AZURE_CALL} {request.method} {kind}".rstrip(), values, kind=SpanKind.CLIENT) as calling:
        answer = await _answered(transport, request, most_seconds)
        calling.set(Attributes.STATUS, answer.status)
        if answer.status >= 400 and answer.status != 404:  # that is an answer too: there is none
            calling.fail(str(answer.status))
        return answer


def resource_kind(path: str) -> str:
    """Of a path of Azure Resource Manager: `workspaces/jobs` of `…/providers/{namespace}/workspaces/{name}/jobs/{name}`; of any
    other path nothing, for what is a name in it is not known."""
    _, is_resource, path = path.lower().rpartition("/providers/")
    return "/".join(path.split("/")[1::2]) if is_resource else ""


async def _answered(transport: httpx.AsyncBaseTransport, request: httpx.Request, most_seconds: float) -> HttpAnswer:
    try:
        async with asyncio.timeout(most_seconds):
            return await send(transport, request, most_bytes=_MOST_BYTES)
    except TimeoutError as error:
        raise ExchangeFailed(f"nothing within {most_seconds:g} s") from error
    except CallFailed as failed:
        raise ExchangeFailed(f"nothing ({failed.kind.code})") from failed


def read_as[T: BaseModel](shape: type[T], answer: HttpAnswer) -> T:
    """Raises ExchangeFailed."""
    try:
        return shape.model_validate(parse_json(answer.body))
    except ValueError:  # pydantic's own error holds the answer, and that may hold a key
        raise ExchangeFailed("with something else than its contract says") from None


class DataPlane:
    """A service of Machine Learning whose address Azure tells; a token for it goes to hosts under `domain` alone."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        tokens: TokenSource,
        *,
        audience: str,
        domain: str,
        loopback: bool = False,
        most_seconds: float = _MOST_SECONDS,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._audience = audience
        self._domain = domain
        self._hosts = ScoringHosts((domain,), loopback=loopback)
        self._most_seconds = most_seconds

    def check(self, address: str) -> httpx.URL:
        """Raises ExchangeFailed unless `address` is one of this service."""
        try:
            self._hosts.check(address)
            return httpx.URL(address)
        except (ValueError, httpx.InvalidURL) as error:
            raise ExchangeFailed(f"with an address that is not an https one under {self._domain}") from error

    def at(self, address: str) -> Exchange:
        """Raises ExchangeFailed."""
        return Exchange(
            self._transport,
            self._tokens,
            audience=self._audience,
            address=self.check(address),
            most_seconds=self._most_seconds,
        )

    async def read_openly(self, address: str) -> HttpAnswer:
        """GET without any token. Raises ExchangeFailed."""
        request = httpx.Request("GET", self.check(address), headers={"Accept": "application/json"})
        return await _bounded(self._transport, request, self._most_seconds)
