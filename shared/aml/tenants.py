"""Whose token opens a workspace? This app's own identity in its own tenant, an app registration in every other.

A managed identity gets tokens of its own tenant alone. Which one that is, a setting says, or else a token of its own.
"""

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from shared.aml.auth import Credential, SdkCredential, Tokens, TokenSource
from shared.errors import WorkspaceForbidden
from shared.settings import Settings
from shared.wire import parse_json
from shared.workflows.permissions import ROLE

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Tenants:
    """The identities of this app, by tenant. A tenant counts as its own while nobody knows which one is."""

    def __init__(
        self, own: Tokens, registration: Callable[[str], Credential], settings: Settings, now: Callable[[], float]
    ) -> None:
        """`registration`: the app registration CONNECTION_CLIENT_ID in a tenant."""
        self._own = own
        self._registration = registration
        self._settings = settings
        self._now = now
        self._own_tenant = settings.AZURE_TENANT_ID.lower()
        self._abroad: dict[str, Tokens] = {}

    def tokens(self, tenant: str) -> TokenSource:
        """The empty tenant is this app's own, whichever that is."""
        return TenantTokens(self, tenant.lower())

    def identity(self, tenant: str) -> str:
        """How a command names the one that a tenant knows; right once a call was made there."""
        if self._is_known_abroad(tenant):
            return self._settings.CONNECTION_CLIENT_ID
        return self._settings.AZURE_CLIENT_ID or "<principal id of this app's identity>"

    def registration(self, tenant: str) -> str:
        """The client id of the app registration that opens another tenant; empty for this app's own. Right once a call
        was made there."""
        return self._settings.CONNECTION_CLIENT_ID if self._is_known_abroad(tenant) else ""

    def storage(self, tenant: str) -> SdkCredential | None:
        """For datastores of another tenant; None for this app's own. Right once a call was made there."""
        return SdkCredential(self._tokens_abroad(tenant.lower())) if self._is_known_abroad(tenant) else None

    async def source(self, tenant: str) -> Tokens:
        """Raises AttemptFailed where this app has no identity, WorkspaceForbidden for a tenant it has none in."""
        self._own_tenant = self._own_tenant or await self._learn()
        return self._tokens_abroad(tenant) if self._is_known_abroad(tenant) else self._own

    def forget(self, tenant: str, audience: str, token: str) -> None:
        for tokens in (self._own, self._abroad.get(tenant)):
            if tokens is not None:
                tokens.forget(audience, token)

    async def _learn(self) -> str:
        return tenant_of(await self._own.get(self._settings.cloud.management)) or ""

    def _is_known_abroad(self, tenant: str) -> bool:
        return bool(self._own_tenant and tenant) and tenant.lower() != self._own_tenant

    def _tokens_abroad(self, tenant: str) -> Tokens:
        if not self._settings.CONNECTION_CLIENT_ID:
            raise self._unregistered(tenant)
        if tenant not in self._abroad:
            self._abroad[tenant] = Tokens(lambda: self._registration(tenant), self._now)
        return self._abroad[tenant]

    def _unregistered(self, tenant: str) -> WorkspaceForbidden:
        return WorkspaceForbidden(
            f"the tenant {tenant} is not this app's own, {self._own_tenant}, whose identity has no access there, and the "
            "app setting CONNECTION_CLIENT_ID is not set: register a multi-tenant app, give it a federated credential "
            f"for this app's managed identity (audience {self._settings.cloud.token_exchange}), give its service "
            f"principal in {tenant} the role {ROLE} on the workspace, and set CONNECTION_CLIENT_ID to its client id",
            target="tenant",
        )


class TenantTokens:
    """The tokens for calls to the workspaces of one tenant."""

    def __init__(self, tenants: Tenants, tenant: str) -> None:
        self._tenants = tenants
        self._tenant = tenant

    async def get(self, audience: str) -> str:
        return await (await self._tenants.source(self._tenant)).get(audience)

    def forget(self, audience: str, token: str) -> None:
        self._tenants.forget(self._tenant, audience, token)


def claims_of(token: str) -> dict[str, Any]:
    """Read without checking the token: it is our own, and nothing is allowed by it. Empty for no JWT."""
    part = token.partition(".")[2].partition(".")[0]
    try:
        claims = parse_json(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def tenant_of(token: str) -> str | None:
    """The claim `tid`. None for no JWT."""
    tenant = claims_of(token).get("tid")
    return tenant.lower() if isinstance(tenant, str) and _GUID.fullmatch(tenant.lower()) else None
