"""Online endpoints in ARM: get, list, deployments, listKeys, token.

Shapes: the resources of Microsoft.MachineLearningServices, api-version 2025-12-01. As in live answers,
optional members that have no value are there and null.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import ProviderError, not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import Deployment, OnlineEndpoint, Workspace
from simulator.tokens import TokenStore

PROVIDER = "Microsoft.MachineLearningServices"
WORKSPACE_PATH = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{PROVIDER}/workspaces/{{workspace}}"
)
ENDPOINTS_PATH = f"{WORKSPACE_PATH}/onlineEndpoints"
ENDPOINT_PATH = f"{ENDPOINTS_PATH}/{{endpoint}}"
DEPLOYMENTS_PATH = f"{ENDPOINT_PATH}/deployments"

ENDPOINT_TYPE = f"{PROVIDER}/workspaces/onlineEndpoints"
DEPLOYMENT_TYPE = f"{ENDPOINT_TYPE}/deployments"

SYSTEM_DATA = {
    "createdBy": "Local Developer",
    "createdByType": "User",
    "createdAt": "2026-01-01T00:00:00.0000000+00:00",
    "lastModifiedBy": None,
    "lastModifiedByType": None,
    "lastModifiedAt": "2026-01-01T00:00:00.0000000+00:00",
}


@dataclass
class OnlineEndpoints:
    """`token_lifetime`: of the tokens that `POST {endpoint}/token` gives."""

    workspace: Workspace
    front: ArmFront
    tokens: TokenStore
    token_lifetime: int = 43_200
    page_size: int = 20

    def routes(self) -> list[Route]:
        return [
            self.front.route("GET", ENDPOINTS_PATH, self.list_endpoints),
            self.front.route("GET", ENDPOINT_PATH, self.get_endpoint),
            self.front.route("POST", f"{ENDPOINT_PATH}/listKeys", self.list_keys),
            self.front.route("POST", f"{ENDPOINT_PATH}/token", self.get_token),
            self.front.route("GET", DEPLOYMENTS_PATH, self.list_deployments),
            self.front.route("GET", f"{DEPLOYMENTS_PATH}/{{deployment}}", self.get_deployment),
        ]

    async def list_endpoints(self, request: Request) -> Response:
        workspace = self._workspace(request)
        endpoints = list(workspace.online_endpoints.values())
        return self._page(request, [endpoint_json(workspace, each, request) for each in endpoints])

    async def get_endpoint(self, request: Request) -> Response:
        return JSONResponse(endpoint_json(self.workspace, self._endpoint(request), request))

    async def list_deployments(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        deployments = list(endpoint.deployments.values())
        return self._page(request, [deployment_json(self.workspace, endpoint, each) for each in deployments])

    async def get_deployment(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        name = request.path_params["deployment"]
        deployment = endpoint.deployments.get(name.lower())
        if deployment is None:
            raise not_found(DEPLOYMENT_TYPE, f"{endpoint.name}/{name}", self.workspace.resource_group)
        return JSONResponse(deployment_json(self.workspace, endpoint, deployment))

    async def list_keys(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        refuse_unless(endpoint, "Key", "Keys")
        return JSONResponse({"primaryKey": endpoint.primary_key, "secondaryKey": endpoint.secondary_key})

    async def get_token(self, request: Request) -> Response:
        endpoint = self._endpoint(request)
        refuse_unless(endpoint, "AMLToken", "Tokens")
        token = self.tokens.issue(endpoint.audience, self.token_lifetime)
        return JSONResponse(
            {
                "accessToken": token.value,
                "tokenType": "Bearer",
                "expiryTimeUtc": token.expires_on,
                # Where in the lifetime the service puts this is not documented.
                "refreshAfterTimeUtc": token.issued_on + self.token_lifetime // 2,
            }
        )

    def _workspace(self, request: Request) -> Workspace:
        asked = request.path_params
        held = self.workspace
        wanted = (asked["subscription"], asked["group"], asked["workspace"])
        if tuple(map(str.lower, wanted)) != (
            held.subscription,
            held.resource_group.lower(),
            held.name.lower(),
        ):
            raise not_found(f"{PROVIDER}/workspaces", asked["workspace"], asked["group"])
        return held

    def _endpoint(self, request: Request) -> OnlineEndpoint:
        workspace = self._workspace(request)
        name = request.path_params["endpoint"]
        endpoint = workspace.online_endpoints.get(name.lower())
        if endpoint is None:
            raise not_found(ENDPOINT_TYPE, f"{workspace.name}/{name}", workspace.resource_group)
        return endpoint

    def _page(self, request: Request, items: list[dict[str, Any]]) -> Response:
        """One page of `items`; nextLink carries where the next one starts."""
        start = skip_to(request.query_params.get("$skip"))
        end = start + self.page_size
        token = base64.urlsafe_b64encode(str(end).encode()).decode()
        following = str(request.url.include_query_params(**{"$skip": token})) if end < len(items) else None
        return JSONResponse({"value": items[start:end], "nextLink": following})


def skip_to(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except (binascii.Error, ValueError) as error:
        raise ProviderError(400, "UserError", "The continuation token in $skip is invalid.") from error


def refuse_unless(endpoint: OnlineEndpoint, auth_mode: str, what: str) -> None:
    if endpoint.auth_mode != auth_mode:
        message = f"{what} are for endpoints of authMode {auth_mode}, and this one's is {endpoint.auth_mode}."
        raise ProviderError(400, "UserError", message)


def endpoint_json(workspace: Workspace, endpoint: OnlineEndpoint, request: Request) -> dict[str, Any]:
    origin = f"{request.base_url}endpoints/{endpoint.name}"
    return {
        "id": f"{workspace.id}/onlineEndpoints/{endpoint.name}",
        "name": endpoint.name,
        "type": ENDPOINT_TYPE,
        "location": workspace.location,
        "tags": {},
        "kind": "Managed",
        "sku": None,
        "identity": {
            "type": "SystemAssigned",
            "principalId": "00000000-0000-0000-0000-0000000000e1",
            "tenantId": workspace.tenant,
            "userAssignedIdentities": None,
        },
        "systemData": SYSTEM_DATA,
        "properties": {
            "authMode": endpoint.auth_mode,
            "description": None,
            "keys": None,
            "properties": {},
            "scoringUri": f"{origin}/score",
            "swaggerUri": f"{origin}/swagger.json",
            "provisioningState": "Succeeded",
            "compute": None,
            "traffic": endpoint.traffic,
            "mirrorTraffic": {},
            "publicNetworkAccess": "Enabled",
        },
    }


def deployment_json(workspace: Workspace, endpoint: OnlineEndpoint, deployment: Deployment) -> dict[str, Any]:
    return {
        "id": f"{workspace.id}/onlineEndpoints/{endpoint.name}/deployments/{deployment.name}",
        "name": deployment.name,
        "type": DEPLOYMENT_TYPE,
        "location": workspace.location,
        "tags": {},
        "kind": "Managed",
        "sku": {
            "name": "Default",
            "tier": "Standard",
            "size": None,
            "family": None,
            "capacity": deployment.instances,
        },
        "identity": None,
        "systemData": SYSTEM_DATA,
        "properties": deployment_properties(workspace, deployment),
    }


def deployment_properties(workspace: Workspace, deployment: Deployment) -> dict[str, Any]:
    return {
        "endpointComputeType": "Managed",
        "provisioningState": "Succeeded",
        "description": None,
        "properties": {},
        "instanceType": "Standard_DS3_v2",
        "model": f"{workspace.id}/models/language/versions/1",
        "modelMountPath": None,
        "codeConfiguration": {
            "codeId": f"{workspace.id}/codes/language/versions/1",
            "scoringScript": "score.py",
        },
        "environmentId": f"{workspace.id}/environments/language/versions/1",
        "environmentVariables": {},
        "appInsightsEnabled": False,
        "egressPublicNetworkAccess": "Enabled",
        "scaleSettings": {"scaleType": "Default"},
        "requestSettings": {
            "maxConcurrentRequestsPerInstance": deployment.max_concurrent_requests,
            "maxQueueWait": "PT0.5S",
            "requestTimeout": f"PT{deployment.request_timeout}S",
        },
        "livenessProbe": None,
        "readinessProbe": None,
    }
