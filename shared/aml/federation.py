"""How does this app get a token in a tenant that is not its own? As an app registration that trusts its managed identity.

Source: Microsoft Entra, "Configure an application to trust a managed identity": a token of the managed identity, for
the audience of the exchange, is the assertion with which the app registration asks for its own token.
"""

import asyncio
import re

from shared.aml.auth import Token, TokenSource
from shared.errors import BridgeError, WorkspaceForbidden, WorkspaceUnavailable

_MOST_SECONDS = 12.0
"""Less than its caller waits, so that a silence is told as what it is."""
_ENTRA_CODE = re.compile(r"AADSTS\d+")


class FederatedCredential:
    """The app registration `client_id` in `tenant`."""

    def __init__(self, tenant: str, client_id: str, own: TokenSource, *, authority: str, exchange: str) -> None:
        """`own`: this app's identity. `authority`: the host, or https address, of Entra. `exchange`: the audience of
        the tokens that the registration trusts."""
        self._tenant = tenant
        self._client_id = client_id
        self._own = own
        self._authority = authority
        self._exchange = exchange

    async def token(self, audience: str, *, anew: bool) -> Token:
        """Always a new one: nothing here remembers any. Raises AttemptFailed, WorkspaceForbidden, WorkspaceUnavailable."""
        from azure.core.exceptions import AzureError
        from azure.identity.aio import ClientAssertionCredential

        # azure-identity calls for the assertion without awaiting it, so it is fetched before.
        assertion = await self._own.get(self._exchange)
        credential = ClientAssertionCredential(
            self._tenant, self._client_id, lambda: assertion, authority=self._authority
        )
        try:
            async with asyncio.timeout(_MOST_SECONDS), credential:
                found = await credential.get_token(f"{audience}/.default")
        except (AzureError, TimeoutError) as error:
            raise self._failure(error) from error
        return Token(found.token, float(found.expires_on))

    def _failure(self, error: Exception) -> BridgeError:
        """Entra's own words may repeat what was sent: only its code is told."""
        from azure.core.exceptions import ClientAuthenticationError

        status = getattr(error, "status_code", None) or 0
        if not isinstance(error, ClientAuthenticationError) or status == 429 or status >= 500:
            return WorkspaceUnavailable(
                f"Microsoft Entra ({self._authority}) gave no token in the tenant {self._tenant}: try again, and check "
                "the network between this app and it if it stays"
            )
        code = _ENTRA_CODE.search(str(error))
        return WorkspaceForbidden(
            f"Microsoft Entra gave the app registration {self._client_id} (CONNECTION_CLIENT_ID) no token in the tenant "
            f"{self._tenant}{f' ({code[0]})' if code else ''}: an administrator of that tenant runs "
            f"az ad sp create --id {self._client_id}; and the registration needs a federated credential with the object "
            f"id of this app's user-assigned managed identity as subject and the audience {self._exchange}",
            target="tenant",
        )
