"""What is a simulator made of? Its state, and the ASGI app over it."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from simulator.arm.batch_endpoints import BatchEndpoints
from simulator.arm.components import Components
from simulator.arm.datastores import Account, Datastores
from simulator.arm.front import ArmFront
from simulator.arm.jobs import JobResources
from simulator.arm.models import Workspace, local_workspace, refusing_workspaces, workspace_abroad
from simulator.arm.online_endpoints import OnlineEndpoints
from simulator.arm.paging import Pages
from simulator.arm.registry import load_components
from simulator.arm.workspaces import WorkspaceResources, Workspaces
from simulator.batch.invocation import BatchInvocation
from simulator.calls import Calls
from simulator.control import Controls
from simulator.entra import Entra
from simulator.events import Events, Queue
from simulator.history import RunHistory
from simulator.identity import ManagedIdentity
from simulator.jobs.control import JobControls
from simulator.jobs.runner import Runner
from simulator.jobs.storage import Storage, WithoutStorage
from simulator.jobs.store import Jobs
from simulator.scoring.bare import BareScoring
from simulator.scoring.faults import FaultMemory
from simulator.scoring.managed import ManagedScoring
from simulator.scoring.model import Model
from simulator.tokens import TokenStore


@dataclass
class Simulator:
    """All state, in memory: a test makes its own. Without `model`, managed endpoints echo; without `storage`, jobs fail.

    `python` runs the steps of pipelines.
    """

    identity_header: str = "local"
    model: Model | None = None
    storage: Storage = field(default_factory=WithoutStorage)
    account: Account = field(default_factory=Account)
    python: str = sys.executable
    queue: Queue | None = None
    workspace: Workspace = field(default_factory=local_workspace)
    tokens: TokenStore = field(default_factory=TokenStore)
    calls: Calls = field(default_factory=Calls)
    faults: FaultMemory = field(default_factory=FaultMemory)

    def __post_init__(self) -> None:
        self.workspace.components = self.workspace.components or load_components()
        abroad = workspace_abroad()
        abroad.components = self.workspace.components
        self.workspaces = Workspaces([self.workspace, *refusing_workspaces(), abroad])
        self.pages = Pages()
        self.entra = Entra(self.tokens)
        self.identity = ManagedIdentity(self.tokens, self.identity_header)
        self.front = ArmFront(self.tokens, self.workspaces.tenant_of)
        self.endpoints = OnlineEndpoints(self.workspaces, self.front, self.tokens, self.pages)
        self.managed = ManagedScoring(self.workspace, self.tokens, self.faults, self.model)
        self.bare = BareScoring(self.faults)
        self.events = Events(self.queue)
        self.jobs = Jobs(Runner(self.storage, self.python, self.events))
        self.controls = Controls(self.identity, self.front, self.endpoints, self.workspace, self.calls, self.faults)

    def routes(self) -> list[Route]:
        """The busiest first: they are tried in order."""
        return [
            *self.bare.routes(),
            *self.managed.routes(),
            *self.identity.routes(),
            *self.entra.routes(),
            *self.endpoints.routes(),
            *JobResources(self.workspaces, self.front, self.pages, self.jobs).routes(),
            *Components(self.workspaces, self.front, self.pages).routes(),
            *Datastores(self.workspaces, self.front, self.pages, self.account).routes(),
            *BatchEndpoints(self.workspaces, self.front, self.pages).routes(),
            *WorkspaceResources(self.workspaces, self.front, self.pages).routes(),
            *RunHistory(self.workspaces, self.front, self.jobs).routes(),
            *BatchInvocation(self.workspace, self.workspaces, self.front, self.jobs).routes(),
            *JobControls(self.workspaces, self.jobs, self.events).routes(),
            *self.controls.routes(),
            Route("/", say_ready, methods=["GET"]),
            self.front.anything_else(),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
        await self.jobs.forget()
        if self.model is not None:
            await self.model.close()


def create_app(simulator: Simulator) -> ASGIApp:
    handlers = {HTTPException: answer_http_error}
    app = Starlette(routes=simulator.routes(), lifespan=simulator.lifespan, exception_handlers=handlers)
    return simulator.calls.around(app)


async def say_ready(request: Request) -> Response:
    return JSONResponse({"status": "ready"})


async def answer_http_error(request: Request, error: Exception) -> Response:
    """No route, wrong method, or a refusal of /control."""
    assert isinstance(error, HTTPException)
    return JSONResponse({"message": error.detail}, error.status_code, error.headers)
