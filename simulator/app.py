"""What is a simulator made of? Its state, and the ASGI app over it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from simulator.arm.front import ArmFront
from simulator.arm.models import Workspace, local_workspace
from simulator.arm.online_endpoints import OnlineEndpoints
from simulator.calls import Calls
from simulator.control import Controls
from simulator.identity import ManagedIdentity
from simulator.scoring.bare import BareScoring
from simulator.scoring.faults import FaultMemory
from simulator.scoring.managed import ManagedScoring
from simulator.scoring.model import Model
from simulator.tokens import TokenStore


@dataclass
class Simulator:
    """All state, in memory: a test makes its own. Without `model`, managed endpoints echo."""

    identity_header: str = "local"
    model: Model | None = None
    workspace: Workspace = field(default_factory=local_workspace)
    tokens: TokenStore = field(default_factory=TokenStore)
    calls: Calls = field(default_factory=Calls)
    faults: FaultMemory = field(default_factory=FaultMemory)

    def __post_init__(self) -> None:
        self.identity = ManagedIdentity(self.tokens, self.identity_header)
        self.front = ArmFront(self.tokens)
        self.endpoints = OnlineEndpoints(self.workspace, self.front, self.tokens)
        self.managed = ManagedScoring(self.workspace, self.tokens, self.faults, self.model)
        self.bare = BareScoring(self.faults)
        self.controls = Controls(self.identity, self.front, self.endpoints, self.calls, self.faults)

    def routes(self) -> list[Route]:
        """The busiest first: they are tried in order."""
        return [
            *self.bare.routes(),
            *self.managed.routes(),
            *self.identity.routes(),
            *self.endpoints.routes(),
            *self.controls.routes(),
            Route("/", say_ready, methods=["GET"]),
            self.front.anything_else(),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        yield
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
