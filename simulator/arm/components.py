"""Components in ARM: containers and their versions.

A container does not tell its component's type: only the specification of a version does.
"""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.arm.errors import ProviderError, not_found
from simulator.arm.front import ArmFront
from simulator.arm.models import Component, ComponentVersion, Workspace
from simulator.arm.paging import Pages
from simulator.arm.registry import stored_spec
from simulator.arm.resources import WORKSPACE_PATH, WORKSPACE_TYPE, resource
from simulator.arm.workspaces import Workspaces

COMPONENTS_PATH = f"{WORKSPACE_PATH}/components"
VERSIONS_PATH = f"{COMPONENTS_PATH}/{{component}}/versions"
COMPONENT_TYPE = f"{WORKSPACE_TYPE}/components"
VERSION_TYPE = f"{COMPONENT_TYPE}/versions"


@dataclass
class Components:
    workspaces: Workspaces
    front: ArmFront
    pages: Pages

    def routes(self) -> list[Route]:
        return [
            self.front.route("GET", COMPONENTS_PATH, self.list_components),
            self.front.route("GET", f"{COMPONENTS_PATH}/{{component}}", self.get_component),
            self.front.route("GET", VERSIONS_PATH, self.list_versions),
            self.front.route("GET", f"{VERSIONS_PATH}/{{version}}", self.get_version),
        ]

    async def list_components(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "components/read")
        held = [each for each in workspace.components.values() if is_listed(request, each.is_archived)]
        return self.pages.answer(request, [component_json(workspace, each) for each in held])

    async def get_component(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "components/read")
        return JSONResponse(component_json(workspace, find(workspace, request)))

    async def list_versions(self, request: Request) -> Response:
        """The newest first, as the service orders them."""
        workspace = self.workspaces.permitted(request, "components/versions/read")
        held = [each for each in find(workspace, request).versions.values() if is_listed(request, each.is_archived)]
        newest_first = [version_json(workspace, each) for each in reversed(held)]
        return self.pages.answer(request, newest_first[: top(request)])

    async def get_version(self, request: Request) -> Response:
        workspace = self.workspaces.permitted(request, "components/versions/read")
        component = find(workspace, request)
        version = component.versions.get(request.path_params["version"])
        if version is None:
            name = f"{workspace.name}/{component.name}/{request.path_params['version']}"
            raise not_found(VERSION_TYPE, name, workspace.resource_group)
        return JSONResponse(version_json(workspace, version))


def find(workspace: Workspace, request: Request) -> Component:
    name = request.path_params["component"]
    component = workspace.components.get(name.lower())
    if component is None:
        raise not_found(COMPONENT_TYPE, f"{workspace.name}/{name}", workspace.resource_group)
    return component


def is_listed(request: Request, is_archived: bool) -> bool:
    view = request.query_params.get("listViewType", "ActiveOnly").lower()
    if view not in ("activeonly", "archivedonly", "all"):
        raise ProviderError(400, "UserError", "listViewType is ActiveOnly, ArchivedOnly or All.")
    return view == "all" or is_archived == (view == "archivedonly")


def top(request: Request) -> int | None:
    count = request.query_params.get("$top")
    if count is not None and not count.isdecimal():
        raise ProviderError(400, "UserError", "$top must be a number.")
    return None if count is None else int(count)


def component_json(workspace: Workspace, component: Component) -> dict[str, Any]:
    latest = component.latest.version
    properties: dict[str, Any] = {
        "description": component.latest.spec.get("description"),
        "tags": {},
        "properties": {},
        "isArchived": component.is_archived,
        "latestVersion": latest,
        "nextVersion": str(int(latest) + 1),
        "provisioningState": "Succeeded",
    }
    return resource(f"{workspace.id}/components/{component.name}", COMPONENT_TYPE, properties)


def version_json(workspace: Workspace, version: ComponentVersion) -> dict[str, Any]:
    properties = {
        "description": version.spec.get("description"),
        "tags": {},
        "properties": {},
        "isArchived": version.is_archived,
        "isAnonymous": False,
        "componentSpec": stored_spec(workspace, version),
        "provisioningState": "Succeeded",
    }
    return resource(f"{workspace.id}/components/{version.name}/versions/{version.version}", VERSION_TYPE, properties)
