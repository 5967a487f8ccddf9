"""Which slots are due, and what becomes of them? A tick each minute gives every due slot its one outcome.

The latest due slot runs, or joins the run that is active; those before it are superseded. A tick looks for due slots
only where a workflow runs by a timetable: drafts, and schedules that are off, have no slots, and none to make up for
when that changes. What goes wrong at one workflow is logged and tried again with the next tick; the others go on.

The steps of a slot, of which each may be the last before the process dies: claim it in the mark, write what it
supersedes, begin its run under an operation id of the slot, write its outcome, move the mark on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.errors import BridgeError
from shared.logs import log_event
from shared.times import rfc3339
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.refreshing import Begun
from shared.workflows.runs import Trigger, TriggerKind
from shared.workflows.schedules import Schedule, SlotOutcome
from shared.workflows.slots import Mark, SettledSlot, SlotLedger

_LOGGER = logging.getLogger(__name__)
_CLAIM = timedelta(seconds=45)
"""A claim that is older was left behind; less than the minute between ticks, so that the next one tries again."""
_LATE = timedelta(seconds=90)
"""A slot that runs later says so: more than the tick after the one that failed."""
_AT_ONCE = 8
"""Workflows in hand at a time: two hundred that are due at six o'clock are begun in seconds."""

type ListWorkflows = Callable[[], Awaitable[Sequence[StoredWorkflow]]]
"""All workflows. Raises StorageUnavailable."""

type Begin = Callable[[StoredWorkflow, Trigger], Awaitable[Begun]]
"""Begins a run or joins the active one; the same operation id again gives the same run. Raises BridgeError."""

type RunOf = Callable[[str, str], Awaitable[str | None]]
"""The run of a workflow, by name, that a request with this operation id began. Raises StorageUnavailable."""


@dataclass(frozen=True, slots=True)
class TickReport:
    """What a tick came to; workflows by name in lower case."""

    settled: Mapping[str, Sequence[SettledSlot]]
    """The slots that have their outcome now, oldest first."""
    failed: Mapping[str, str]
    """Workflows that are tried again with the next tick, and the error's code."""

    @property
    def outcome(self) -> str:
        """For telemetry: the clock came through, for all or for a part."""
        return "partly" if self.failed else "succeeded"


