"""What does a workspace hold, and what may this app do there? Read from Azure Resource Manager.

Source: Azure ML REST, 2025-12-01 (workspaces, components, datastores, batchEndpoints), and Authorization 2022-04-01.
"""

import asyncio
import re
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from shared.aml.exchange import Answer, Page
from shared.aml.workspace_calls import Asked, WorkspaceCalls
from shared.errors import NotFound, WorkspaceUnavailable
from shared.workflows.workspaces import (
    BatchDeployment,
    ComponentVersion,
    Datastore,
    Permission,
    Workspace,
    WorkspaceId,
)

_MOST_IN_FLIGHT = 8
_MOST_VERSIONS = 5_000
_LIST_SECONDS = 120.0
_PERMISSIONS_VERSION = "2022-04-01"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}")
_PIPELINE = "pipelinecomponent"


class _WorkspaceProperties(Answer):
    tenant_id: str | None = None
    v1_legacy_mode: bool | None = None
    discovery_url: str | None = None
    public_network_access: str | None = None


class _Workspace(Answer):
    id: str = ""
    location: str | None = None
    properties: _WorkspaceProperties


class _Permission(Answer):
    actions: tuple[str, ...] | None = None
    not_actions: tuple[str, ...] | None = None


class _ContainerProperties(Answer):
    latest_version: str | None = None
    is_archived: bool | None = None


class _Container(Answer):
    name: str
    properties: _ContainerProperties


class _VersionProperties(Answer):
    component_spec: dict[str, Any] | None = None
    is_archived: bool | None = None


class _Version(Answer):
    id: str
    name: str
    properties: _VersionProperties


class _DatastoreProperties(Answer):
    datastore_type: str = ""
    is_default: bool | None = None
    account_name: str | None = None
    container_name: str | None = None
    filesystem: str | None = None
    file_share_name: str | None = None
    endpoint: str | None = None
    protocol: str | None = None


class _Datastore(Answer):
    name: str
    properties: _DatastoreProperties


class _Defaults(Answer):
    deployment_name: str | None = None


class _EndpointProperties(Answer):
    scoring_uri: str | None = None
    defaults: _Defaults | None = None


class _Endpoint(Answer):
    name: str
    properties: _EndpointProperties

    @property
    def default(self) -> str:
        defaults = self.properties.defaults
        return (defaults and defaults.deployment_name) or ""


class _Asset(Answer):
    asset_id: str | None = None


class _Configuration(Answer):
    deployment_configuration_type: str = ""
    component_id: _Asset | str | None = None


class _DeploymentProperties(Answer):
    deployment_configuration: _Configuration | None = None


class _Deployment(Answer):
    name: str
    properties: _DeploymentProperties | None = None

    @property
    def component(self) -> str | None:
        """The id of the pipeline component that it runs; None for a model's deployment."""
        configuration = self.properties and self.properties.deployment_configuration
        if not configuration or configuration.deployment_configuration_type.lower() != _PIPELINE:
            return None
        asset = configuration.component_id
        return asset.asset_id if isinstance(asset, _Asset) else asset


