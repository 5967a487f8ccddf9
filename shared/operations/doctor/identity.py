"""Does this app get tokens, and as whom?"""

from collections.abc import Mapping
from dataclasses import dataclass

from shared.operations.doctor.commands import FunctionApp
from shared.operations.doctor.findings import Check, Finding, failed, ok, skipped, warning
from shared.operations.doctor.looks import Fault

STORAGE_AUDIENCE = "https://storage.azure.com"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a token is of, by its claims; empty where they do not say."""

    client_id: str = ""
    object_id: str = ""
    tenant: str = ""

    @classmethod
    def of(cls, claims: Mapping[str, object]) -> "Principal":
        """`claims` of a token of Microsoft Entra, of version 1 (`appid`) or 2 (`azp`)."""

        def text(*names: str) -> str:
            return next((str(claims[name]) for name in names if isinstance(claims.get(name), str)), "")

        return cls(text("appid", "azp"), text("oid"), text("tid"))

    @property
    def assignee(self) -> str:
        """How a role assignment names it."""
        return self.object_id or self.client_id or "<principal id of this app's identity>"

    def __str__(self) -> str:
        parts = (("client id", self.client_id), ("object id", self.object_id), ("tenant", self.tenant))
        return ", ".join(f"{name} {value}" for name, value in parts if value) or "an identity whose token has no claims"


def token_finding(
    check: Check, audience: str, found: Principal | Fault | None, client_id: str, app: FunctionApp, *, is_needed: bool
) -> Finding:
    """`found`: None where no such token is ever asked for. `client_id`: AZURE_CLIENT_ID."""
    if found is None:
        return skipped(check, audience, "storage is opened by connection strings, so no token is needed for it")
    if isinstance(found, Fault) and found.is_late:
        return skipped(check, audience, found.message)
    if isinstance(found, Fault):
        cure = "give the function app a managed identity, and set AZURE_CLIENT_ID if it is user-assigned"
        if not is_needed:
            message = f"{found.message} Nothing that is configured needs it today."
            return warning(check, audience, message, cure, app.assign_identity(client_id))
        return failed(check, audience, found.message, cure, app.assign_identity(client_id))
    if client_id and found.client_id and found.client_id.lower() != client_id.lower():
        return warning(
            check,
            audience,
            f"the token is of {found}, and AZURE_CLIENT_ID names {client_id}",
            "on a laptop that is your own sign-in; in Azure, assign the identity that AZURE_CLIENT_ID names",
            app.assign_identity(client_id),
        )
    return ok(check, audience, f"a token of {found}")
