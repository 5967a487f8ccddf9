"""The files that runs exported our rows to, for their pipelines: which of them go where a customer is erased?

They are copies that only their own run reads, so the files of a run whose job is over go whole, unread. Those of an
active run stay until it ends.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.entities.outputs import Listed
from shared.errors import BridgeError
from shared.workflows.definition import WorkflowDefinition, stored_workflow
from shared.workflows.job_body import exports_folder
from shared.workflows.refreshing import RunFilter, RunPage
from shared.workflows.runs import Run

_PAGE = 200
_AT_ONCE = 8


class KnownRuns(Protocol):
    """The runs that are kept, as an erasure sees them."""

    async def list(self, chosen: RunFilter, *, size: int, token: str | None = None) -> RunPage:
        """The newest first. Raises StorageUnavailable."""


class ExportFiles(Protocol):
    """A datastore, as an erasure sees it."""

    def list(self, path: str) -> AsyncIterator[Listed]:
        """The files whose path begins with `path`. Raises StorageUnavailable, UnusableOutput."""

    async def drop(self, prefix: str) -> None:
        """Remove all files whose path begins with `prefix`. Raises StorageUnavailable, WorkspaceRefused."""


type ExportFilesOf = Callable[[WorkflowDefinition, str], Awaitable[ExportFiles]]
"""The files of a datastore, by its name, of the workflow's workspace."""


@dataclass(frozen=True, slots=True)
class ErasedExports:
    gone: Sequence[str]
    """Folders whose files were removed."""
    left: Sequence[str]
    """What this app does not remove, in words."""


class RunExports:
    """What the runs that are kept have exported."""

    def __init__(self, runs: KnownRuns, files: ExportFilesOf) -> None:
        self._runs = runs
        self._files = files

    async def erase(self, until: datetime) -> ErasedExports:
        """Of runs that began before `until`: later ones exported nothing of who was erased then. May be repeated.

        Raises StorageUnavailable, WorkspaceUnavailable.
        """
        runs = [run async for run in self._all() if run.created_at <= until]
        outputs = dict.fromkeys(text for run in runs if (text := _output(run)))
        exported = [run for run in runs if run.exported]
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(run: Run) -> ErasedExports:
            async with turns:
                return await self._of(run)

        found = await asyncio.gather(*map(one, exported))
        gone = [place for each in found for place in each.gone]
        return ErasedExports(gone, [*(text for each in found for text in each.left), *outputs])

    async def _all(self) -> AsyncIterator[Run]:
        token, more = None, True
        while more:
            page = await self._runs.list(RunFilter(), size=_PAGE, token=token)
            for run in page.runs:
                yield run
            token, more = page.token, page.token is not None

    async def _of(self, run: Run) -> ErasedExports:
        definition = stored_workflow(run.definition)
        folder = exports_folder(definition, run.id)
        place = f"azureml://datastores/{definition.output_datastore}/paths/{folder}"
        if run.status.is_active:
            return ErasedExports([], [f"{place}: the run {run.id} is active; erase again when it has ended"])
        try:
            files = await self._files(definition, definition.output_datastore)
            if not await _has_files(files, folder):
                return ErasedExports([], [])
            await files.drop(folder)
        except BridgeError as error:
            if error.retryable:
                raise
            return ErasedExports([], [f"{place}: {error.code}: {error.message}"])
        return ErasedExports([place], [])


async def _has_files(files: ExportFiles, folder: str) -> bool:
    async for _ in files.list(folder):
        return True
    return False


def _output(run: Run) -> str:
    if run.output is None:
        return ""
    path = str(run.definition["outputPath"])
    return f"azureml://datastores/{run.output.datastore}/paths/{path}/: what the pipeline of {run.workflow} wrote"
