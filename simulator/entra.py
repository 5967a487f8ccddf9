"""How does an app registration get a token here? Microsoft Entra's token endpoint, for a managed identity's token.

    POST /{tenant}/oauth2/v2.0/token
    grant_type=client_credentials&client_id=…&client_assertion_type=…jwt-bearer&client_assertion=…&scope={audience}/.default
    -> {"token_type": "Bearer", "expires_in": 3599, "access_token"}

It trusts a token for the exchange's audience that the managed identity here has issued (identity.py). azure-identity
wants https. Source: Microsoft identity platform, client credentials flow with a federated credential.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.models import TENANT, TENANT_ABROAD
from simulator.identity import audience_of
from simulator.tokens import TokenRefused, TokenStore

PATH = "/{tenant}/oauth2/v2.0/token"
EXCHANGE = "api://AzureADTokenExchange"
REGISTRATION = "00000000-0000-0000-0000-0000000000c2"
"""Client id of the one app registration."""
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SUFFIX = "/.default"


class EntraRefused(Exception):
    """`code` and `error` as Entra has them."""

    def __init__(self, code: str, error: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.error = error
        self.status = status


@dataclass
class Entra:
    """Both tenants know the app registration."""

    tokens: TokenStore
    lifetime: int = 3_599

    def routes(self) -> list[Route]:
        return [Route(PATH, self.get_token, methods=["POST"])]

    async def get_token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        try:
            tenant = self.tenant(request.path_params["tenant"])
            self.check(form)
        except EntraRefused as refusal:
            return JSONResponse({"error": refusal.error, "error_description": str(refusal)}, refusal.status)
        audience = audience_of(form["scope"].removesuffix(SUFFIX))
        token = self.tokens.issue(audience, self.lifetime, tenant)
        return JSONResponse({"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token.value})

    def tenant(self, name: str) -> str:
        if name.lower() not in (TENANT, TENANT_ABROAD):
            raise EntraRefused("AADSTS90002", "invalid_request", f"Tenant '{name}' not found.")
        return name.lower()

    def check(self, form: dict[str, str]) -> None:
        if form.get("grant_type") != "client_credentials" or form.get("client_assertion_type") != JWT_BEARER:
            raise EntraRefused("AADSTS70003", "unsupported_grant_type", "The app requested an unsupported grant type.")
        if form.get("client_id", "").lower() != REGISTRATION:
            message = "Application was not found in the directory."
            raise EntraRefused("AADSTS700016", "unauthorized_client", message)
        if not form.get("scope", "").endswith(SUFFIX):
            raise EntraRefused("AADSTS1002012", "invalid_scope", "The scope must end with /.default.")
        try:
            self.tokens.check(form.get("client_assertion", ""), audience_of(EXCHANGE))
        except TokenRefused as refusal:
            message = f"No matching federated identity record found for the presented assertion ({refusal.reason})."
            raise EntraRefused("AADSTS700213", "invalid_client", message, 401) from refusal
