"""What tests hand in: an identity, a clock, an Azure Resource Manager, endpoints put together from these."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.aml.arm import ResourceManager
from shared.aml.auth import Token, Tokens
from shared.aml.limiter import Limiter
from shared.aml.scoring import CapacityShare, ScoringEndpoint
from shared.aml.targets import AddressedByResource, AddressedByUri, Targets
from shared.skills.addresses import EndpointId, ScoringHosts
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed
from shared.skills.retries import RetryBudget

MANAGEMENT = "https://management.azure.com"
MACHINE_LEARNING = "https://ml.azure.com"
SCORING_URI = "https://language.westeurope.inference.ml.azure.com/score"
ENDPOINT = EndpointId("00000000-0000-0000-0000-000000000001", "local", "bridge", "language")

type Respond = Callable[[httpx.Request], httpx.Response]


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakeIdentity:
    """Tokens are `<audience>#1`, `#2`, …; one that is not asked for anew comes from a cache, as azure-identity's do."""

    clock: Clock = field(default_factory=Clock)
    lifetime: float = 3600.0
    fetched: list[str] = field(default_factory=list)
    down: bool = False
    _cache: dict[str, Token] = field(default_factory=dict)

    async def token(self, audience: str, *, anew: bool) -> Token:
        await asyncio.sleep(0)
        if self.down:
            self.fetched.append(audience)
            raise AttemptFailed(Failure(Kind.TOKEN_FAILED, facts={"audience": audience}))
        held = self._cache.get(audience)
        if anew or held is None or held.expires_at - self.clock() < 300:
            self.fetched.append(audience)
            held = Token(f"{audience}#{self.fetched.count(audience)}", self.clock() + self.lifetime)
            self._cache[audience] = held
        return held

    def tokens(self) -> Tokens:
        return Tokens(lambda: self, self.clock)


@dataclass
class FakeArm:
    """Answers by the end of the path; remembers what was asked."""

    answers: dict[str, Any] = field(default_factory=dict)
    """An object to answer with 200, or a whole response."""
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        found = self.answers[request.url.path.rpartition("/")[2]]
        return found if isinstance(found, httpx.Response) else httpx.Response(200, json=found)

    def asked(self, operation: str) -> int:
        return sum(request.url.path.endswith(f"/{operation}") for request in self.requests)


def endpoint_json(
    auth_mode: str = "Key", uri: str | None = SCORING_URI, location: str = "westeurope"
) -> dict[str, Any]:
    return {
        "location": location,
        "properties": {"authMode": auth_mode, "scoringUri": uri, "traffic": {"blue": 100, "green": 0}},
    }


def resource_manager(
    respond: Respond | httpx.AsyncBaseTransport, identity: FakeIdentity | None = None
) -> ResourceManager:
    return ResourceManager(
        respond if isinstance(respond, httpx.AsyncBaseTransport) else httpx.MockTransport(respond),
        (identity or FakeIdentity()).tokens(),
        address=MANAGEMENT,
        audience=MANAGEMENT,
        api_version="2025-12-01",
    )


def by_uri(
    key: str | None = None,
    *,
    uri: str = SCORING_URI,
    setting: str | None = None,
    environment: Mapping[str, str] | None = None,
    hosts: ScoringHosts | None = None,
) -> AddressedByUri:
    lookup = (lambda: (environment or {}).get(setting)) if setting else (lambda: key) if key is not None else None
    return AddressedByUri(uri, lookup, key_setting=setting, hosts=hosts or ScoringHosts())


def by_resource(
    arm: FakeArm,
    identity: FakeIdentity | None = None,
    *,
    region: str | None = None,
    hosts: ScoringHosts | None = None,
) -> AddressedByResource:
    identity = identity or FakeIdentity()
    return AddressedByResource(
        ENDPOINT,
        region,
        arm=resource_manager(arm, identity),
        tokens=identity.tokens(),
        audience=MACHINE_LEARNING,
        audience_domain="inference.ml.azure.com",
        hosts=hosts or ScoringHosts(),
        now=identity.clock,
    )


def scoring_endpoint(
    respond: Respond | httpx.AsyncBaseTransport,
    targets: Targets | None = None,
    *,
    deployment: str | None = None,
    most_bytes: int = 1024 * 1024,
    limiter: Limiter | None = None,
    capacity: CapacityShare | None = None,
) -> ScoringEndpoint:
    return ScoringEndpoint(
        targets or by_uri("a-key"),
        respond if isinstance(respond, httpx.AsyncBaseTransport) else httpx.MockTransport(respond),
        label="endpoint",
        deployment=deployment,
        most_bytes=most_bytes,
        limiter=limiter or Limiter(),
        budget=RetryBudget(),
        capacity=capacity,
    )
