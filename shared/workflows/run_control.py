"""What people do with runs: look at them, cancel them, publish or discard what is held, import an output again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared.errors import Conflict, NotFound
from shared.tracing import carrying
from shared.workflows.advancing import Runner
from shared.workflows.catalog import WorkflowCatalog
from shared.workflows.facts import CancelRequested, Discarded, Fact, PublishRequested
from shared.workflows.messages import WhenActive
from shared.workflows.refreshing import Begun, Refreshes, RunFilter, RunPage, RunStore, SendAdvance
from shared.workflows.runs import Run, RunStatus, TimelineEntry, Trigger, TriggerKind, new_run, new_run_id


class RunControl:
    """What the routes under `/api/runs` do. Each method raises NotFound for a run that is not there."""

    def __init__(
        self,
        store: RunStore,
        runner: Runner,
        refreshes: Refreshes,
        workflows: WorkflowCatalog,
        *,
        send: SendAdvance,
    ) -> None:
        self._store = store
        self._runner = runner
        self._refreshes = refreshes
        self._workflows = workflows
        self._send = send

    async def get(self, run_id: str) -> Run:
        stored = await self._store.get(run_id)
        if stored is None:
            raise NotFound(f"no run is called {run_id[:300]!r}; GET /api/runs lists those that are kept", target="run")
        return stored.run

    async def list(self, chosen: RunFilter, *, size: int, token: str | None = None) -> RunPage:
        return await self._store.list(chosen, size=size, token=token)

    async def cancel(self, run_id: str) -> Run:
        """May be repeated; a run that has ended stays as it is."""
        await self.get(run_id)
        return await self._record(run_id, CancelRequested())

    async def publish(self, run_id: str) -> Run:
        """A held run, whatever held it. Raises Conflict for any other."""
        run = await self.get(run_id)
        if run.by_hand:
            return run
        _check_held(run, "published")
        return await self._record(run_id, PublishRequested())

    async def discard(self, run_id: str) -> Run:
        """A held run. Raises Conflict for any other."""
        run = await self.get(run_id)
        if run.held_for and run.status is RunStatus.CANCELED:
            return run
        _check_held(run, "discarded")
        return await self._record(run_id, Discarded())

    async def import_again(self, run_id: str, now: datetime, operation_id: str | None = None) -> Begun:
        """A new run over the output of a finished job, under the workflow as it is today, without a job.

        Raises Conflict: the job is not finished; another run is active. Raises NotFound: the workflow is gone.
        """
        source = await self.get(run_id)
        if source.job is None or source.job.status.lower() != "completed" or source.output is None:
            raise Conflict(
                f"the run {source.id} has no finished job whose output could be imported; refresh its workflow",
                target="run",
            )
        workflow = await self._workflows.get(source.workflow)
        run = new_run(
            new_run_id(workflow.name, now), workflow, Trigger(TriggerKind.HTTP, operation_id=operation_id), now
        )
        note = TimelineEntry(RunStatus.QUEUED, now, f"imports the output of {source.id} again")
        again = replace(run, source=source.id, job=source.job, output=source.output, timeline=(note,))
        return await self._refreshes.begin_run(again, WhenActive.FAIL)

    async def cancel_all(self, workflow: str) -> Sequence[Run]:
        """The runs of a workflow that is deleted: the one that waits first, so that it does not begin."""
        claim = await self._store.claim_of(workflow)
        return [await self._record(run, CancelRequested()) for run in (claim.pending, claim.active) if run]

    async def _record(self, run_id: str, fact: Fact) -> Run:
        run = await self._runner.record(run_id, [fact])
        if run is None:
            raise NotFound(f"the run {run_id} has been removed meanwhile", target="run")
        if run.status.is_active or run.announcing:
            with carrying(run.trace):
                await self._send(run_id, 0)
        return run


def _check_held(run: Run, done: str) -> None:
    if run.status is not RunStatus.HELD:
        raise Conflict(f"the run {run.id} is {run.status}, and only a held run can be {done}", target="run")
