"""How a run is brought on: load it, do its next step, save what came of it, until there is something to wait for.

The only way a run moves. May be asked for at any time, twice, or by two processes at once: the job's name, the part's
row origin and the pointer's one write make each step repeatable, and facts that come late change nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from logging import ERROR, getLogger

from shared.errors import BridgeError, StorageUnavailable
from shared.logs import bound, log_event
from shared.signals import Attributes, Spans
from shared.tracing import carrying, current, span
from shared.workflows.catalog import WorkflowStore
from shared.workflows.definition import stored_workflow
from shared.workflows.facts import (
    Announced,
    Began,
    Fact,
    Failed,
    FailedForNow,
    JobSeen,
    LookAgain,
    Rested,
    TimePassed,
    Working,
)
from shared.workflows.importing import ImportSteps
from shared.workflows.job_steps import JobSteps, entity_inputs
from shared.workflows.lifecycle import LONG_STEPS, Step, apply, next_step
from shared.workflows.refreshing import RunStore, SendAdvance, StoredRun, released
from shared.workflows.run_signals import told
from shared.workflows.runs import Run, RunError, RunStatus

_MOST_STEPS = 50
_MOST_RACES = 50
_AT_WORK = timedelta(seconds=30)
_SAID_AGAIN = 10.0
"""Seconds."""
_SOONEST = timedelta(seconds=1)
_LATEST = timedelta(seconds=30)
_LATEST_IMPORTING = timedelta(seconds=5)
"""Nobody tells that the last part is done."""
_CLOCKS_APART = timedelta(seconds=0.5)

logger = getLogger("bridge.runs")

type Act = Callable[[Run], Awaitable[Sequence[Fact]]]
type Tell = Callable[[Run], Awaitable[None]]
"""Tells what a run has not told yet; may be repeated. Raises StorageUnavailable."""


class Runner:
    """Advances runs, and takes in what others know of them."""

    def __init__(
        self,
        store: RunStore,
        workflows: WorkflowStore,
        jobs: JobSteps,
        imports: ImportSteps,
        *,
        send: SendAdvance,
        tell: Tell,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._workflows = workflows
        self._imports = imports
        self._send = send
        self._tell = tell
        self._now = now
        self._acts: Mapping[Step, Act] = {
            Step.BEGIN: self._begin,
            Step.REUSE_JOB: _reuse_job,
            Step.EXPORT: jobs.export,
            Step.PREPARE_JOB: jobs.prepare,
            Step.SUBMIT: jobs.submit,
            Step.WATCH_JOB: jobs.watch,
            Step.CANCEL_JOB: jobs.cancel,
            Step.PLAN_IMPORT: imports.plan,
            Step.SEND_PARTS: imports.send,
            Step.WATCH_PARTS: imports.watch,
            Step.PUBLISH: imports.publish,
        }

    async def advance(self, run_id: str) -> None:
        """Bring the run on as far as it goes now, and see to it that it is looked at again. Raises StorageUnavailable."""
        with bound(run=run_id):
            try:
                run = await self._advance(run_id)
            except BridgeError as error:
                if error.retryable:
                    raise
                run = await self.record(run_id, [Failed(RunError(error.code, error.message))])
            if run is not None and run.announcing:
                with carrying(run.trace):
                    await self._tell(run)
                    await self.record(run_id, [Announced(run.announcing)])

    async def _advance(self, run_id: str) -> Run | None:
        """The run as it is then."""
        for _ in range(_MOST_STEPS):
            stored = await self._store.get(run_id)
            if stored is None:
                return None
            if stored.run.status.is_terminal:
                return stored.run
            with carrying(stored.run.trace):
                rested = await self._rested_after_step(stored)
            if rested is not None:
                return rested
        return None

    async def _rested_after_step(self, stored: StoredRun) -> Run | None:
        """One step on; the run, if it now waits for something, or has ended."""
        step = self._step(stored.run)
        run = await self._do(stored, step)
        if run is None or not run.status.is_active:
            return run
        if run.status is stored.run.status and self._step(run) in (step, Step.NONE):
            await self._look_again(run)
            return run
        return None

    async def record(self, run_id: str, facts: Sequence[Fact]) -> Run | None:
        """Take in facts, whoever else writes meanwhile; the run as it is then, None if there is none.

        Raises StorageUnavailable.
        """
        for _ in range(_MOST_RACES):
            stored = await self._store.get(run_id)
            if stored is None:
                return None
            run = stored.run
            for fact in facts:
                run = apply(run, fact, self._now())
            if run is stored.run or await self._save(stored, run):
                return run
        raise StorageUnavailable(f"the run {run_id} is written by others all the time; it is tried again")

    async def job_changed(self, job: str) -> None:
        """Somebody says that something happened to a job: look at its run, if it is one of ours."""
        if await self._store.get(job) is not None:
            await self.advance(job)
            return
        async for run_id in self._store.live():
            stored = await self._store.get(run_id)
            if stored and stored.run.job and stored.run.job.name == job:
                await self.advance(run_id)

    def _step(self, run: Run) -> Step:
        exports = entity_inputs(stored_workflow(run.definition)) if run.status is RunStatus.QUEUED else []
        return next_step(run, self._now(), exports=exports)

    async def _do(self, stored: StoredRun, step: Step) -> Run | None:
        """The run after `step`; None where somebody else was faster: look at it anew."""
        run, time_passed = stored.run, TimePassed(_timeout(stored.run))
        if step is Step.NONE:
            return await self.record(run.id, [time_passed])
        if step not in LONG_STEPS:
            return await self.record(run.id, [*await self._act(step, run), time_passed])
        if not await self._begin_work(stored):
            return None
        async with self._at_work(run.id):
            facts = await self._act(step, run)
        return await self.record(run.id, [Rested(), *facts, time_passed])

    async def _act(self, step: Step, run: Run) -> Sequence[Fact]:
        """What came of the step: its facts, or that it failed, for now or for good."""
        values = {Attributes.RUN: run.id, Attributes.WORKFLOW: run.workflow, Attributes.STEP: step.value}
        with span(f"{Spans.RUN_STEP} {step.value}", values):
            return await self._tried(step, run)

    async def _tried(self, step: Step, run: Run) -> Sequence[Fact]:
        try:
            return await self._acts[step](run)
        except BridgeError as error:
            failure = RunError(error.code, error.message)
            current().fail(error.code)
            log_event(logger, "step_failed", run=run.id, step=step.name, code=error.code, retryable=error.retryable)
            return [FailedForNow(failure, error.retry_after) if error.retryable else Failed(failure)]
        except Exception as error:  # noqa: BLE001  # a fault of ours must not stop the run for ever: it is tried again
            current().fail(type(error).__name__)
            log_event(logger, "step_failed", ERROR, run=run.id, step=step.name, error=type(error).__name__)
            message = f"something failed in this app that should not ({type(error).__name__}); it is tried again"
            return [FailedForNow(RunError("InternalError", message))]

    async def _begin_work(self, stored: StoredRun) -> bool:
        """Say that somebody is at a long step, for others to leave it alone."""
        run = apply(stored.run, Working(self._now() + _AT_WORK), self._now())
        return await self._store.save(run, stored.version)

    @asynccontextmanager
    async def _at_work(self, run_id: str) -> AsyncIterator[None]:
        async def say_again() -> None:
            while True:
                await asyncio.sleep(_SAID_AGAIN)
                with suppress(StorageUnavailable):  # the next time is soon enough
                    await self.record(run_id, [Working(self._now() + _AT_WORK)])

        saying = asyncio.create_task(say_again())
        try:
            yield
        finally:
            saying.cancel()
            await asyncio.wait({saying})

    async def _save(self, stored: StoredRun, run: Run) -> bool:
        if not await self._save_with_claim(stored, run):
            return False
        told(run, stored.run)
        return True

    async def _save_with_claim(self, stored: StoredRun, run: Run) -> bool:
        """With the claim it leaves behind, where it is active no more; then the run that waited begins."""
        settles = run.is_settled and not stored.run.is_settled
        if not stored.run.status.is_active or run.status.is_active:
            return await self._store.save(run, stored.version, settles=settles)
        claim = await self._store.claim_of(run.workflow)
        left = released(claim, run.id)
        if not await self._store.save(run, stored.version, left if left != claim else None, settles=settles):
            return False
        log_event(logger, "run_ended", run=run.id, workflow=run.workflow, status=run.status)
        if left.active and left != claim:
            with carrying(None):  # another run's
                await self._send(left.active, 0)
        return True

    async def _look_again(self, run: Run) -> None:
        """One look is under way for a run at any time; who finds it overdue asks for the next."""
        now = self._now()
        for _ in range(_MOST_RACES):
            if not run.status.is_active or not _is_overdue(run, now):
                return
            stored = await self._store.get(run.id)
            if stored is None:
                return
            run, wait = stored.run, _wait(stored.run, now)
            looked_at = apply(run, LookAgain(now + wait), now)
            if run.status.is_active and _is_overdue(run, now) and await self._store.save(looked_at, stored.version):
                await self._send(run.id, wait.total_seconds())
                return

    async def _begin(self, run: Run) -> Sequence[Fact]:
        """The workflow as it is now, once its turn has come."""
        claim = await self._store.claim_of(run.workflow)
        if claim.active != run.id:
            return []
        workflow = await self._workflows.get(run.workflow)
        began = Began(run.definition, run.pipeline_version)
        if workflow is not None and not workflow.missing:
            follows = str(workflow.document["pipeline"]).endswith("@latest")
            began = Began(workflow.document, None if follows else workflow.pipeline_version)
        await self._imports.claim(run.workflow, began.definition, self._still_writes)
        return [began]

    async def _still_writes(self, workflow: str, entity: str) -> bool:
        stored = await self._workflows.get(workflow)
        return stored is not None and stored.entity.lower() == entity.lower()


async def _reuse_job(run: Run) -> Sequence[Fact]:
    """The job of the run whose output is imported again."""
    return [JobSeen(run.job)] if run.job else []


def _timeout(run: Run) -> timedelta:
    """A held run has a limit of its own, whatever its definition says."""
    if run.status is RunStatus.HELD:
        return timedelta()
    return timedelta(seconds=stored_workflow(run.definition).timeout)


def _is_overdue(run: Run, now: datetime) -> bool:
    return run.wake_at is None or now >= run.wake_at - _CLOCKS_APART


def _wait(run: Run, now: datetime) -> timedelta:
    """Until the next look: short while the run is young, for a step that failed until it is tried again."""
    if run.retrying is not None and now < run.retrying.next_at:
        return max(run.retrying.next_at - now, _SOONEST)
    latest = _LATEST_IMPORTING if run.status is RunStatus.IMPORTING else _LATEST
    return min(max((now - run.entered_at) / 10, _SOONEST), latest)
