"""What is kept for how long, and how it goes: snapshots that readers left, and what ended runs have left behind.

Once a day. May die anywhere and be repeated: what names the rest goes last.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import WARNING, getLogger
from typing import Protocol

from shared.entities.csv_exports import drop_stale
from shared.entities.retention import SnapshotStores, drop_unpublished, sweep_entity
from shared.errors import BridgeError
from shared.logs import log_event
from shared.workflows.definition import WorkflowDefinition, stored_workflow
from shared.workflows.job_body import exports_folder
from shared.workflows.part_ledger import PartLedger
from shared.workflows.poison import PoisonStore
from shared.workflows.refreshing import RunFilter, RunStore
from shared.workflows.runs import Run, RunStatus
from shared.workflows.slots import SlotLedger

_SETTLED = timedelta(days=1)
"""After its end a run may still have parts at work, and people who look into it."""
_PAGE = 200

logger = getLogger("bridge.sweep")


@dataclass(frozen=True, slots=True)
class Retention:
    snapshots: int
    """Published snapshots that are kept of an entity, the current one included."""
    grace: timedelta
    """How long a reader may stay on a snapshot that was replaced."""
    runs: timedelta
    """Runs, exports, slots and poison messages."""


class SweptFiles(Protocol):
    """A datastore, as the sweep sees it."""

    async def drop(self, prefix: str) -> None:
        """Remove all files whose path begins with `prefix`. Raises StorageUnavailable, WorkspaceRefused."""


type FilesOf = Callable[[WorkflowDefinition, str], Awaitable[SweptFiles]]
"""The files of a datastore, by its name, of the workflow's workspace."""


@dataclass(frozen=True, slots=True)
class SweepStores:
    runs: RunStore
    parts: PartLedger
    slots: SlotLedger
    poison: PoisonStore
    snapshots: SnapshotStores


class Sweep:
    """Each thing that fails is logged and left for the next day; the others go on."""

    def __init__(
        self,
        stores: SweepStores,
        files: FilesOf,
        retention: Retention,
        now: Callable[[], datetime],
        *,
        erase_again: Callable[[], Awaitable[int]],
    ) -> None:
        """`erase_again`: what was under way as a customer was erased; how many rows went."""
        self._stores = stores
        self._files = files
        self._erase_again = erase_again
        self._retention = retention
        self._now = now

    async def sweep(self) -> Mapping[str, int]:
        """How many of each went."""
        kept_since = self._now() - self._retention.runs
        return {
            "snapshots": await self._each("snapshots", self._entities()),
            "csv": await self._one("csv", drop_stale(self._stores.snapshots.large, self._now())),
            "runs": await self._each("runs", self._ended(kept_since)),
            "slots": await self._one("slots", self._stores.slots.drop_older(kept_since)),
            "poison": await self._one("poison", self._stores.poison.drop_before(kept_since)),
            "erased": await self._one("erased", self._erase_again()),
        }

    async def _each(self, what: str, steps: AsyncIterator[Awaitable[int]]) -> int:
        gone = 0
        try:
            async for step in steps:
                gone += await self._one(what, step)
        except BridgeError as error:
            log_event(logger, "sweep_failed", WARNING, what=what, code=error.code)
        return gone

    async def _one(self, what: str, step: Awaitable[int]) -> int:
        try:
            return await step
        except BridgeError as error:
            log_event(logger, "sweep_failed", WARNING, what=what, code=error.code)
            return 0

    async def _entities(self) -> AsyncIterator[Awaitable[int]]:
        for entity in await self._stores.snapshots.entities.list():
            yield self._entity(entity.name)

    async def _entity(self, name: str) -> int:
        keep, grace = self._retention.snapshots, self._retention.grace
        return len(await sweep_entity(name, self._stores.snapshots, self._now(), keep=keep, grace=grace))

    async def _ended(self, kept_since: datetime) -> AsyncIterator[Awaitable[int]]:
        token, more = None, True
        while more:
            page = await self._stores.runs.list(RunFilter(), size=_PAGE, token=token)
            for run in page.runs:
                if run.status.is_terminal and self._now() - run.updated_at > _SETTLED:
                    yield self._run(run, is_old=run.updated_at < kept_since)
            token, more = page.token, page.token is not None

    async def _run(self, run: Run, *, is_old: bool) -> int:
        """What only its way needed goes a day after its end; the run itself, and what it exported, later."""
        await self._stores.parts.drop(run.id)
        if run.snapshot is not None and run.status is not RunStatus.SUCCEEDED:
            await drop_unpublished(str(run.definition["outputEntity"]), run.snapshot, self._stores.snapshots)
        if not is_old:
            return 0
        await self._drop_exports(run)
        await self._stores.snapshots.large.drop(f"runs/{run.id}/")
        await self._stores.runs.delete(run.id)
        return 1

    async def _drop_exports(self, run: Run) -> None:
        """From the workspace's datastore; one that is gone, or is not ours any more, keeps nothing of the run alive."""
        if not run.exported:
            return
        definition = stored_workflow(run.definition)
        try:
            files = await self._files(definition, definition.output_datastore)
            await files.drop(exports_folder(definition, run.id))
        except BridgeError as error:
            if error.retryable:
                raise
            log_event(logger, "exports_left", WARNING, run=run.id, code=error.code)
