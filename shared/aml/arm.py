"""Azure Resource Manager's side of an online endpoint: what it is, its key or token, how much it can hold.

Source: Azure ML REST, 2025-12-01 (onlineEndpoints get, listKeys, token; deployments list). A management token goes
to the Resource Manager's own host only, for following pages too.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from shared.aml.auth import Tokens
from shared.aml.exchange import Answer, Exchange, ExchangeFailed, Page, read_as
from shared.aml.http import HttpAnswer, retry_after
from shared.skills.addresses import EndpointId
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed


class _Properties(Answer):
    auth_mode: str | None = None
    scoring_uri: str | None = None
    traffic: dict[str, int] | None = None


class _Endpoint(Answer):
    location: str | None = None
    properties: _Properties


class _Keys(Answer):
    primary_key: str


class _IssuedToken(Answer):
    access_token: str
    refresh_after_time_utc: float | None = None
    expiry_time_utc: float | None = None


class _RequestSettings(Answer):
    max_concurrent_requests_per_instance: int | None = None


class _DeploymentProperties(Answer):
    request_settings: _RequestSettings | None = None


class _Sku(Answer):
    capacity: int | None = None


class _Deployment(Answer):
    name: str
    sku: _Sku | None = None
    properties: _DeploymentProperties | None = None

    @property
    def instances(self) -> int:
        """0 where ARM does not tell."""
        return (self.sku and self.sku.capacity) or 0

    @property
    def concurrent(self) -> int:
        settings = self.properties and self.properties.request_settings
        return (settings and settings.max_concurrent_requests_per_instance) or 1

    @property
    def capacity(self) -> int:
        """Calls it holds at once; 0 where ARM does not tell."""
        return 2 * self.concurrent * self.instances


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
class OnlineDeployment:
    """A deployment of an endpoint."""

    name: str
    instances: int
    """0 where ARM does not tell, as for Kubernetes."""
    concurrent: int
    """maxConcurrentRequestsPerInstance."""


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
        self._exchange = Exchange(transport, tokens, audience=audience, address=address)
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

    async def deployments(self, endpoint: EndpointId) -> list[OnlineDeployment]:
        """All there are."""
        found = self._deployments(endpoint)
        return [OnlineDeployment(item.name, item.instances, item.concurrent) async for item in found]

    async def _deployments(self, endpoint: EndpointId) -> AsyncIterator["_Deployment"]:
        async def ask(url: httpx.URL) -> Page[_Deployment]:
            return await self._request("GET", url, endpoint, "read the deployments of", Page[_Deployment])

        try:
            async for item in self._exchange.items(self._url(endpoint, "/deployments"), ask):
                yield item
        except ExchangeFailed as failed:
            raise _arm_failed(failed) from failed.__cause__

    def _url(self, endpoint: EndpointId, operation: str) -> httpx.URL:
        return self._exchange.url(f"{endpoint.path}{operation}", {"api-version": self._api_version})

    async def _call[T: Answer](
        self, method: str, endpoint: EndpointId, operation: str, action: str, shape: type[T]
    ) -> T:
        return await self._request(method, self._url(endpoint, operation), endpoint, action, shape)

    async def _request[T: Answer](
        self, method: str, url: httpx.URL, endpoint: EndpointId, action: str, shape: type[T]
    ) -> T:
        try:
            answer = await self._exchange.send(method, url)
            if answer.status != 200:
                raise AttemptFailed(_failure(answer, endpoint, action))
            return read_as(shape, answer)
        except ExchangeFailed as failed:
            raise _arm_failed(failed) from failed.__cause__


def _arm_failed(failed: ExchangeFailed) -> AttemptFailed:
    return AttemptFailed(Failure(Kind.ARM_FAILED, facts={"status": failed.cause}))


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
