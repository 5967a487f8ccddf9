"""Azure Resource Manager's side of an online endpoint: what it is, its key or token, how much it can hold.

Source: Azure ML REST, 2025-12-01 (onlineEndpoints get, listKeys, token; deployments list). A management token goes
to the Resource Manager's own host only, for following pages too.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from shared.aml.auth import Tokens
from shared.aml.http import CallFailed, HttpAnswer, retry_after, send
from shared.skills.addresses import EndpointId
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed
from shared.wire import parse_json

_MOST_BYTES = 4 * 1024 * 1024
_MOST_PAGES = 50


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
        found = await self._call("GET", endpoint, "", "read")
        properties = found.get("properties") or {}
        return OnlineEndpoint(
            auth_mode=str(properties.get("authMode") or "").lower().replace("_", ""),
            scoring_uri=str(properties.get("scoringUri") or ""),
            location=str(found.get("location") or ""),
            traffic={str(name): int(share) for name, share in (properties.get("traffic") or {}).items()},
        )

    async def primary_key(self, endpoint: EndpointId) -> str:
        return str((await self._call("POST", endpoint, "/listKeys", "list the keys of")).get("primaryKey") or "")

    async def endpoint_token(self, endpoint: EndpointId) -> EndpointToken:
        found = await self._call("POST", endpoint, "/token", "get a token of")
        refresh_at = found.get("refreshAfterTimeUtc") or found.get("expiryTimeUtc") or 0
        return EndpointToken(str(found.get("accessToken") or ""), float(refresh_at))

    async def capacity(self, endpoint: EndpointId, deployment: str | None) -> float | None:
        """Calls that the endpoint holds at once, 2 × maxConcurrentRequestsPerInstance × instances, over the
        deployments that get traffic (or `deployment` alone). None where ARM does not tell, as for Kubernetes."""
        serving = (
            {deployment}
            if deployment
            else {name for name, share in (await self.online_endpoint(endpoint)).traffic.items() if share > 0}
        )
        found = [_capacity_of(item) async for item in self._deployments(endpoint) if item.get("name") in serving]
        return float(sum(found)) or None

    async def _deployments(self, endpoint: EndpointId) -> AsyncIterator[dict[str, Any]]:
        page = await self._call("GET", endpoint, "/deployments", "read the deployments of")
        for _ in range(_MOST_PAGES):
            for item in page.get("value") or ():
                yield item
            if not page.get("nextLink"):
                return
            page = await self._request("GET", self._own(str(page["nextLink"])), endpoint, "read the deployments of")

    def _own(self, link: str) -> httpx.URL:
        """`link` if it leads to the Resource Manager itself: a token goes nowhere else."""
        url = httpx.URL(link)
        if (url.scheme, url.host, url.port) != (self._address.scheme, self._address.host, self._address.port):
            raise AttemptFailed(Failure(Kind.ARM_FAILED, facts={"status": "with a link to another host"}))
        return url

    async def _call(self, method: str, endpoint: EndpointId, operation: str, action: str) -> dict[str, Any]:
        url = self._address.copy_with(path=f"{endpoint.path}{operation}", params={"api-version": self._api_version})
        return await self._request(method, url, endpoint, action)

    async def _request(self, method: str, url: httpx.URL, endpoint: EndpointId, action: str) -> dict[str, Any]:
        token = await self._tokens.get(self._audience)
        answer = await self._send(method, url, token)
        if answer.status == 401:
            self._tokens.forget(self._audience, token)
            answer = await self._send(method, url, await self._tokens.get(self._audience))
        if answer.status != 200:
            raise AttemptFailed(_failure(answer, endpoint, action))
        try:
            found = parse_json(answer.body)
        except ValueError as error:
            raise AttemptFailed(Failure(Kind.ARM_FAILED, facts={"status": "with invalid JSON"})) from error
        return found if isinstance(found, dict) else {}

    async def _send(self, method: str, url: httpx.URL, token: str) -> HttpAnswer:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        request = httpx.Request(method, url, headers=headers, content=b"" if method == "POST" else None)
        try:
            return await send(self._transport, request, most_bytes=_MOST_BYTES)
        except CallFailed as failed:
            raise AttemptFailed(Failure(Kind.ARM_FAILED, facts={"status": f"nothing ({failed.kind.code})"})) from failed


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


def _capacity_of(deployment: dict[str, Any]) -> int:
    properties = deployment.get("properties") or {}
    requests = properties.get("requestSettings") or {}
    instances = (deployment.get("sku") or {}).get("capacity")
    concurrent = requests.get("maxConcurrentRequestsPerInstance") or 1
    return 2 * int(concurrent) * int(instances) if instances else 0
