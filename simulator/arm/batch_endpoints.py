"""Batch endpoints in ARM: get, list, deployments. How one is invoked: simulator/batch."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import BatchDeployment, BatchEndpoint, Workspace
from simulator.arm.paging import Pages
from simulator.arm.registry import component_id
from simulator.arm.resources import WORKSPACE_PATH, WORKSPACE_TYPE, tracked_resource
from simulator.arm.workspaces import Workspaces

ENDPOINTS_PATH = f"{WORKSPACE_PATH}/batchEndpoints"
ENDPOINT_PATH = f"{ENDPOINTS_PATH}/{{endpoint}}"
DEPLOYMENTS_PATH = f"{ENDPOINT_PATH}/deployments"
ENDPOINT_TYPE = f"{WORKSPACE_TYPE}/batchEndpoints"
DEPLOYMENT_TYPE = f"{ENDPOINT_TYPE}/deployments"


@dataclass
class BatchEndpoints:
    workspaces: Workspaces
    front: ArmFront
    pages: Pages

    def routes(self) -> list[Route]:
        return [
            self.front.route("GET", ENDPOINTS_PATH, self.list_endpoints),
            self.front.route("GET", ENDPOINT_PATH, self.get_endpoint),
            self.front.route("GET", DEPLOYMENTS_PATH, self.list_deployments),
            self.front.route("GET", f"{DEPLOYMENTS_PATH}/{{deployment}}", self.get_deployment),
        ]

    async def list_endpoints(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "batchEndpoints/read")
        endpoints = workspace.batch_endpoints.values()
        return self.pages.answer(request, [endpoint_json(workspace, each, request) for each in endpoints])

    async def get_endpoint(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "batchEndpoints/read")
        return JSONResponse(endpoint_json(workspace, find(workspace, request), request))

    async def list_deployments(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "batchEndpoints/deployments/read")
        endpoint = find(workspace, request)
        deployments = [deployment_json(workspace, endpoint, each) for each in endpoint.deployments.values()]
        return self.pages.answer(request, deployments)

    async def get_deployment(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "batchEndpoints/deployments/read")
        endpoint, name = find(workspace, request), request.path_params["deployment"]
        deployment = endpoint.deployments.get(name.lower())
        if deployment is None:
            raise not_found(DEPLOYMENT_TYPE, f"{workspace.name}/{endpoint.name}/{name}", workspace.resource_group)
        return JSONResponse(deployment_json(workspace, endpoint, deployment))


def find(workspace: Workspace, request: Request) -> BatchEndpoint:
    name = request.path_params["endpoint"]
    endpoint = workspace.batch_endpoints.get(name.lower())
    if endpoint is None:
        raise not_found(ENDPOINT_TYPE, f"{workspace.name}/{name}", workspace.resource_group)
    return endpoint


def endpoint_json(workspace: Workspace, endpoint: BatchEndpoint, request: Request) -> dict[str, Any]:
    origin = f"{request.base_url}batch/{endpoint.name}"
    properties = {
        "authMode": "AADToken",
        "description": None,
        "keys": None,
        "properties": {},
        "scoringUri": f"{origin}/jobs",
        "swaggerUri": None,
        "defaults": {"deploymentName": endpoint.default},
        "provisioningState": "Succeeded",
    }
    id_ = f"{workspace.id}/batchEndpoints/{endpoint.name}"
    return tracked_resource(id_, ENDPOINT_TYPE, workspace.location, properties)


def deployment_json(workspace: Workspace, endpoint: BatchEndpoint, deployment: BatchDeployment) -> dict[str, Any]:
    properties = {
        "description": None,
        "properties": {},
        "compute": None if deployment.component else f"{workspace.id}/computes/cpu-cluster",
        "deploymentConfiguration": pipeline_configuration(workspace, deployment),
        "model": None if deployment.component else model_reference(workspace),
        "provisioningState": "Succeeded",
    }
    id_ = f"{workspace.id}/batchEndpoints/{endpoint.name}/deployments/{deployment.name}"
    return tracked_resource(id_, DEPLOYMENT_TYPE, workspace.location, properties)


def pipeline_configuration(workspace: Workspace, deployment: BatchDeployment) -> dict[str, Any] | None:
    if deployment.component is None:
        return None
    return {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"assetId": component_id(workspace, deployment.component), "referenceType": "Id"},
        "description": None,
        "settings": {"continue_on_step_failure": "False", "force_rerun": "False"},
        "tags": {},
    }


def model_reference(workspace: Workspace) -> dict[str, str]:
    return {"assetId": f"{workspace.id}/models/language/versions/1", "referenceType": "Id"}
