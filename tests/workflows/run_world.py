"""A world in which runs run: stores, a workspace, queues and a clock that jumps. Everything is in memory."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.entities.reading import DataStores
from shared.entities.retention import SnapshotStores
from shared.entities.tombstones import nobody
from shared.errors import BridgeError, NotFound
from shared.tracing import carried
from shared.workflows.advancing import Runner
from shared.workflows.catalog import StoredWorkflow, WorkflowCatalog
from shared.workflows.connections import Connection, Consent
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.importing import ImportSteps
from shared.workflows.job_steps import Access, JobSteps
from shared.workflows.messages import (
    NotifyMessage,
    WhenActive,
    advance_message,
    part_message,
    read_advance,
    read_notify,
    read_part,
)
from shared.workflows.notifications import Announcer
from shared.workflows.part_work import PartWork
from shared.workflows.refreshing import Refreshes, RunStore
from shared.workflows.run_control import RunControl
from shared.workflows.runs import Run, Trigger, TriggerKind
from shared.workflows.workspaces import (
    BatchDeployment,
    ComponentVersion,
    Datastore,
    Job,
    JobFailure,
    Permission,
    Workspace,
    WorkspaceId,
)
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows
from tests.workflows.fakes import DATA, DATASTORES, WORKSPACE, component, stored_workflow
from tests.workflows.run_fakes import Killed, Life, MemoryParts, MemoryRuns, MemoryWorkflows, mortal

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CSV = b"customer_id,score\n00001,0.5\n00002,1.5\n00003,2.5\n"
PIPELINE: dict[str, Any] = {
    "type": "pipeline",
    "inputs": {"transactions": {"type": "uri_file"}, "prior": {"type": "uri_folder", "optional": True}},
    "outputs": {"scores": {"type": "uri_folder"}},
}
_REDELIVERED = timedelta(minutes=10)
"""When the host gives a dead process's message to another."""
_TICK = timedelta(seconds=30)


def churn(**members: Any) -> StoredWorkflow:
    return stored_workflow("churn", **{"requiredData": {"transactions": {"path": DATA}}, **members})


def successor() -> StoredWorkflow:
    """It takes what `churn` has written."""
    sources = {"transactions": {"path": DATA}, "prior": {"entity": "CustomerValue"}}
    return stored_workflow("next", outputEntity="Next", requiredData=sources)


@dataclass
class FakeWorkspace:
    """A workspace's pipeline and datastores."""

    component_spec: dict[str, Any] = field(default_factory=lambda: PIPELINE)
    newest: str = "9"

    async def workspace(self, workspace: WorkspaceId) -> Workspace:
        raise NotImplementedError

    async def permissions(self, workspace: WorkspaceId) -> list[Permission]:
        raise NotImplementedError

    async def components(self, workspace: WorkspaceId) -> list[ComponentVersion]:
        return [component(self.component_spec, version=self.newest)]

    async def component(self, workspace: WorkspaceId, name: str, version: str) -> ComponentVersion | None:
        return component(self.component_spec, name, version)

    async def datastores(self, workspace: WorkspaceId) -> list[Datastore]:
        return DATASTORES

    async def batch_deployments(self, workspace: WorkspaceId) -> list[BatchDeployment]:
        return []


