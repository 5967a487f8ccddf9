"""Azure Resource Manager's side of an online endpoint: what it is, its key or token, how much it can hold.

Source: Azure ML REST, 2025-12-01 (onlineEndpoints get, listKeys, token; deployments list). A management token goes
to the Resource Manager's own host only, for following pages too.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.aml.auth import Tokens
from shared.aml.http import CallFailed, HttpAnswer, retry_after, send
from shared.skills.addresses import EndpointId
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed
from shared.wire import parse_json

_MOST_BYTES = 4 * 1024 * 1024
_MOST_PAGES = 50
_MOST_SECONDS = 15.0


class _Answer(BaseModel):
    """The part of an answer that is read; ARM writes null for what has no value."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _Properties(_Answer):
    auth_mode: str | None = None
    scoring_uri: str | None = None
    traffic: dict[str, int] | None = None


class _Endpoint(_Answer):
    location: str | None = None
    properties: _Properties


class _Keys(_Answer):
    primary_key: str


class _IssuedToken(_Answer):
    access_token: str
    refresh_after_time_utc: float | None = None
    expiry_time_utc: float | None = None


class _RequestSettings(_Answer):
    max_concurrent_requests_per_instance: int | None = None


class _DeploymentProperties(_Answer):
    request_settings: _RequestSettings | None = None


class _Sku(_Answer):
    capacity: int | None = None


class _Deployment(_Answer):
    name: str
    sku: _Sku | None = None
    properties: _DeploymentProperties | None = None

    @property
    def capacity(self) -> int:
        """Calls it holds at once; 0 where ARM does not tell."""
        settings = self.properties and self.properties.request_settings
        concurrent = (settings and settings.max_concurrent_requests_per_instance) or 1
        return 2 * concurrent * ((self.sku and self.sku.capacity) or 0)


class _Deployments(_Answer):
    value: tuple[_Deployment, ...] = ()
    next_link: str | None = None


@dataclass(frozen=True, slots=True)
class OnlineEndpoint:
    """What `GET {endpoint}` tells."""

    auth_mode: str
    """Lower case, without underscores: `key`, `amltoken`, `aadtoken`."""
    scoring_uri: str
    location: str
    traffic: dict[str, int]
    """Deployment to percent."""


@dataclass(frozen=True, slots=True)
class EndpointToken:
    value: str
    refresh_at: float
    """Epoch seconds."""


class ResourceManager:
    """Calls to ARM with this app's identity. Each raises AttemptFailed, whose failure names the missing right."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        tokens: Tokens,
        *,
        address: str,
        audience: str,
        api_version: str,
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._address = httpx.URL(address)
        self._audience = audience
        self._api_version = api_version

    async def online_endpoint(self, endpoint: EndpointId) -> OnlineEndpoint:
        found = await self._call("GET", endpoint, "", "read", _Endpoint)
        properties = found.properties
        return OnlineEndpoint(
            auth_mode=(properties.auth_mode or "").lower().replace("_", ""),
            scoring_uri=properties.scoring_uri or "",
            location=found.location or "",
            traffic=properties.traffic or {},
        )

    async def primary_key(self, endpoint: EndpointId) -> str:
        return (await self._call("POST", endpoint, "/listKeys", "list the keys of", _Keys)).primary_key

    async def endpoint_token(self, endpoint: EndpointId) -> EndpointToken:
        found = await self._call("POST", endpoint, "/token", "get a token of", _IssuedToken)
        return EndpointToken(found.access_token, found.refresh_after_time_utc or found.expiry_time_utc or 0.0)

    async def capacity(self, endpoint: EndpointId, deployment: str | None) -> float | None:
        """Calls that the endpoint holds at once, 2 × maxConcurrentRequestsPerInstance × instances, over the
        deployments that get traffic (or `deployment` alone). None where ARM does not tell, as for Kubernetes."""
        serving = (
            {deployment}
            if deployment
            else {name for name, share in (await self.online_endpoint(endpoint)).traffic.items() if share > 0}
        )
        found = [item.capacity async for item in self._deployments(endpoint) if item.name in serving]
        return float(sum(found)) or None

    async def _deployments(self, endpoint: EndpointId) -> AsyncIterator["_Deployment"]:
        action = "read the deployments of"
        page = await self._call("GET", endpoint, "/deployments", action, _Deployments)
        for _ in range(_MOST_PAGES):
            for item in page.value:
                yield item
            if not page.next_link:
                return
            page = await self._request("GET", self._own(page.next_link), endpoint, action, _Deployments)

    def _own(self, link: str) -> httpx.URL:
        """`link` if it leads to the Resource Manager itself: a token goes nowhere else."""
        try:
            url = httpx.URL(link)
        except httpx.InvalidURL as error:
            raise _arm_failed("with a link that cannot be read") from error
        own = self._address
        if (url.scheme, url.host, url.port, url.userinfo) != (own.scheme, own.host, own.port, b""):
            raise _arm_failed("with a link to another host")
        return url

    async def _call[T: _Answer](
        self, method: str, endpoint: EndpointId, operation: str, action: str, shape: type[T]
    ) -> T:
        url = self._address.copy_with(path=f"{endpoint.path}{operation}", params={"api-version": self._api_version})
        return await self._request(method, url, endpoint, action, shape)

    async def _request[T: _Answer](
        self, method: str, url: httpx.URL, endpoint: EndpointId, action: str, shape: type[T]
    ) -> T:
        token = await self._tokens.get(self._audience)
        answer = await self._send(method, url, token)
        if answer.status == 401:
            self._tokens.forget(self._audience, token)
            answer = await self._send(method, url, await self._tokens.get(self._audience))
        if answer.status != 200:
            raise AttemptFailed(_failure(answer, endpoint, action))
        try:
            return shape.model_validate(parse_json(answer.body))
        except ValueError:  # pydantic's own error holds the answer, and that may hold a key
            raise _arm_failed("with something else than its contract says") from None

    async def _send(self, method: str, url: httpx.URL, token: str) -> HttpAnswer:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        request = httpx.Request(method, url, headers=headers, content=b"" if method == "POST" else None)
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                return await send(self._transport, request, most_bytes=_MOST_BYTES)
        except TimeoutError as error:
            raise _arm_failed(f"nothing within {_MOST_SECONDS:g} s") from error
        except CallFailed as failed:
            raise _arm_failed(f"nothing ({failed.kind.code})") from failed


def _arm_failed(status: str) -> AttemptFailed:
    return AttemptFailed(Failure(Kind.ARM_FAILED, facts={"status": status}))


def _failure(answer: HttpAnswer, endpoint: EndpointId, action: str) -> Failure:
    facts = {"action": action, "scope": endpoint.workspace_path, "status": answer.status}
    wait = retry_after(answer.headers)
    match answer.status:
        case 401 | 403:
            return Failure(Kind.ARM_FORBIDDEN, facts=facts)
        case 404:
            return Failure(Kind.ARM_NOT_FOUND, facts={**facts, "scope": endpoint.path})
        case 429:
            return Failure(Kind.ARM_THROTTLED, retry_after=wait, facts=facts)
        case _:
            return Failure(Kind.ARM_FAILED if answer.status >= 500 else Kind.ARM_REFUSED, retry_after=wait, facts=facts)
