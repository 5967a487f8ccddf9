"""The process's scoring endpoints: built once for each address, so that every skill on one shares its limiter."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from shared.aml.arm import ResourceManager
from shared.aml.auth import Tokens
from shared.aml.capacity import Processes, SharedCapacity
from shared.aml.limiter import Limiter
from shared.aml.scoring import ScoringEndpoint
from shared.aml.targets import AddressedByResource, AddressedByUri, Targets
from shared.settings import Settings
from shared.signals import LIMITER_CLOSED, SCORING_WINDOW, Attributes
from shared.skills.addresses import EndpointId, one_spelling
from shared.skills.definition import SkillDefinition
from shared.skills.retries import RetryBudget
from shared.tracing import Measurements, observe


@dataclass(frozen=True, slots=True)
class SkillKey:
    """A skill's key as it is looked up: `value` at each call, `setting` for messages."""

    value: Callable[[], str | None]
    setting: str | None = None


@dataclass(slots=True)
class _Shared:
    """What all skills on one endpoint share in this process."""

    label: str
    """What telemetry calls it."""
    limiter: Limiter = field(default_factory=Limiter)
    budget: RetryBudget = field(default_factory=RetryBudget)


class Endpoints:
    """Makes the endpoint of a skill."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        tokens: Tokens,
        arm: ResourceManager,
        processes: Callable[[], Processes],
        settings: Settings,
        *,
        process_id: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._transport = transport
        self._tokens = tokens
        self._arm = arm
        self._processes = processes
        self._settings = settings
        self._process_id = process_id
        self._now = now
        self._shared: dict[str, _Shared] = {}
        observe(SCORING_WINDOW, self._windows)
        observe(LIMITER_CLOSED, self._closed)

    def for_skill(self, definition: SkillDefinition, key: SkillKey | None) -> ScoringEndpoint:
        endpoint = definition.endpoint_id
        deployment = definition.gateway.deployment
        address = endpoint.key if endpoint else one_spelling(str(definition.uri))
        label = endpoint.endpoint if endpoint else httpx.URL(str(definition.uri)).host
        shared = self._shared.setdefault(f"{address} {deployment or ''}", _Shared(label))
        return ScoringEndpoint(
            self._by_resource(endpoint, definition) if endpoint else self._by_uri(definition, key),
            self._transport,
            label=label,
            deployment=deployment,
            most_bytes=self._settings.MAX_SCORING_ANSWER_BYTES,
            limiter=shared.limiter,
            budget=shared.budget,
            capacity=self._capacity(endpoint, deployment) if endpoint else None,
        )

    def _windows(self) -> Measurements:
        """Of endpoints that telemetry calls the same, the narrowest."""
        found: dict[str, float] = {}
        for shared in list(self._shared.values()):
            found[shared.label] = min(shared.limiter.window.size, found.get(shared.label, math.inf))
        return [(size, {Attributes.ENDPOINT: label}) for label, size in found.items()]

    def _closed(self) -> Measurements:
        """1 if any of those that telemetry calls the same is."""
        found: dict[str, int] = {}
        for shared in list(self._shared.values()):
            found[shared.label] = max(int(shared.limiter.window.is_closed), found.get(shared.label, 0))
        return [(closed, {Attributes.ENDPOINT: label}) for label, closed in found.items()]

    def _by_uri(self, definition: SkillDefinition, key: SkillKey | None) -> Targets:
        return AddressedByUri(
            definition.uri or "",
            key.value if key else None,
            key_setting=key.setting if key else None,
            hosts=self._settings.scoring_hosts,
        )

    def _by_resource(self, endpoint: EndpointId, definition: SkillDefinition) -> Targets:
        cloud = self._settings.cloud
        return AddressedByResource(
            endpoint,
            definition.region,
            arm=self._arm,
            tokens=self._tokens,
            audience=cloud.machine_learning,
            audience_domain=cloud.inference_domain,
            hosts=self._settings.scoring_hosts,
            now=lambda: self._now().timestamp(),
        )

    def _capacity(self, endpoint: EndpointId, deployment: str | None) -> SharedCapacity:
        return SharedCapacity(
            endpoint,
            deployment,
            arm=self._arm,
            processes=self._processes(),
            process_id=self._process_id,
            now=self._now,
        )
