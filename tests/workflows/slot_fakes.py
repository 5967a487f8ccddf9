"""A ledger of slots, runs and workflows in memory, which can die at any write, and a clock that is set."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.workflows.catalog import StoredWorkflow
from shared.workflows.refreshing import Begun
from shared.workflows.runs import Run, Trigger, new_run
from shared.workflows.schedules import LOOK_BACK
from shared.workflows.scheduling import Scheduler, TickReport
from shared.workflows.slots import Mark, SettledSlot, SlotLedger
from tests.workflows.fakes import stored_workflow

MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def scheduled(
    cron: str, since: str, *, zone: str = "UTC", name: str = "churn", enabled: bool = True, **members: Any
) -> StoredWorkflow:
    """Saved with its schedule at `since`."""
    schedule = {"cron": cron, "timeZone": zone, "enabled": enabled}
    workflow = stored_workflow(name, schedule=schedule, **members)
    return replace(workflow, updated_at=utc(since), scheduled_at=utc(since))


class Died(Exception):
    """The process is gone at this point."""


@dataclass
class Faults:
    """Dies at the n-th write, before it or after; 0: at none."""

    at: int = 0
    after: bool = False
    writes: int = 0

    async def around[T](self, write: Callable[[], T]) -> T:
        await asyncio.sleep(0)
        self.writes += 1
        dies = self.writes == self.at
        if dies and not self.after:
            raise Died
        written = write()
        if dies:
            raise Died
        return written


class MemorySlots:
    """Every call lets others in between, and a mark is written only as it was read."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.stored: dict[str, Mark] = {}
        self.slots: dict[str, dict[datetime, SettledSlot]] = {}
        self.reads = 0
        self._versions = 0

    async def marks(self) -> dict[str, Mark]:
        await self._read()
        return dict(self.stored)

    async def move(self, mark: Mark) -> Mark | None:
        return await self.faults.around(lambda: self._move(mark))

    def _move(self, mark: Mark) -> Mark | None:
        name = mark.workflow.lower()
        current = self.stored.get(name)
        if (current.version if current else "") != mark.version:
            return None
        self._versions += 1
        self.stored[name] = replace(mark, workflow=name, version=str(self._versions))
        return self.stored[name]

    async def supersede(self, workflow: str, slots: Sequence[SettledSlot]) -> None:
        await self.faults.around(lambda: self._of(workflow).update({slot.slot: slot for slot in slots}))

    async def decide(self, workflow: str, slot: SettledSlot) -> SettledSlot:
        return await self.faults.around(lambda: self._of(workflow).setdefault(slot.slot, slot))

    async def outcome(self, workflow: str, slot: datetime) -> SettledSlot | None:
        await self._read()
        return self._of(workflow).get(slot)

    async def recent(self, workflow: str, count: int) -> Sequence[SettledSlot]:
        await self._read()
        slots = self._of(workflow)
        return [slots[slot] for slot in sorted(slots, reverse=True)][:count]

    async def drop_older(self, than: datetime) -> int:
        dropped = 0
        for name, mark in list(self.stored.items()):
            old = [slot for slot in self._of(name) if slot < than]
            for slot in old:
                del self._of(name)[slot]
            dropped += len(old)
            if mark.claimed is None and mark.settled is not None and mark.settled < than - LOOK_BACK:
                del self.stored[name]
        return dropped

    def _of(self, workflow: str) -> dict[datetime, SettledSlot]:
        return self.slots.setdefault(workflow.lower(), {})

    async def _read(self) -> None:
        await asyncio.sleep(0)
        self.reads += 1


class MemoryRuns:
    """Begins runs as `Refreshes` does: an operation id has one run, and an active run is joined."""

    def __init__(self, now: Callable[[], datetime], faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self.begun: list[Run] = []
        self.active: dict[str, Run] = {}
        self.failing: dict[str, Exception] = {}
        """By workflow: what beginning its run raises."""
        self.reads = 0
        self._operations: dict[tuple[str, str], Run] = {}
        self._now = now

    async def begin(self, workflow: StoredWorkflow, trigger: Trigger) -> Begun:
        if workflow.name in self.failing:
            raise self.failing[workflow.name]
        return await self.faults.around(lambda: self._begin(workflow, trigger))

    def _begin(self, workflow: StoredWorkflow, trigger: Trigger) -> Begun:
        name = workflow.name.lower()
        known = self._operations.get((name, trigger.operation_id or "")) or self.active.get(name)
        if known is not None:
            return Begun(known, is_new=False)
        run = new_run(f"run-{len(self.begun) + 1}", workflow, trigger, self._now())
        self.begun.append(run)
        self.active[name] = run
        if trigger.operation_id:
            self._operations[name, trigger.operation_id] = run
        return Begun(run, is_new=True)

    async def run_of(self, workflow: str, operation_id: str) -> str | None:
        await asyncio.sleep(0)
        self.reads += 1
        run = self._operations.get((workflow.lower(), operation_id))
        return run.id if run else None

    def end(self, name: str = "churn") -> None:
        """The active run of a workflow has ended."""
        self.active.pop(name, None)


@dataclass
class World:
    """Workflows, their runs and the ledger, as any number of hosts share them."""

    clock: datetime
    workflows: list[StoredWorkflow] = field(default_factory=list)
    ledger: SlotLedger = field(default_factory=MemorySlots)
    runs: MemoryRuns = field(init=False)
    lists: int = 0

    def __post_init__(self) -> None:
        self.runs = MemoryRuns(lambda: self.clock)

    async def list_workflows(self) -> Sequence[StoredWorkflow]:
        self.lists += 1
        return list(self.workflows)

    def host(self) -> Scheduler:
        return Scheduler(self.ledger, self.list_workflows, self.runs.begin, self.runs.run_of, lambda: self.clock)

    async def tick(self, at: str | datetime) -> TickReport:
        self.clock = utc(at) if isinstance(at, str) else at
        return await self.host().tick()

    async def each_minute(self, first: str, last: str) -> None:
        """A tick each minute, whose runs end before the next."""
        moment = utc(first)
        while moment <= utc(last):
            await self.tick(moment)
            self.runs.active.clear()
            moment += MINUTE

    async def told(self, name: str = "churn") -> list[tuple[str, str, str | None]]:
        """The ledger's slots of a workflow, oldest first: time, outcome, run."""
        found = await self.ledger.recent(name, 1000)
        return [(f"{slot.slot:%Y-%m-%dT%H:%M}", slot.outcome.value, slot.run) for slot in reversed(found)]


def world(*workflows: StoredWorkflow, ledger: SlotLedger | None = None) -> World:
    return World(utc("2026-01-01"), list(workflows), ledger or MemorySlots())
