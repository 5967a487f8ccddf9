"""How does a run begin? A refresh asks for one; at most one run of a workflow is active, and one more waits for it.

The claim, the run and the caller's operation id are written together or not at all, so that a repeated request finds
the run that the first one began.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from shared.errors import Conflict, StorageUnavailable
from shared.signals import Attributes, Spans
from shared.tracing import carried, carrying, span
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.messages import WhenActive
from shared.workflows.run_signals import told
from shared.workflows.runs import Run, RunStatus, Trigger, new_run, new_run_id

_MOST_RACES = 20


@dataclass(frozen=True, slots=True)
class Claim:
    """Which runs a workflow has under way."""

    workflow: str
    active: str | None = None
    """The run that moves."""
    pending: str | None = None
    """The run that begins when the active one has ended."""
    latest: str | None = None
    """The run that began last, whatever became of it."""
    version: str = ""
    """The store's mark for a conditional write; empty for what is not stored yet."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    run: Run
    version: str
    """The store's mark for a conditional write."""


@dataclass(frozen=True, slots=True)
class RunPage:
    runs: Sequence[Run]
    token: str | None
    """Where the next page starts, None after the last."""


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs a list shows."""

    workflow: str | None = None
    status: RunStatus | None = None
    since: datetime | None = None
    """Begun at this moment or later."""


class RunStore(Protocol):
    """Where runs lie. Every method raises StorageUnavailable."""

    async def get(self, run: str) -> StoredRun | None: ...

    async def claim_of(self, workflow: str) -> Claim:
        """By name, without regard to case; an empty one where there is none yet."""

    async def claims(self) -> Sequence[Claim]:
        """Of all workflows that ever ran."""

    async def run_of(self, workflow: str, operation_id: str) -> str | None:
        """The run that an earlier request with this id began or joined."""

    async def begin(self, run: Run, claim: Claim) -> bool:
        """Write the new run together with the claim that names it, and its operation id; False, and nothing written,
        if the claim has changed or the operation id is taken."""

    async def note(self, run: Run, operation_id: str) -> None:
        """A request with this id was answered with `run`. What an id stands for already, it keeps."""

    async def save(self, run: Run, version: str, claim: Claim | None = None, *, settles: bool = False) -> bool:
        """Write over a run, and over the claim that it leaves behind; False, and nothing written, if either has
        changed. `settles`: from here on it is no longer live."""

    def live(self) -> AsyncIterator[str]:
        """The ids of all runs that have not ended, active, pending and held, and of those whose end is still to be told."""

    async def list(self, chosen: RunFilter, *, size: int, token: str | None = None) -> RunPage:
        """The newest first."""

    async def delete(self, run: str) -> None:
        """Remove what is kept of an ended run; no matter if it is gone."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What a refresh came to."""

    run: Run
    is_new: bool
    """False where the request joined a run that was there."""


type SendAdvance = Callable[[str, float], Awaitable[None]]
"""Asks for the next step of a run, by its id, in so many seconds."""


class Refreshes:
    """Begins runs."""

    def __init__(self, store: RunStore, *, send: SendAdvance, now: Callable[[], datetime]) -> None:
        self._store = store
        self._send = send
        self._now = now

    async def begin(
        self, workflow: StoredWorkflow, trigger: Trigger, when_active: WhenActive = WhenActive.RETURN
    ) -> Begun:
        """A run of `workflow` as it is now, or the one that the request joins.

        Raises Conflict: a draft; with `fail`, a run that is active. Raises StorageUnavailable.
        """
        if workflow.missing:
            raise Conflict(
                f"the workflow {workflow.name} is a draft and cannot run: give requiredData for "
                f"{', '.join(workflow.missing)}",
                target="workflow",
            )
        now = self._now()
        run = new_run(new_run_id(workflow.name, now), workflow, trigger, now)
        return await self.begin_run(run, when_active)

    async def begin_run(self, run: Run, when_active: WhenActive) -> Begun:
        values = {Attributes.WORKFLOW: run.workflow, Attributes.TRIGGER: run.trigger.kind.value}
        with span(Spans.RUN_BEGIN, values) as beginning, carrying(beginning.traceparent):
            begun = await self._begin_run(replace(run, trace=carried()), when_active)
            beginning.set(Attributes.RUN, begun.run.id)
            beginning.set(Attributes.OUTCOME, "new" if begun.is_new else "joined")
        if begun.is_new:
            told(begun.run)
        return begun

    async def _begin_run(self, run: Run, when_active: WhenActive) -> Begun:
        for _ in range(_MOST_RACES):
            # Before the operation id: whose run the claim names, that one's id is found.
            claim = await self._store.claim_of(run.workflow)
            if (known := await self._known(run)) is not None:
                return Begun(known, is_new=False)
            joined = await self._joined(claim, when_active)
            if joined is not None:
                return Begun(await self._noted(run, joined), is_new=False)
            if await self._store.begin(run, _claimed(claim, run.id)):
                await self._send(run.id, 0)
                return Begun(run, is_new=True)
        raise StorageUnavailable(f"runs of {run.workflow} begin and end all the time; try again", target="workflow")

    async def _known(self, run: Run) -> Run | None:
        if run.trigger.operation_id is None:
            return None
        known = await self._store.run_of(run.workflow, run.trigger.operation_id)
        stored = await self._store.get(known) if known else None
        return stored.run if stored else None

    async def _noted(self, run: Run, joined: Run) -> Run:
        """What the request is answered with, now and when it is repeated."""
        if run.trigger.operation_id is None:
            return joined
        await self._store.note(joined, run.trigger.operation_id)
        return await self._known(run) or joined

    async def _joined(self, claim: Claim, when_active: WhenActive) -> Run | None:
        """The run that is there and answers the request too, None where a new one is to begin."""
        if claim.active is None:
            return None
        if when_active is WhenActive.FAIL:
            raise Conflict(
                f"the run {claim.active} of {claim.workflow} is active; wait for its end, or cancel it. A refresh can "
                "also ask with whenActive=return or queue",
                target="whenActive",
            )
        wanted = claim.pending if when_active is WhenActive.QUEUE else claim.active
        stored = await self._store.get(wanted) if wanted else None
        return stored.run if stored else None


def _claimed(claim: Claim, run: str) -> Claim:
    claim = replace(claim, latest=run)
    return replace(claim, active=run) if claim.active is None else replace(claim, pending=run)


def released(claim: Claim, run: str) -> Claim:
    """What remains of a claim when `run` has ended: the one that waited is active now."""
    if claim.active == run:
        return replace(claim, active=claim.pending, pending=None)
    return replace(claim, pending=None) if claim.pending == run else claim
