"""Stand-ins for what the host's parts are handed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from devhost.calls import Caller
from devhost.functions import Function, QueueOutput, QueueTrigger, TimerTrigger
from devhost.protos import RpcException, RpcRetryOptions, TypedData
from devhost.statuses import Status
from devhost.worker import Invocation, Outcome

SUCCEEDED = Outcome()
FAILED = Outcome(failure=RpcException("ValueError: on purpose", "Traceback …"))


@dataclass
class FakeWorker:
    """Answers with `outcome`, after `takes` seconds, and remembers."""

    outcome: Outcome = SUCCEEDED
    takes: float = 0
    calls: list[Invocation] = field(default_factory=list)
    during: Callable[[], None] = lambda: None

    async def invoke(self, invocation: Invocation) -> Outcome:
        self.calls.append(invocation)
        self.during()
        if self.takes:
            await asyncio.sleep(self.takes)
        return self.outcome


@dataclass
class FakeOutputs:
    error: Exception | None = None
    put_values: list[tuple[str, object]] = field(default_factory=list)

    async def put(self, output: QueueOutput, value: TypedData) -> None:
        if self.error:
            raise self.error
        self.put_values.append((output.queue_name, value.content))


@dataclass
class FakeStatuses:
    stored: dict[str, Status] = field(default_factory=dict)
    broken: bool = False

    async def read(self, function: str) -> Status | None:
        if self.broken:
            raise OSError("away")
        return self.stored.get(function)

    async def write(self, function: str, status: Status) -> None:
        if self.broken:
            raise OSError("away")
        self.stored[function] = status


@dataclass
class FakeTime:
    """A clock that moves by being slept on, and sets `stop` at `until`."""

    now: datetime
    until: datetime
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    sleeps: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += timedelta(seconds=seconds)
        if self.now >= self.until:
            self.stop.set()
        await asyncio.sleep(0)


def make_caller(
    worker: FakeWorker,
    outputs: FakeOutputs | None = None,
    timeout: timedelta | None = None,
    *,
    is_sampled: bool = False,
) -> Caller:
    return Caller(worker, outputs or FakeOutputs(), timeout, {}, is_sampled=is_sampled)


def timer_function(*, retry: RpcRetryOptions | None = None, startup: bool = False, monitor: bool = True) -> Function:
    trigger = TimerTrigger(name="timer", schedule="", run_on_startup=startup, use_monitor=monitor)
    return Function("tick", "id", trigger, retry=retry)


def queue_function(*outputs: str) -> Function:
    return Function(
        "work",
        "id",
        QueueTrigger(name="msg", queue_name="work"),
        tuple(QueueOutput(name=name, queue_name=f"{name.strip('$')}-q") for name in outputs),
    )
