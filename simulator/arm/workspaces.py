"""Workspaces in ARM: get, list, what is permitted there; and where a region's data plane is.

Shapes: Microsoft.MachineLearningServices 2025-12-01 and Microsoft.Authorization 2022-04-01.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import ArmError, ProviderError, not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import Permission, Workspace
from simulator.arm.paging import Pages
from simulator.arm.resources import (
    GROUP_PATH,
    PROVIDER,
    SUBSCRIPTION_PATH,
    WORKSPACE_PATH,
    WORKSPACE_TYPE,
    tracked_resource,
)
from simulator.identity import SYSTEM_CLIENT_ID, SYSTEM_OBJECT_ID


@dataclass
class Workspaces:
    """All there are, and whether this caller may do what it asks for in one."""

    all: Sequence[Workspace]

    def find(self, names: Mapping[str, str]) -> Workspace:
        """By subscription, group and workspace. Raises ArmError 404."""
        wanted = (names["subscription"].lower(), names["group"].lower(), names["workspace"].lower())
        for each in self.all:
            if wanted == (each.subscription, each.resource_group.lower(), each.name.lower()):
                return each
        raise not_found(WORKSPACE_TYPE, names["workspace"], names["group"])

    def tenant_of(self, subscription: str) -> str | None:
        found = (each.tenant for each in self.all if each.subscription == subscription.lower())
        return next(found, None)

    def permitted(self, request: Request, action: str) -> Workspace:
        """The workspace in the path, for the v2 interface. Raises ArmError 403 without `action` (`jobs/write`)."""
        workspace = self.find(request.path_params)
        self.check(workspace, action)
        if workspace.is_v1_legacy:
            message = f"Workspace {workspace.name} is in v1 legacy mode, which does not allow this operation."
            raise ProviderError(400, "UserError", message)
        return workspace

    def check(self, workspace: Workspace, action: str) -> None:
        full = f"{WORKSPACE_TYPE}/{action}"
        if not any(allows(permission, full) for permission in workspace.permissions):
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client '{SYSTEM_CLIENT_ID}' with object id '{SYSTEM_OBJECT_ID}' does not have authorization to "
                f"perform action '{full}' over scope '{workspace.id}' or the scope is invalid. If access was recently "
                "granted, please refresh your credentials.",
            )


def allows(permission: Permission, action: str) -> bool:
    return any(matches(glob, action) for glob in permission.actions) and not any(
        matches(glob, action) for glob in permission.not_actions
    )


def matches(glob: str, action: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), action, re.IGNORECASE) is not None


@dataclass
class WorkspaceResources:
    workspaces: Workspaces
    front: ArmFront
    pages: Pages

    def routes(self) -> list[Route]:
        collection = f"providers/{PROVIDER}/workspaces"
        permissions = f"{WORKSPACE_PATH}/providers/Microsoft.Authorization/permissions"
        return [
            self.front.route("GET", f"{SUBSCRIPTION_PATH}/{collection}", self.list_workspaces),
            self.front.route("GET", f"{GROUP_PATH}/{collection}", self.list_workspaces),
            self.front.route("GET", WORKSPACE_PATH, self.get_workspace),
            self.front.route("GET", permissions, self.get_permissions),
            Route("/discovery", discover, methods=["GET"]),
        ]

    async def list_workspaces(self, request: Request) -> Response:
        asked = request.path_params
        held = [
            workspace_json(each, request)
            for each in self.workspaces.all
            if each.subscription == asked["subscription"].lower()
            and asked.get("group", each.resource_group).lower() == each.resource_group.lower()
        ]
        return self.pages.answer(request, held)

    async def get_workspace(self, request: Request) -> Response:
        workspace = self.workspaces.find(request.path_params)
        self.workspaces.check(workspace, "read")
        return JSONResponse(workspace_json(workspace, request))

    async def get_permissions(self, request: Request) -> Response:
        """Whoever asks may see what is allowed to him."""
        workspace = self.workspaces.find(request.path_params)
        return JSONResponse({"value": [permission_json(each) for each in workspace.permissions], "nextLink": None})


def permission_json(permission: Permission) -> dict[str, Any]:
    return {
        "actions": list(permission.actions),
        "notActions": list(permission.not_actions),
        "dataActions": [],
        "notDataActions": [],
    }


async def discover(request: Request) -> Response:
    """Where the region's data plane is: here. Needs no token. `studio` is a page for people, not simulated."""
    origin = str(request.base_url).rstrip("/")
    return JSONResponse({"api": origin, "history": origin, "studio": f"{origin}/studio"})


def workspace_json(workspace: Workspace, request: Request) -> dict[str, Any]:
    group = workspace.id.partition("/providers/")[0]
    properties = {
        "friendlyName": workspace.name,
        "description": None,
        "workspaceId": f"00000000-0000-0000-0000-{workspace.name.encode().hex()[:12]:0>12}",
        "discoveryUrl": f"{request.base_url}discovery",
        "mlFlowTrackingUri": f"azureml://{request.url.netloc}/mlflow/v1.0{workspace.id}",
        "storageAccount": f"{group}/providers/Microsoft.Storage/storageAccounts/devstoreaccount1",
        "keyVault": f"{group}/providers/Microsoft.KeyVault/vaults/local",
        "applicationInsights": None,
        "containerRegistry": None,
        "publicNetworkAccess": "Disabled" if workspace.is_private else "Enabled",
        "v1LegacyMode": workspace.is_v1_legacy,
        "tenantId": workspace.tenant,
        "provisioningState": "Succeeded",
    }
    described = tracked_resource(workspace.id, WORKSPACE_TYPE, workspace.location, properties)
    identity = {
        "type": "SystemAssigned",
        "principalId": "00000000-0000-0000-0000-0000000000b2",
        "tenantId": workspace.tenant,
        "userAssignedIdentities": None,
    }
    return described | {"kind": "Default", "sku": {"name": "Basic", "tier": "Basic"}, "identity": identity}
