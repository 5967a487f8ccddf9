"""Online endpoints in ARM: get, list, deployments, listKeys, token.

Shapes: the resources of Microsoft.MachineLearningServices, api-version 2025-12-01. As in live answers,
optional members that have no value are there and null.
"""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import ProviderError, not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import Deployment, OnlineEndpoint, Workspace
from simulator.arm.paging import Pages
from simulator.arm.resources import SYSTEM_DATA, WORKSPACE_PATH, WORKSPACE_TYPE
from simulator.arm.workspaces import Workspaces
from simulator.tokens import TokenStore

ENDPOINTS_PATH = f"{WORKSPACE_PATH}/onlineEndpoints"
ENDPOINT_PATH = f"{ENDPOINTS_PATH}/{{endpoint}}"
DEPLOYMENTS_PATH = f"{ENDPOINT_PATH}/deployments"

ENDPOINT_TYPE = f"{WORKSPACE_TYPE}/onlineEndpoints"
DEPLOYMENT_TYPE = f"{ENDPOINT_TYPE}/deployments"


@dataclass
class OnlineEndpoints:
    """`token_lifetime`: of the tokens that `POST {endpoint}/token` gives."""

    workspaces: Workspaces
    front: ArmFront
    tokens: TokenStore
    pages: Pages
    token_lifetime: int = 43_200

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
        workspace = self.workspaces.permitted(request, "onlineEndpoints/read")
        endpoints = list(workspace.online_endpoints.values())
        return self.pages.answer(request, [endpoint_json(workspace, each, request) for each in endpoints])

    async def get_endpoint(self, request: Request) -> Response:
        workspace, endpoint = self._endpoint(request, "read")
        return JSONResponse(endpoint_json(workspace, endpoint, request))

    async def list_deployments(self, request: Request) -> Response:
        workspace, endpoint = self._endpoint(request, "deployments/read")
        deployments = list(endpoint.deployments.values())
        return self.pages.answer(request, [deployment_json(workspace, endpoint, each) for each in deployments])

    async def get_deployment(self, request: Request) -> Response:
        workspace, endpoint = self._endpoint(request, "deployments/read")
        name = request.path_params["deployment"]
        deployment = endpoint.deployments.get(name.lower())
        if deployment is None:
            raise not_found(DEPLOYMENT_TYPE, f"{endpoint.name}/{name}", workspace.resource_group)
        return JSONResponse(deployment_json(workspace, endpoint, deployment))

    async def list_keys(self, request: Request) -> Response:
        _, endpoint = self._endpoint(request, "listKeys/action")
        refuse_unless(endpoint, "Key", "Keys")
        return JSONResponse({"primaryKey": endpoint.primary_key, "secondaryKey": endpoint.secondary_key})

    async def get_token(self, request: Request) -> Response:
        _, endpoint = self._endpoint(request, "token/action")
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

    def _endpoint(self, request: Request, action: str) -> tuple[Workspace, OnlineEndpoint]:
        workspace = self.workspaces.permitted(request, f"onlineEndpoints/{action}")
        name = request.path_params["endpoint"]
        endpoint = workspace.online_endpoints.get(name.lower())
        if endpoint is None:
            raise not_found(ENDPOINT_TYPE, f"{workspace.name}/{name}", workspace.resource_group)
        return workspace, endpoint


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
