"""An Azure ML workspace as a workflow sees it: what it is, what it holds, what this app may do there."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

_WORKSPACE_ID = re.compile(
    r"/?subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"(?:/providers)?/Microsoft\.MachineLearningServices/workspaces/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RESOURCE_GROUP = re.compile(r"[-\w._()]{0,89}[-\w_()]")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{1,32}")
_FORM = (
    "/subscriptions/{guid}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)


@dataclass(frozen=True, slots=True)
class WorkspaceId:
    """A workspace's place in Azure Resource Manager."""

    subscription: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "WorkspaceId":
        """With or without a leading `/` and `/providers`, any case. Raises ValueError that shows the form."""
        match = _WORKSPACE_ID.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not the resource id of a workspace; the form is {_FORM}")
        found = cls(**match.groupdict())
        valid = (
            _GUID.fullmatch(found.subscription)
            and _RESOURCE_GROUP.fullmatch(found.resource_group)
            and _NAME.fullmatch(found.name)
        )
        if not valid:
            raise ValueError(f"a part of it is not a valid name; the form is {_FORM}")
        return found

    @property
    def path(self) -> str:
        """The canonical id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )


@dataclass(frozen=True, slots=True)
class Workspace:
    """What `GET {workspace}` tells."""

    id: WorkspaceId
    location: str
    tenant: str
    is_v1_legacy: bool
    discovery_url: str
    is_private: bool = False
    """It takes calls over private endpoints alone."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry of the permissions list. Source: Authorization 2022-04-01, permissions."""

    actions: Sequence[str]
    not_actions: Sequence[str]


@dataclass(frozen=True, slots=True)
class ComponentVersion:
    """A registered component's version. `spec` is free by contract."""

    id: str
    name: str
    version: str
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Datastore:
    name: str
    kind: str
    """`AzureBlob`, `AzureDataLakeGen2`, …"""
    is_default: bool
    account: str | None = None
    container: str | None = None
    """The blob container or the file system."""
    endpoint: str = "core.windows.net"
    protocol: str = "https"


@dataclass(frozen=True, slots=True)
class BatchDeployment:
    """A batch endpoint's deployment of a pipeline component."""

    endpoint: str
    name: str
    is_default: bool
    scoring_uri: str
    component_id: str


@dataclass(frozen=True, slots=True)
class Job:
    """Azure ML's job behind a run."""

    name: str
    status: str
    """As Azure ML says it: NotStarted … Completed, Failed, Canceled."""
    studio_url: str | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a job failed, from run history."""

    code: str
    message: str
    details: Sequence[str] = field(default_factory=tuple)


class WorkspaceReader(Protocol):
    """Reads a workspace. Each raises a BridgeError: WorkspaceForbidden, NotFound, WorkspaceUnavailable (retryable)."""

    async def workspace(self, workspace: WorkspaceId) -> Workspace: ...

    async def permissions(self, workspace: WorkspaceId) -> Sequence[Permission]: ...

    async def components(self, workspace: WorkspaceId) -> Sequence[ComponentVersion]:
        """The newest version of every active component."""

    async def component(self, workspace: WorkspaceId, name: str, version: str) -> ComponentVersion | None: ...

    async def datastores(self, workspace: WorkspaceId) -> Sequence[Datastore]: ...

    async def batch_deployments(self, workspace: WorkspaceId) -> Sequence[BatchDeployment]: ...


type Readers = Callable[[str], WorkspaceReader]
"""The reader of a tenant's workspaces."""


class PipelineJobs(Protocol):
    """Runs pipelines: one implementation a provider. Each raises a BridgeError; `retryable` ones may pass."""

    async def find(self, workspace: WorkspaceId, name: str) -> Job | None: ...

    async def submit(self, workspace: WorkspaceId, name: str, body: dict[str, Any]) -> Job:
        """Idempotent in `name`: looks the job up first."""

    async def cancel(self, workspace: WorkspaceId, name: str) -> None: ...

    async def failure(self, workspace: WorkspaceId, name: str) -> JobFailure | None: ...