@dataclass
class FakeJobs:
    """Azure ML's jobs: each look moves one on, and one that completes has written its output."""

    output: MemoryOutput
    csv: bytes = CSV
    way: tuple[str, ...] = ("NotStarted", "Queued", "Running", "Completed")
    reason: JobFailure | None = None
    jobs: dict[str, list[str]] = field(default_factory=dict)
    """The statuses that are to come, by name."""
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    canceled: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    """What the next calls raise."""
    slowness: float = 0

    async def find(self, workspace: WorkspaceId, name: str) -> Job | None:
        await self._called()
        if name not in self.jobs:
            return None
        way = self.jobs[name]
        status = way.pop(0) if len(way) > 1 else way[0]
        return self._told(name, status)

    async def submit(self, workspace: WorkspaceId, name: str, body: dict[str, Any]) -> Job:
        await self._called()
        if name not in self.jobs:
            self.jobs[name] = list(self.way)
            self.bodies[name] = body
        return self._told(name, self.jobs[name][0])

    def _told(self, name: str, status: str) -> Job:
        if status == "Completed":
            self.output.files.setdefault(f"outputs/value/{name}/scores.csv", self.csv)
        return Job(name, status, f"https://ml.azure.com/runs/{name}")

    async def cancel(self, workspace: WorkspaceId, name: str) -> None:
        await self._called()
        if name not in self.jobs:
            raise NotFound(f"no job {name}")
        self.canceled.append(name)
        self.jobs[name] = ["CancelRequested", "Canceled"]

    async def failure(self, workspace: WorkspaceId, name: str) -> JobFailure | None:
        return self.reason

    async def _called(self) -> None:
        await asyncio.sleep(self.slowness)
        if self.errors:
            raise self.errors.pop(0)


@dataclass
class MemorySink:
    files: dict[str, bytes] = field(default_factory=dict)
    slowness: float = 0

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        await asyncio.sleep(self.slowness)
        self.files[path] = b"".join([chunk async for chunk in chunks])


@dataclass(order=True)
class Message:
    due: datetime
    queue: str
    body: str


@dataclass
class MemoryQueues:
    now: Callable[[], datetime]
    sent: list[tuple[str, str, float]] = field(default_factory=list)
    """All that was ever sent: queue, body, delay."""
    waiting: list[Message] = field(default_factory=list)

    async def send(self, queue: str, body: str, delay: float) -> None:
        self.sent.append((queue, body, delay))
        self.waiting.append(Message(self.now() + timedelta(seconds=delay), queue, body))


@dataclass
class MemoryEvents:
    """The queue that others read."""

    texts: list[str] = field(default_factory=list)

    async def add(self, text: str) -> None:
        self.texts.append(text)

    @property
    def told(self) -> list[str]:
        """The statuses, each event once."""
        return list({event["event"]: event["status"] for event in map(json.loads, self.texts)}.values())