class ArmWorkspaces:
    """A WorkspaceReader. Versions of components never change, so each is fetched once a process."""

    def __init__(self, calls: WorkspaceCalls) -> None:
        self._calls = calls
        self._versions: dict[str, ComponentVersion] = {}
        self._in_flight = asyncio.Semaphore(_MOST_IN_FLIGHT)

    async def workspace(self, workspace: WorkspaceId) -> Workspace:
        found = await self._calls.read(Asked(workspace, "the properties", "read"), "", _Workspace)
        properties = found.properties
        return Workspace(
            id=_canonical(found.id, workspace),
            location=found.location or "",
            tenant=properties.tenant_id or "",
            is_v1_legacy=bool(properties.v1_legacy_mode),
            discovery_url=properties.discovery_url or "",
            is_private=(properties.public_network_access or "").lower() == "disabled",
        )

    async def permissions(self, workspace: WorkspaceId) -> Sequence[Permission]:
        asked = Asked(workspace, "the permissions", "read")
        path, query = "/providers/Microsoft.Authorization/permissions", {"api-version": _PERMISSIONS_VERSION}
        entries = self._calls.items(asked, path, Page[_Permission], query)
        return [Permission(item.actions or (), item.not_actions or ()) async for item in entries]

    async def components(self, workspace: WorkspaceId) -> Sequence[ComponentVersion]:
        asked = Asked(workspace, "the components", "components/read")
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                listed = self._calls.items(asked, "/components", Page[_Container], {"listViewType": "ActiveOnly"})
                containers = [item async for item in listed if not item.properties.is_archived]
                found = await _together(self._newest(workspace, item) for item in containers)
        except TimeoutError as error:
            cause = f"{asked.place} were not listed within {_LIST_SECONDS:g} s: try again, what came is remembered"
            raise WorkspaceUnavailable(cause) from error
        return [version for version in found if version is not None]

    async def component(self, workspace: WorkspaceId, name: str, version: str) -> ComponentVersion | None:
        if not _NAME.fullmatch(name) or not _NAME.fullmatch(version):
            return None
        if (held := self._held(workspace, name, version)) is not None:
            return held
        found = await self._version(workspace, name, version)
        return None if found is None else self._keep(workspace, name, found)

    async def datastores(self, workspace: WorkspaceId) -> Sequence[Datastore]:
        asked = Asked(workspace, "the datastores", "datastores/read")
        return [_datastore(item) async for item in self._calls.items(asked, "/datastores", Page[_Datastore])]

    async def batch_deployments(self, workspace: WorkspaceId) -> Sequence[BatchDeployment]:
        asked = Asked(workspace, "the batch endpoints", "batchEndpoints/read")
        endpoints = [item async for item in self._calls.items(asked, "/batchEndpoints", Page[_Endpoint])]
        found = await _together(self._deployments(workspace, endpoint) for endpoint in endpoints)
        return [deployment for deployments in found for deployment in deployments]

    async def _newest(self, workspace: WorkspaceId, container: _Container) -> ComponentVersion | None:
        """None for a container without an active version, or one that has just gone."""
        name, latest = container.name, container.properties.latest_version
        if latest and (held := self._held(workspace, name, latest)) is not None:
            return held
        async with self._in_flight:
            if latest and (held := self._held(workspace, name, latest)) is not None:  # another listing was quicker
                return held
            found = await self._version(workspace, name, latest) if latest else None
            if found is None or found.properties.is_archived:
                found = await self._newest_active(workspace, name)
        return None if found is None else self._keep(workspace, name, found)

    async def _version(self, workspace: WorkspaceId, name: str, version: str) -> _Version | None:
        asked = Asked(workspace, f"the component {name}:{version}", "components/versions/read")
        try:
            return await self._calls.read(asked, f"/components/{name}/versions/{version}", _Version)
        except NotFound:
            return None

    async def _newest_active(self, workspace: WorkspaceId, name: str) -> _Version | None:
        asked = Asked(workspace, f"the versions of the component {name}", "components/versions/read")
        query = {"listViewType": "ActiveOnly", "$orderBy": "createdtime desc", "$top": "1"}
        try:
            page = await self._calls.read(asked, f"/components/{name}/versions", Page[_Version], query)
        except NotFound:
            return None
        return next(iter(page.value), None)

    def _held(self, workspace: WorkspaceId, name: str, version: str) -> ComponentVersion | None:
        return self._versions.get(_key(workspace, name, version))

    def _keep(self, workspace: WorkspaceId, name: str, found: _Version) -> ComponentVersion:
        kept = ComponentVersion(found.id, name, found.name, found.properties.component_spec or {})
        if len(self._versions) >= _MOST_VERSIONS:
            del self._versions[next(iter(self._versions))]
        self._versions[_key(workspace, name, found.name)] = kept
        return kept

    async def _deployments(self, workspace: WorkspaceId, endpoint: _Endpoint) -> list[BatchDeployment]:
        asked = Asked(workspace, f"the batch endpoint {endpoint.name}", "batchEndpoints/deployments/read")
        uri = endpoint.properties.scoring_uri or ""
        async with self._in_flight:
            path = f"/batchEndpoints/{endpoint.name}/deployments"
            found = [item async for item in self._calls.items(asked, path, Page[_Deployment])]
        return [
            BatchDeployment(
                endpoint.name, item.name, item.name.lower() == endpoint.default.lower(), uri, item.component
            )
            for item in found
            if item.component
        ]


async def _together[T](calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results, in order; the first error ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _canonical(found: str, asked: WorkspaceId) -> WorkspaceId:
    """As Azure spells it."""
    try:
        return WorkspaceId.parse(found)
    except ValueError:
        return asked


def _key(workspace: WorkspaceId, name: str, version: str) -> str:
    return f"{workspace.path}/components/{name}/versions/{version}".lower()


def _datastore(item: _Datastore) -> Datastore:
    properties = item.properties
    return Datastore(
        name=item.name,
        kind=properties.datastore_type,
        is_default=bool(properties.is_default),
        account=properties.account_name,
        container=properties.container_name or properties.filesystem or properties.file_share_name,
        endpoint=properties.endpoint or "core.windows.net",
        protocol=properties.protocol or "https",
    )
