"""Which token goes where? Entra tokens by audience: cached, renewed before they end, fetched once for all who wait."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from shared.aml.flights import Flight
from shared.errors import WorkspaceUnavailable
from shared.skills.failures import Failure, Kind, sentence
from shared.skills.gateway import AttemptFailed

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken
    from azure.identity.aio import DefaultAzureCredential

_MOST_SECONDS = 20.0
_RENEW_BEFORE = 60.0
"""Seconds; the identity's own cache renews earlier than that."""


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    expires_at: float
    """Epoch seconds."""


class Credential(Protocol):
    """An identity of this app. Raises AttemptFailed(IdentityFailed) where there is none, or a BridgeError that says more."""

    async def token(self, audience: str, *, anew: bool) -> Token:
        """`anew`: not one that was given before, for that was refused."""


def azure_credential(client_id: str) -> "DefaultAzureCredential":
    """The managed identity in Azure, the developer's own sign-in on a laptop (azure-identity's default chain)."""
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id or None)


class EntraCredential:
    """Tokens from azure-identity; a credential of its own for each audience, so that renewing one leaves the others be."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._credentials: dict[str, DefaultAzureCredential] = {}

    async def token(self, audience: str, *, anew: bool) -> Token:
        from azure.core.exceptions import AzureError

        if anew:
            # azure-identity keeps a token until it expires, also one that was revoked; a new credential keeps none.
            await self._discard(audience)
        if audience not in self._credentials:
            self._credentials[audience] = azure_credential(self._client_id)
        try:
            found = await self._credentials[audience].get_token(f"{audience}/.default")
        except AzureError as error:
            raise AttemptFailed(Failure(Kind.TOKEN_FAILED, facts={"audience": audience})) from error
        return Token(found.token, float(found.expires_on))

    async def _discard(self, audience: str) -> None:
        former = self._credentials.pop(audience, None)
        if former is not None:
            await former.close()

    async def close(self) -> None:
        for audience in list(self._credentials):
            await self._discard(audience)


class TokenSource(Protocol):
    """What a call takes its tokens from."""

    async def get(self, audience: str) -> str:
        """A token for `audience` that stays good for a while. Raises AttemptFailed, BridgeError."""

    def forget(self, audience: str, token: str) -> None:
        """`token` was refused."""


@dataclass(slots=True)
class _Held:
    flight: Flight[Token] = field(default_factory=Flight)
    token: Token | None = None
    was_refused: bool = False


class Tokens:
    """Tokens by audience. One fetch serves a thousand waiting calls, and one failure tells them all."""

    def __init__(self, credential: Callable[[], Credential], now: Callable[[], float]) -> None:
        self._make_credential = credential
        self._credential: Credential | None = None
        self._now = now
        self._held: dict[str, _Held] = {}

    async def get(self, audience: str) -> str:
        """A token for `audience` that stays good for a while. Raises AttemptFailed, and what the credential raises."""
        return (await self.token(audience)).value

    async def token(self, audience: str) -> Token:
        """The same with its end."""
        held = self._held.setdefault(audience, _Held())
        token = held.token
        if token is None or self._is_old(token):
            token = await held.flight.join(lambda: self._renew(audience, held))
        return token

    def forget(self, audience: str, token: str) -> None:
        """`token` was refused; the next call gets another. A newer one that is already there stays."""
        held = self._held.get(audience)
        if held is not None and held.token is not None and held.token.value == token:
            held.token, held.was_refused = None, True

    def _is_old(self, token: Token) -> bool:
        return token.expires_at - self._now() < _RENEW_BEFORE

    async def _renew(self, audience: str, held: _Held) -> Token:
        if self._credential is None:
            self._credential = self._make_credential()
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                held.token = await self._credential.token(audience, anew=held.was_refused)
        except TimeoutError as error:
            raise AttemptFailed(Failure(Kind.TOKEN_FAILED, facts={"audience": audience})) from error
        held.was_refused = False
        return held.token


class SdkCredential:
    """Tokens as the clients of Azure's SDKs ask for them."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    async def get_token(self, *scopes: str, **options: Any) -> "AccessToken":
        from azure.core.credentials import AccessToken

        try:
            token = await self._tokens.token(scopes[0].removesuffix("/.default"))
        except AttemptFailed as failed:
            raise WorkspaceUnavailable(sentence(failed.failure, "the datastore")) from failed
        return AccessToken(token.value, int(token.expires_at))

    async def close(self) -> None:
        """The tokens are others' too."""