class World:
    """To be used in virtual time; what is called `process` is what dies with a process."""

    def __init__(self, *workflows: StoredWorkflow, runs: MemoryRuns | None = None) -> None:
        self.life = Life()
        self.runs = runs or MemoryRuns()
        self.parts = MemoryParts()
        self.workflows = MemoryWorkflows({workflow.name: workflow for workflow in workflows or (churn(),)})
        self.output = MemoryOutput({})
        self.jobs = FakeJobs(self.output)
        self.workspace = FakeWorkspace()
        self.sink = MemorySink()
        self.entities, self.rows, self.rejects = MemoryEntities(), MemoryRows(), MemoryRejects()
        self.large = MemoryLarge()
        self.queues = MemoryQueues(self.now)
        self.told = MemoryEvents()
        self.notified: list[NotifyMessage] = []
        self.steps: ImportSteps
        self.start_process()

    def restart(self) -> None:
        """The process has died; another begins, with its timer."""
        self.life.dies_at = None
        self.start_process(name="p2")
        self.queues.waiting.append(Message(self.now() + _TICK, "timer", ""))

    def now(self) -> datetime:
        return NOON + timedelta(seconds=asyncio.get_running_loop().time() - 1000)

    def start_process(self, *, at_once: int = 2, name: str = "p1") -> None:
        """A fresh one, which knows nothing."""
        life = self.life
        self.stores = SnapshotStores(
            mortal(self.entities, life, "save", "save_snapshot", "withdraw_snapshot"),
            mortal(self.rows, life, "create", "write"),
            mortal(self.large, life, "put"),
            mortal(self.rejects, life, "add"),
        )
        self.store: RunStore = mortal(self.runs, life, "begin", "save")
        parts = mortal(self.parts, life, "save")
        self.send = mortal(self.queues, life, "send")
        self.events = mortal(self.told, life, "add")
        self.steps = ImportSteps(self.stores, parts, self._output_of, self.send_part, self.now)
        data = DataStores(self.entities, self.rows, self.large)
        jobs = JobSteps(
            self._connection, self._access, self._jobs_of, data, lambda tenant, store: self._sink(), self.now
        )
        announcer = Announcer(event=self.send_event, notify=self.send_notify)
        self.runner = Runner(
            self.store, self.workflows, jobs, self.steps, send=self.send_advance, tell=announcer.tell, now=self.now
        )
        self.refreshes = Refreshes(self.store, send=self.send_advance, now=self.now)
        self.work = PartWork(
            self.store,
            parts,
            self.steps,
            self.stores,
            erased=nobody,
            send=self.send_part,
            process=name,
            at_once=at_once,
            now=self.now,
        )
        catalog = WorkflowCatalog(self.workflows, self._connection, lambda tenant: self.workspace)
        self.control = RunControl(self.store, self.runner, self.refreshes, catalog, send=self.send_advance)

    async def send_advance(self, run: str, delay: float = 0) -> None:
        await self.send.send("run-advance", advance_message(run, carried()), delay)

    async def send_event(self, text: str) -> None:
        """Nobody of ours reads it."""
        await self.events.add(text)

    async def send_notify(self, message: NotifyMessage, delay: float) -> None:
        await self.send.send("run-notify", message.text(), delay)

    async def send_part(self, run: str, number: int, delay: float) -> None:
        await self.send.send("import-part", part_message(run, number, carried()), delay)

    async def begin(
        self, workflow: str = "churn", when_active: WhenActive = WhenActive.RETURN, operation: str | None = None
    ) -> str:
        found = self.workflows.workflows[workflow]
        trigger = Trigger(TriggerKind.HTTP, operation_id=operation)
        return (await self.refreshes.begin(found, trigger, when_active)).run.id

    def run(self, run_id: str) -> Run:
        return self.runs.runs[run_id][0]

    def waiting(self, queue: str = "run-advance") -> list[Message]:
        return [message for message in self.queues.waiting if message.queue == queue]

    async def settle(self, *, until: Callable[[], bool] = lambda: False, most: float = 86_400) -> None:
        """Deliver messages, each when it is due, until none is left, `until` holds or so many seconds have passed."""
        end = self.now() + timedelta(seconds=most)
        while self.queues.waiting and not until():
            message = min(self.queues.waiting)
            if message.due > end:
                return
            self.queues.waiting.remove(message)
            await asyncio.sleep(max((message.due - self.now()).total_seconds(), 0))
            await self._deliver(message)

    async def tick(self) -> None:
        """What the timer does each half a minute."""
        async for run in self.runs.live():
            await self.queues.send("run-advance", advance_message(run), 0)

    async def _deliver(self, message: Message) -> None:
        try:
            if message.queue == "timer":
                await self.tick()
            elif message.queue == "run-notify":
                self.notified.append(read_notify(message.body))
            elif message.queue == "run-advance":
                await self.runner.advance(read_advance(message.body))
            else:
                part = read_part(message.body)
                await self.work.do(part.run, part.number)
        except Killed:
            self.restart()
            self.queues.waiting.append(Message(self.now() + _REDELIVERED, message.queue, message.body))
        except BridgeError:
            self.queues.waiting.append(Message(self.now() + timedelta(seconds=1), message.queue, message.body))

    async def _connection(self, name: str) -> Connection:
        return Connection(name, "tenant", WORKSPACE.path, "westeurope", Consent("me", NOON, "1"), '"etag"')

    def _access(self, connection: Connection) -> Access:
        return Access(WORKSPACE, self.workspace)

    async def _jobs_of(self, connection: Connection, definition: WorkflowDefinition) -> FakeJobs:
        return mortal(self.jobs, self.life, "submit", "cancel")

    def _sink(self) -> MemorySink:
        return mortal(self.sink, self.life, "write")

    async def _output_of(self, definition: WorkflowDefinition, datastore: str) -> MemoryOutput:
        return self.output
