"""How does the app get a token here? The managed identity endpoint of App Service and Functions.

`azure.identity.ManagedIdentityCredential` speaks it when IDENTITY_ENDPOINT and IDENTITY_HEADER are set:

    GET {IDENTITY_ENDPOINT}?api-version=2019-08-01&resource=https://management.azure.com
    X-IDENTITY-HEADER: {IDENTITY_HEADER}
    -> {"access_token", "expires_on": "<epoch seconds>", "resource", "token_type": "Bearer", "client_id"}
"""

import secrets
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.tokens import TokenStore

MANAGEMENT = "https://management.azure.com"
MACHINE_LEARNING = "https://ml.azure.com"

PATH = "/identity/token"
API_VERSION = "2019-08-01"
SYSTEM_CLIENT_ID = "00000000-0000-0000-0000-0000000000c1"
SYSTEM_OBJECT_ID = "00000000-0000-0000-0000-0000000000b1"
SELECTORS = ("client_id", "object_id", "principal_id", "mi_res_id")


class IdentityRefused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class ManagedIdentity:
    """A system-assigned identity; one asked for by client, object or resource id gets a token as well."""

    tokens: TokenStore
    header: str
    lifetime: int = 86_400

    def routes(self) -> list[Route]:
        return [Route(PATH, self.get_token, methods=["GET"])]

    async def get_token(self, request: Request) -> Response:
        try:
            audience = self.audience_asked_for(request)
        except IdentityRefused as refusal:
            error = {"statusCode": refusal.status, "message": str(refusal)}
            return JSONResponse(error, refusal.status)
        client = request.query_params.get("client_id", SYSTEM_CLIENT_ID)
        token = self.tokens.issue(audience, self.lifetime, principal={"appid": client, "oid": SYSTEM_OBJECT_ID})
        return JSONResponse(
            {
                "access_token": token.value,
                "expires_on": str(token.expires_on),
                "resource": request.query_params["resource"],
                "token_type": "Bearer",
                "client_id": client,
            }
        )

    def audience_asked_for(self, request: Request) -> str:
        given = request.headers.get("x-identity-header", "")
        if not secrets.compare_digest(given.encode(), self.header.encode()):
            raise IdentityRefused(401, "X-IDENTITY-HEADER is missing or wrong")
        query = request.query_params
        if query.get("api-version") != API_VERSION:
            raise IdentityRefused(400, f"api-version must be {API_VERSION}")
        if sum(selector in query for selector in SELECTORS) > 1:
            raise IdentityRefused(400, f"at most one of {', '.join(SELECTORS)}")
        if "://" not in query.get("resource", ""):
            raise IdentityRefused(400, "resource must be an audience such as https://management.azure.com")
        return audience_of(query["resource"])


def audience_of(resource: str) -> str:
    """One spelling an audience: resources are asked for with and without a slash at the end."""
    return resource.rstrip("/").lower()
