"""Azure ML as a connection reaches it: the workspace's reader, and the provider that runs its pipelines."""

import asyncio
from dataclasses import dataclass
from functools import partial

import httpx

from shared.aml.auth import TokenSource
from shared.aml.batch import BatchJobs
from shared.aml.exchange import DataPlane, Exchange
from shared.aml.history import DOMAINS, RunHistory
from shared.aml.jobs import ComponentJobs
from shared.aml.tenants import Tenants
from shared.aml.workspace_calls import WorkspaceCalls
from shared.aml.workspaces import ArmWorkspaces
from shared.errors import NotFound
from shared.settings import Settings
from shared.workflows.connections import Connection
from shared.workflows.definition import Provider, WorkflowDefinition
from shared.workflows.job_steps import Access
from shared.workflows.workspaces import BatchDeployment, PipelineJobs, WorkspaceId, WorkspaceReader

_DEPLOYMENT_SECONDS = 60.0
"""How long an endpoint's address is remembered: a run that is watched asks for it again and again."""
_SUBMISSION_SECONDS = 60.0
"""A job's PUT checks the whole pipeline, and takes its time."""


@dataclass(frozen=True, slots=True)
class _Tenant:
    """The clients that share one identity."""

    reader: ArmWorkspaces
    component_jobs: ComponentJobs
    calls: WorkspaceCalls
    inference: DataPlane
    history: RunHistory


class Azure:
    """Makes the clients of a tenant once: they call with this app's identity in it."""

    def __init__(self, transport: httpx.AsyncBaseTransport, tenants: Tenants, settings: Settings) -> None:
        self._transport = transport
        self._tenants = tenants
        self._settings = settings
        self._clients: dict[str, _Tenant] = {}
        self._deployments: dict[tuple[str, str], tuple[float, BatchDeployment]] = {}

    def reader(self, tenant: str) -> WorkspaceReader:
        return self._tenant(tenant).reader

    def reader_anew(self, tenant: str) -> WorkspaceReader:
        """One that remembers nothing: what it tells is so now. The empty tenant is this app's own."""
        return ArmWorkspaces(self._calls(tenant, self._tenants.tokens(tenant)))

    def access(self, connection: Connection) -> Access:
        return Access(WorkspaceId.parse(connection.workspace), self.reader(connection.tenant))

    async def jobs(self, connection: Connection, definition: WorkflowDefinition) -> PipelineJobs:
        """The provider that the workflow names. Raises NotFound for a batch endpoint that is gone."""
        clients = self._tenant(connection.tenant)
        if definition.provider is Provider.COMPONENT:
            return clients.component_jobs
        deployment = await self._deployment(clients, WorkspaceId.parse(connection.workspace), definition.pipeline)
        return BatchJobs(clients.calls, clients.inference, clients.component_jobs, deployment)

    async def reach_data_plane(self, tenant: str, workspace: WorkspaceId) -> str:
        """The host of a workspace's run history, which has answered. Raises BridgeError."""
        return await self._tenant(tenant).history.reach(workspace)

    async def _deployment(self, clients: _Tenant, workspace: WorkspaceId, endpoint: str) -> BatchDeployment:
        now, place = asyncio.get_running_loop().time(), (workspace.path.lower(), endpoint)
        asked_at, known = self._deployments.get(place, (float("-inf"), None))
        if known is not None and now - asked_at < _DEPLOYMENT_SECONDS:
            return known
        for deployment in await clients.reader.batch_deployments(workspace):
            if deployment.endpoint == endpoint and deployment.is_default:
                self._deployments[place] = (now, deployment)
                return deployment
        raise NotFound(
            f"the batch endpoint {endpoint} of the workspace {workspace.name} is gone, or has no default deployment with "
            "a pipeline",
            target="pipeline",
        )

    def _tenant(self, tenant: str) -> _Tenant:
        if tenant.lower() not in self._clients:
            self._clients[tenant.lower()] = self._make(tenant)
        return self._clients[tenant.lower()]

    def _make(self, tenant: str) -> _Tenant:
        cloud, tokens = self._settings.cloud, self._tenants.tokens(tenant)
        reader = ArmWorkspaces(self._calls(tenant, tokens))
        calls = self._calls(tenant, tokens, most_seconds=_SUBMISSION_SECONDS)
        history = RunHistory(calls, reader, self._plane(tokens, DOMAINS[cloud.machine_learning]))
        jobs = ComponentJobs(calls, history, token_audience=cloud.machine_learning)
        return _Tenant(reader, jobs, calls, self._plane(tokens, cloud.inference_domain), history)

    def _calls(self, tenant: str, tokens: TokenSource, most_seconds: float | None = None) -> WorkspaceCalls:
        settings = self._settings
        limits = {} if most_seconds is None else {"most_seconds": most_seconds}
        exchange = Exchange(
            self._transport, tokens, audience=settings.cloud.management, address=settings.resource_manager, **limits
        )
        identity = partial(self._tenants.identity, tenant)
        return WorkspaceCalls(exchange, api_version=settings.AML_API_VERSION, identity=identity)

    def _plane(self, tokens: TokenSource, domain: str) -> DataPlane:
        return DataPlane(
            self._transport,
            tokens,
            audience=self._settings.cloud.machine_learning,
            domain=domain,
            loopback=self._settings.ALLOW_LOOPBACK_SCORING,
        )
