"""The work behind one `import-part` message: lease the part, import it, say so. May come twice, late, or after the end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from logging import getLogger

from shared.entities.importing import ImportStores, PartResult, import_part
from shared.entities.retention import SnapshotStores
from shared.entities.tombstones import ErasedNow
from shared.errors import BridgeError
from shared.logs import bound, log_event
from shared.signals import Attributes, Spans
from shared.tracing import Values, carrying, current, span
from shared.workflows.importing import ImportSteps, SendPart
from shared.workflows.lifecycle import retry_delay
from shared.workflows.part_ledger import PartEntry, PartLedger, PartState, given_up, renewed, take
from shared.workflows.refreshing import RunStore
from shared.workflows.runs import Run, RunError, RunStatus

RENEWED_EVERY = 20.0
"""Seconds; a third of a lease."""
_PATIENCE = 6.0
"""Seconds that a part waits for its turn in this process before another process may have it. Longer than an idle process
takes to look: what this one's waiting parts keep it from taking stays in the queue, and the idle one finds it there."""
_BACK_IN = 1.0
_MOST_ATTEMPTS = 8

logger = getLogger("bridge.import")


class PartWork:
    """Imports parts in this process, a few at once."""

    def __init__(
        self,
        runs: RunStore,
        ledger: PartLedger,
        steps: ImportSteps,
        stores: SnapshotStores,
        *,
        erased: ErasedNow,
        send: SendPart,
        process: str,
        at_once: int,
        now: Callable[[], datetime],
    ) -> None:
        self._runs = runs
        self._ledger = ledger
        self._steps = steps
        self._stores = stores
        self._erased = erased
        self._send = send
        self._process = process
        self._turns = asyncio.Semaphore(at_once)
        self._now = now

    async def do(self, run_id: str, number: int) -> None:
        """Import a part that is nobody's and not done; anything else is no work. Raises StorageUnavailable."""
        run = await self._importing(run_id)
        if run is None or run.imported is None or not 0 <= number < run.imported.parts:
            return
        with carrying(run.trace), bound(run=run_id):
            if not await self._has_turn():
                await self._send(run_id, number, _BACK_IN)
                return
            try:
                await self._take(run, number)
            finally:
                self._turns.release()

    async def _take(self, run: Run, number: int) -> None:
        values: Values = {Attributes.RUN: run.id, Attributes.WORKFLOW: run.workflow, Attributes.PART: number}
        with span(Spans.RUN_PART, values) as taking:
            entry = await take(self._ledger, run.id, number, self._process, self._now())
            if entry is None:
                taking.set(Attributes.OUTCOME, "left")  # to somebody else, or done
                return
            taking.set(Attributes.ATTEMPT, entry.attempts)
            if entry.attempts > 1:
                taking.link(entry.trace)
            await self._import(run, entry)

    async def fail(self, run_id: str, number: int, error: RunError) -> None:
        """The part cannot be done: its message was given up. What is done stays so."""
        entry = await self._ledger.get(run_id, number)
        now = self._now()
        if entry is None:
            entry = PartEntry(number, PartState.FAILED, self._process, now)
        if entry.state is not PartState.DONE:
            await self._ledger.save(run_id, replace(entry, state=PartState.FAILED, error=error))

    async def _importing(self, run_id: str) -> Run | None:
        """The run, if it is at its import."""
        stored = await self._runs.get(run_id)
        return stored.run if stored and stored.run.status is RunStatus.IMPORTING else None

    async def _has_turn(self) -> bool:
        try:
            await asyncio.wait_for(self._turns.acquire(), _PATIENCE)
        except TimeoutError:
            return False
        return True

    async def _import(self, run: Run, entry: PartEntry) -> None:
        loading = asyncio.create_task(self._load(run, entry.number))
        try:
            held = await self._keep(run, entry, loading)
        finally:
            loading.cancel()
            await asyncio.wait({loading})
        if held is not None:
            await self._settle(run, held, loading)

    async def _keep(self, run: Run, entry: PartEntry, loading: "asyncio.Task[PartResult]") -> PartEntry | None:
        """Renew the lease until the part is loaded; None where it was lost, or the run has ended meanwhile."""
        held: PartEntry | None = entry
        while held is not None:
            done, _ = await asyncio.wait({loading}, timeout=RENEWED_EVERY)
            if done:
                return held
            held = await self._ledger.save(run.id, renewed(held, self._now()))
            if await self._importing(run.id) is None:
                return None
        return None

    async def _load(self, run: Run, number: int) -> PartResult:
        planned = await self._steps.planned(run)
        part = next(part for part in planned.plan.parts if part.number == number)
        output, kept = await self._steps.output_of(run), self._stores
        stores = ImportStores(output, kept.rows, kept.rejects, kept.large, self._erased)
        return await import_part(part, planned.plan, planned.table, stores)

    async def _settle(self, run: Run, entry: PartEntry, loading: "asyncio.Task[PartResult]") -> None:
        failure = loading.exception()
        if isinstance(failure, BridgeError):
            await self._failed(run, entry, failure)
            return
        if isinstance(failure, Exception):  # a fault of ours: the host tries the message again
            await self._ledger.save(run.id, given_up(entry, self._now()))
        result = loading.result()
        done = replace(entry, state=PartState.DONE, records=result.records, misfits=result.misfits, error=None)
        await self._ledger.save(run.id, done)
        current().set(Attributes.OUTCOME, "imported")
        current().set(Attributes.RECORDS, result.records)
        log_event(logger, "part_imported", run=run.id, part=entry.number, records=result.records)

    async def _failed(self, run: Run, entry: PartEntry, error: BridgeError) -> None:
        """What may pass is tried again, by whoever comes first; the rest fails the run."""
        told = RunError(error.code, error.message)
        current().fail(error.code)
        log_event(logger, "part_failed", run=run.id, part=entry.number, code=error.code, attempts=entry.attempts)
        if not error.retryable or entry.attempts >= _MOST_ATTEMPTS:
            await self._ledger.save(run.id, replace(entry, state=PartState.FAILED, error=told))
            return
        wait = retry_delay(entry.attempts)
        await self._ledger.save(run.id, replace(given_up(entry, self._now() + wait), error=told))
        await self._send(run.id, entry.number, wait.total_seconds())