class Scheduler:
    """Runs workflows by their timetables."""

    def __init__(
        self,
        ledger: SlotLedger,
        workflows: ListWorkflows,
        begin: Begin,
        run_of: RunOf,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._workflows = workflows
        self._begin = begin
        self._run_of = run_of
        self._now = now

    async def tick(self) -> TickReport:
        """Settle every slot that is due. Two reads where none is.

        Raises StorageUnavailable if workflows or marks cannot be read, and an ExceptionGroup of what is no
        BridgeError, after every workflow had its turn.
        """
        workflows = {workflow.name.lower(): workflow for workflow in await self._workflows()}
        marks = await self._ledger.marks()
        left_behind = {name for name, mark in marks.items() if mark.claimed is not None}
        settled: dict[str, Sequence[SettledSlot]] = {}
        failed: dict[str, str] = {}
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def turn(name: str) -> None:
            async with at_once:
                try:
                    found = await self._settle(workflows.get(name), marks.get(name) or Mark(name))
                except BridgeError as error:
                    _log_failure(name, error)
                    failed[name] = error.code
                else:
                    settled.update({name: found} if found else {})

        turns = await asyncio.gather(*map(turn, sorted(workflows.keys() | left_behind)), return_exceptions=True)
        if faults := [found for found in turns if isinstance(found, Exception)]:
            raise ExceptionGroup("the schedules of some workflows failed", faults)
        return TickReport(settled, failed)

    async def _settle(self, workflow: StoredWorkflow | None, mark: Mark) -> list[SettledSlot]:
        """The slots of one workflow, which may be gone, that have their outcome now."""
        now = self._now()
        if mark.claimed is None:
            return await self._take_due(workflow, mark, now)
        if mark.claimed_at is not None and now - mark.claimed_at < _CLAIM:
            return []  # another tick is at it
        decided = await self._left_behind(mark.workflow, mark.claimed, now)
        freed = await self._ledger.move(_freed(mark, settled=mark.claimed if decided else mark.settled))
        if freed is None:
            return []
        return [*decided, *await self._take_due(workflow, freed, now)]

    async def _left_behind(self, workflow: str, slot: datetime, now: datetime) -> list[SettledSlot]:
        """The outcome of a slot whose tick died or failed; empty if it began no run, and may still be due."""
        if (found := await self._ledger.outcome(workflow, slot)) is not None:
            return [found]
        if (run := await self._run_of(workflow, _operation_id(slot))) is None:
            return []
        return [await self._decide(workflow, SettledSlot(slot, SlotOutcome.RUN, run, now))]

    async def _take_due(self, workflow: StoredWorkflow | None, mark: Mark, now: datetime) -> list[SettledSlot]:
        due = _due(workflow, mark, now) if workflow else []
        if not workflow or not due:
            return []
        *missed, slot = due
        claimed = await self._ledger.move(replace(mark, claimed=slot, claimed_at=now))
        if claimed is None:
            return []  # another tick was first
        superseded = await self._supersede(mark.workflow, missed, now)
        begun = await self._begin(workflow, _trigger(slot, now))
        decided = await self._decide(mark.workflow, _settled(slot, begun, now))
        await self._ledger.move(_freed(claimed, settled=slot))
        return [*superseded, decided]

    async def _supersede(self, workflow: str, missed: Sequence[datetime], now: datetime) -> list[SettledSlot]:
        superseded = [SettledSlot(slot, SlotOutcome.SUPERSEDED, None, now) for slot in missed]
        if superseded:
            await self._ledger.supersede(workflow, superseded)
            first, last = rfc3339(missed[0]), rfc3339(missed[-1])
            log_event(_LOGGER, "slots_superseded", workflow=workflow, count=len(missed), first=first, last=last)
        return superseded

    async def _decide(self, workflow: str, slot: SettledSlot) -> SettledSlot:
        decided = await self._ledger.decide(workflow, slot)
        told = rfc3339(decided.slot)
        log_event(_LOGGER, "slot_settled", workflow=workflow, slot=told, outcome=decided.outcome, run=decided.run)
        return decided


def _due(workflow: StoredWorkflow, mark: Mark, now: datetime) -> list[datetime]:
    """The slots of its timetable that have no outcome yet, oldest first. Raises BadRequest: it cannot be read."""
    if workflow.timetable is None:
        return []
    cron, zone = workflow.timetable
    since = workflow.schedule_since
    if mark.settled is not None:
        since = max(since, mark.settled)
    return Schedule.parse({"cron": cron, "timeZone": zone}, now).due(since, now)


def _trigger(slot: datetime, now: datetime) -> Trigger:
    late = int((now - slot).total_seconds()) if now - slot > _LATE else 0
    return Trigger(TriggerKind.SCHEDULE, rfc3339(slot), _operation_id(slot), late)


def _settled(slot: datetime, begun: Begun, now: datetime) -> SettledSlot:
    """A run that an earlier attempt at this slot began is the slot's own."""
    own = begun.is_new or begun.run.trigger.operation_id == _operation_id(slot)
    return SettledSlot(slot, SlotOutcome.RUN if own else SlotOutcome.JOINED, begun.run.id, now)


def _freed(mark: Mark, settled: datetime | None) -> Mark:
    return replace(mark, settled=settled, claimed=None, claimed_at=None)


def _operation_id(slot: datetime) -> str:
    return f"slot:{rfc3339(slot)}"


def _log_failure(workflow: str, error: BridgeError) -> None:
    level = logging.WARNING if error.retryable else logging.ERROR
    log_event(_LOGGER, "schedule_failed", level, workflow=workflow, code=error.code, error=error.message)
