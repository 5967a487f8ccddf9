"""A workspace to read and run jobs in: over a transport of one's own, or the simulator in process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from shared.aml.auth import Token
from shared.aml.batch import BatchJobs
from shared.aml.exchange import DataPlane, Exchange
from shared.aml.history import RunHistory
from shared.aml.jobs import ComponentJobs
from shared.aml.workspace_calls import WorkspaceCalls
from shared.aml.workspaces import ArmWorkspaces
from shared.workflows.workspaces import BatchDeployment, Job, WorkspaceId
from simulator.app import Simulator, create_app
from simulator.arm.faults import CallFault
from simulator.jobs.plans import JobPlan, Progression
from tests.aml.fakes import MACHINE_LEARNING, MANAGEMENT, FakeIdentity
from tests.simulator.jobs import FEW
from tests.simulator.memory import MemoryStorage
from tests.support.bridge import SUBSCRIPTION

type Respond = Callable[[httpx.Request], httpx.Response]
WORKSPACE = WorkspaceId(SUBSCRIPTION, "local", "bridge")
LEGACY = WorkspaceId(SUBSCRIPTION, "local", "legacy")
FORBIDDEN = WorkspaceId(SUBSCRIPTION, "local", "forbidden")
SIMULATOR = "http://127.0.0.1:7072"
OVER = ("Completed", "Failed", "Canceled")


@dataclass
class Machinery:
    """The product's side, put together as the app does it."""

    transport: httpx.AsyncBaseTransport
    identity: FakeIdentity = field(default_factory=FakeIdentity)
    address: str = MANAGEMENT
    loopback: bool = False
    most_seconds: float = 15.0

    def __post_init__(self) -> None:
        self.tokens = self.identity.tokens()
        arm = Exchange(
            self.transport, self.tokens, audience=MANAGEMENT, address=self.address, most_seconds=self.most_seconds
        )
        self.calls = WorkspaceCalls(arm, api_version="2025-12-01")
        self.workspaces = ArmWorkspaces(self.calls)
        self.history = RunHistory(self.calls, self.workspaces, self.plane("api.azureml.ms"))
        self.jobs = ComponentJobs(self.calls, self.history, token_audience=MACHINE_LEARNING)

    def plane(self, domain: str) -> DataPlane:
        return DataPlane(self.transport, self.tokens, audience=MACHINE_LEARNING, domain=domain, loopback=self.loopback)

    def batch(self, deployment: BatchDeployment) -> BatchJobs:
        return BatchJobs(self.calls, self.plane("inference.ml.azure.com"), self.jobs, deployment)


def machinery(respond: Respond, identity: FakeIdentity | None = None, most_seconds: float = 15.0) -> Machinery:
    return Machinery(httpx.MockTransport(respond), identity or FakeIdentity(), most_seconds=most_seconds)


class SimulatedIdentity(FakeIdentity):
    """Its tokens are the simulator's."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator

    async def token(self, audience: str, *, anew: bool) -> Token:
        found = await super().token(audience, anew=anew)
        return Token(self._simulator.tokens.issue(audience, 3600).value, found.expires_at)


class Recorded(httpx.AsyncBaseTransport):
    """Remembers what went over it."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.requests: list[httpx.Request] = []
        self.most_at_once = 0
        self._at_once = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            return await self._inner.handle_async_request(request)
        finally:
            self._at_once -= 1

    def asked(self, method: str, end: str) -> int:
        return sum(each.method == method and each.url.path.endswith(end) for each in self.requests)


class Simulated(Machinery):
    """The same on a simulator of its own; jobs take no longer than their steps."""

    def __init__(self) -> None:
        storage = MemoryStorage()
        storage.blobs["lake", "in.csv"] = FEW.encode()
        self.simulator = Simulator(storage=storage)
        self.simulator.jobs.runner.progression = Progression(
            not_started=0, preparing=0, queued=0, finalizing=0, cancel_requested=0
        )
        self.recorded = Recorded(httpx.ASGITransport(create_app(self.simulator)))
        super().__init__(self.recorded, SimulatedIdentity(self.simulator), SIMULATOR, loopback=True)

    def fault(self, **members: Any) -> None:
        self.simulator.front.faults = [CallFault.model_validate({"calls": 1, **members})]

    def plan(self, **members: Any) -> None:
        self.simulator.jobs.plans.waiting.append(JobPlan.model_validate(members))

    @property
    def started(self) -> int:
        """How many jobs there are, however they began."""
        return len(self.simulator.jobs.all())

    async def until(self, name: str, *wanted: str) -> Job:
        async with asyncio.timeout(20):
            while True:
                job = await self.jobs.find(WORKSPACE, name)
                if job is not None and job.status in (*wanted, *OVER):
                    return job
                await asyncio.sleep(0.01)
