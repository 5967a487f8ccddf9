"""Where exactly does a call go, and with which credential? By address and key, or by resource id and identity."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from shared.aml.arm import OnlineEndpoint, ResourceManager
from shared.aml.auth import Tokens
from shared.aml.flights import Flight
from shared.aml.http import is_header_value
from shared.skills.addresses import EndpointId, ScoringHosts, is_host_under, is_loopback_url
from shared.skills.failures import Failure, Kind
from shared.skills.gateway import AttemptFailed

_ENDPOINT_LIFETIME = 600.0
_TOKEN_LOOKED_UP_EVERY = 60.0
_FAILURE_LIFETIME = 10.0
"""Seconds for which ARM is not asked again after an answer that asking again will not change."""
_BETWEEN_RENEWALS = 5.0
"""Seconds: where the renewed credential is refused too, a batch of a thousand does not renew it a thousand times."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address and what to show there. `authorization` is secret."""

    uri: httpx.URL
    authorization: str | None = field(repr=False)
    credential_cure: str
    """What to do when it is refused."""


class Targets(Protocol):
    """Finds the target of calls to one endpoint. Both raise AttemptFailed."""

    @property
    def name(self) -> str: ...

    async def current(self) -> Target: ...

    async def renewed(self, refused: Target, *, was_good: bool) -> Target | None:
        """Another target after a 401, or None if there can be none. `was_good`: it had been accepted before."""


class AddressedByUri:
    """`uri`, with `key` or without. The key is looked up at each call, so a changed setting is seen."""

    def __init__(
        self, uri: str, key: Callable[[], str | None] | None, *, key_setting: str | None, hosts: ScoringHosts
    ) -> None:
        self._uri = uri
        self._key = key
        self._key_setting = key_setting
        self._hosts = hosts
        self._target: Target | None = None

    @property
    def name(self) -> str:
        return f"the endpoint at {urlsplit(self._uri).hostname}"

    async def current(self) -> Target:
        authorization = None if self._key is None else f"Bearer {self._present_key(self._key)}"
        if self._target is None or self._target.authorization != authorization:
            self._target = Target(_checked(self._uri, self._hosts), authorization, self._cure())
        return self._target

    def _present_key(self, key: Callable[[], str | None]) -> str:
        """As it may be sent: a line end that came along when the setting was pasted is no part of it."""
        value = (key() or "").strip()
        if not is_header_value(value):
            kind = Kind.SETTING_MISSING if self._key_setting else Kind.KEY_MISSING
            raise AttemptFailed(Failure(kind, facts={"setting": self._key_setting}))
        return value

    def _cure(self) -> str:
        if self._key is None:
            return "it wants a key, so give the skill one"
        place = f"the app setting {self._key_setting}" if self._key_setting else "the skill"
        return f"its key is not accepted, so put the present one into {place}"

    async def renewed(self, refused: Target, *, was_good: bool) -> Target | None:
        """Another one only if the setting has changed since."""
        target = await self.current()
        return target if target is not refused else None


def _checked(uri: str, hosts: ScoringHosts) -> httpx.URL:
    """The address as it will be called. Raises AttemptFailed, with the cause, where nothing may be sent there."""
    try:
        hosts.check(uri)
        url = httpx.URL(uri)
        hosts.check(str(url))
    except (ValueError, httpx.InvalidURL) as error:  # a ValueError is also what idna raises
        raise AttemptFailed(Failure(Kind.HOST_REFUSED, facts={"cause": str(error)})) from error
    return url


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
        self._flight: Flight[Target] = Flight()
        self._known: OnlineEndpoint | None = None
        self._known_until = 0.0
        self._target: Target | None = None
        self._target_until = 0.0
        self._failure: Failure | None = None
        self._failure_until = 0.0
        self._may_renew_at = 0.0

    @property
    def name(self) -> str:
        return f"the endpoint {self._endpoint.endpoint}"

    async def current(self) -> Target:
        now = self._now()
        if self._target is not None and now < self._target_until:
            return self._target
        if self._failure is not None and now < self._failure_until:
            raise AttemptFailed(self._failure)
        return await self._flight.join(self._find)

    async def renewed(self, refused: Target, *, was_good: bool) -> Target | None:
        if self._target is refused:
            if not was_good and self._now() < self._may_renew_at:
                return None
            self._may_renew_at = self._now() + _BETWEEN_RENEWALS
            self._forget(refused)
        return await self.current()

    def _forget(self, refused: Target) -> None:
        self._target, self._known = None, None
        if refused.authorization is not None:
            self._tokens.forget(self._audience, refused.authorization.removeprefix("Bearer "))

    async def _find(self) -> Target:
        try:
            endpoint = await self._read()
            secret, good_for = await self._secret(endpoint)
        except AttemptFailed as failed:
            self._remember(failed.failure)
            raise
        cure = "check the endpoint's authentication mode and this app's role on the workspace"
        self._target = Target(_checked(endpoint.scoring_uri, self._hosts), f"Bearer {secret}", cure)
        self._target_until = self._now() + good_for
        return self._target

    def _remember(self, failure: Failure) -> None:
        lifetime = failure.retry_after or (0.0 if failure.kind.retryable else _FAILURE_LIFETIME)
        self._failure, self._failure_until = failure, self._now() + lifetime

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
        uri = str(_checked(endpoint.scoring_uri, self._hosts))
        is_local = self._hosts.loopback and is_loopback_url(uri)
        if endpoint.auth_mode == "aadtoken" and not is_host_under(uri, self._audience_domain) and not is_local:
            cause = f"an Entra token for {self._audience} goes only to hosts under {self._audience_domain}"
            raise AttemptFailed(Failure(Kind.HOST_REFUSED, facts={"cause": cause}))

    async def _secret(self, endpoint: OnlineEndpoint) -> tuple[str, float]:
        """The key or token, and for how many seconds it may be used."""
        match endpoint.auth_mode:
            case "key":
                secret, good_for = await self._arm.primary_key(self._endpoint), _ENDPOINT_LIFETIME
            case "amltoken":
                token = await self._arm.endpoint_token(self._endpoint)
                secret, good_for = token.value, min(_ENDPOINT_LIFETIME, token.refresh_at - self._now())
            case "aadtoken":
                secret, good_for = await self._tokens.get(self._audience), _TOKEN_LOOKED_UP_EVERY
            case mode:
                raise AttemptFailed(Failure(Kind.AUTH_MODE, facts={"mode": mode or "unknown"}))
        if not is_header_value(secret):
            raise AttemptFailed(Failure(Kind.ARM_FAILED, facts={"status": "without a credential"}))
        return secret, max(1.0, good_for)


def _plain(region: str) -> str:
    """`West Europe` and `westeurope` are one region."""
    return region.replace(" ", "").lower()
