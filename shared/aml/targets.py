"""Where exactly does a call go, and with which credential? By address and key, or by resource id and identity."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import httpx

from shared.aml.arm import OnlineEndpoint, ResourceManager
from shared.aml.auth import Tokens
from shared.skills.addresses import EndpointId, ScoringHosts, is_host_under, is_loopback_url
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed

_ENDPOINT_LIFETIME = 600.0


@dataclass(frozen=True, slots=True)
class Target:
    """One address and what to show there. `authorization` is secret."""

    uri: httpx.URL
    authorization: str | None
    credential_cure: str
    """What to do when it is refused."""


class Targets(Protocol):
    """Finds the target of calls to one endpoint. Both raise AttemptFailed."""

    @property
    def name(self) -> str: ...

    async def current(self) -> Target: ...

    async def renewed(self, refused: Target) -> Target | None:
        """Another target after a 401, or None if there can be none."""


class AddressedByUri:
    """`uri`, with `key` or without. The key is looked up at each call, so a changed setting is seen."""

    def __init__(
        self, uri: str, key: Callable[[], str | None] | None, *, key_setting: str | None, hosts: ScoringHosts
    ) -> None:
        self._uri = httpx.URL(uri)
        self._key = key
        self._key_setting = key_setting
        self._hosts = hosts

    @property
    def name(self) -> str:
        return f"the endpoint at {self._uri.host}"

    async def current(self) -> Target:
        try:
            self._hosts.check(str(self._uri))
        except ValueError as error:
            raise AttemptFailed(Failure(Kind.HOST_REFUSED, facts={"cause": str(error)})) from error
        if self._key is None:
            return Target(self._uri, None, "it wants a key, so give the skill one")
        value = self._key()
        if not value:
            raise AttemptFailed(Failure(Kind.SETTING_MISSING, facts={"setting": self._key_setting or "of its key"}))
        cure = f"the app setting {self._key_setting}" if self._key_setting else "the skill"
        return Target(self._uri, f"Bearer {value}", f"its key is not accepted, so put the present one into {cure}")

    async def renewed(self, refused: Target) -> Target | None:
        return None


class AddressedByResource:
    """`resourceId`: ARM tells the address and the way to authenticate; this app's identity does the rest."""

    def __init__(
        self,
        endpoint: EndpointId,
        region: str | None,
        *,
        arm: ResourceManager,
        tokens: Tokens,
        audience: str,
        audience_domain: str,
        hosts: ScoringHosts,
        now: Callable[[], float],
    ) -> None:
        self._endpoint = endpoint
        self._region = region
        self._arm = arm
        self._tokens = tokens
        self._audience = audience
        self._audience_domain = audience_domain
        self._hosts = hosts
        self._now = now
        self._lock = asyncio.Lock()
        self._known: OnlineEndpoint | None = None
        self._known_until = 0.0
        self._target: Target | None = None
        self._target_until = 0.0

    @property
    def name(self) -> str:
        return f"the endpoint {self._endpoint.endpoint}"

    async def current(self) -> Target:
        target = self._fresh()
        if target is None:
            async with self._lock:
                target = self._fresh() or await self._resolve()
        return target

    def _fresh(self) -> Target | None:
        return self._target if self._now() < self._target_until else None

    async def renewed(self, refused: Target) -> Target | None:
        async with self._lock:
            if self._target is refused:
                self._forget(refused)
            return self._fresh() or await self._resolve()

    def _forget(self, refused: Target) -> None:
        self._target, self._target_until, self._known_until = None, 0.0, 0.0
        if refused.authorization is not None:
            self._tokens.forget(self._audience, refused.authorization.removeprefix("Bearer "))

    async def _resolve(self) -> Target:
        endpoint = await self._read()
        secret, good_for = await self._secret(endpoint)
        cure = "also with a credential fetched anew, so check the endpoint's authentication mode and this app's role on the workspace"
        self._target = Target(httpx.URL(endpoint.scoring_uri), f"Bearer {secret}", cure)
        self._target_until = self._now() + good_for
        return self._target

    async def _read(self) -> OnlineEndpoint:
        if self._known is None or self._now() >= self._known_until:
            self._known = await self._arm.online_endpoint(self._endpoint)
            self._known_until = self._now() + _ENDPOINT_LIFETIME
        self._check_region(self._known)
        self._check_address(self._known)
        return self._known

    def _check_region(self, endpoint: OnlineEndpoint) -> None:
        if self._region and _plain(self._region) != _plain(endpoint.location):
            raise AttemptFailed(Failure(Kind.REGION, facts={"region": self._region, "location": endpoint.location}))

    def _check_address(self, endpoint: OnlineEndpoint) -> None:
        """A key goes to the allow-list only; an Entra token only to hosts of its audience."""
        try:
            self._hosts.check(endpoint.scoring_uri)
        except ValueError as error:
            raise AttemptFailed(Failure(Kind.HOST_REFUSED, facts={"cause": str(error)})) from error
        is_own = is_host_under(endpoint.scoring_uri, self._audience_domain)
        is_local = self._hosts.loopback and is_loopback_url(endpoint.scoring_uri)
        if endpoint.auth_mode == "aadtoken" and not is_own and not is_local:
            cause = f"an Entra token for {self._audience} goes only to hosts under {self._audience_domain}"
            raise AttemptFailed(Failure(Kind.HOST_REFUSED, facts={"cause": cause}))

    async def _secret(self, endpoint: OnlineEndpoint) -> tuple[str, float]:
        """The key or token, and for how many seconds it may be used."""
        match endpoint.auth_mode:
            case "key":
                return await self._arm.primary_key(self._endpoint), _ENDPOINT_LIFETIME
            case "amltoken":
                token = await self._arm.endpoint_token(self._endpoint)
                return token.value, max(1.0, min(_ENDPOINT_LIFETIME, token.refresh_at - self._now()))
            case "aadtoken":
                return await self._tokens.get(self._audience), 60.0
            case mode:
                raise AttemptFailed(Failure(Kind.AUTH_MODE, facts={"mode": mode or "unknown"}))


def _plain(region: str) -> str:
    """`West Europe` and `westeurope` are one region."""
    return region.replace(" ", "").lower()
