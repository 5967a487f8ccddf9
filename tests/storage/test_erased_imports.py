"""An import as the app does it, on Azurite: planned, its parts worked off, judged, published; beside an erasure."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.entities.erasure import erase_customer
from shared.entities.retention import SnapshotStores
from shared.entities.tombstones import Tombstones
from shared.storage.parts import TableParts
from shared.storage.runs import TableRuns
from shared.storage.tombstones import TableTombstones
from shared.workflows.catalog import StoredWorkflow
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.facts import Fact, ImportPlanned, Judged
from shared.workflows.importing import ImportSteps
from shared.workflows.part_work import PartWork
from shared.workflows.refreshing import Claim
from shared.workflows.runs import (
    ImportProgress,
    Run,
    RunOutput,
    RunStatus,
    Trigger,
    TriggerKind,
    new_run,
    new_run_id,
)
from tests.entities.fakes import MemoryOutput
from tests.storage.accounts import Storage
from tests.workflows.fakes import document

OUTPUT = "customer_id,n\nerased,1\nstays,2\nerased-too,3\n"


async def _nobody_writes(workflow: str, entity: str) -> bool:
    return False


class App:
    """What the app builds for imports."""

    def __init__(self, storage: Storage) -> None:
        stores = storage.imports
        self.stores = SnapshotStores(storage.data.entities, stores.rows, stores.large, stores.rejects)
        self.runs, self.ledger = TableRuns(storage.tables), TableParts(storage.tables)
        self.steps = ImportSteps(self.stores, self.ledger, self._output, self._send, self._now)
        self.tombstones = Tombstones(TableTombstones(storage.tables), time.monotonic)

    def work(self) -> PartWork:
        return PartWork(
            self.runs,
            self.ledger,
            self.steps,
            self.stores,
            erased=self.tombstones.erased,
            send=self._send,
            process="p",
            at_once=1,
            now=self._now,
        )

    async def begin(self) -> Run:
        """A run whose parts have been planned and sent."""
        name, definition = f"erased{time.time_ns()}", document(outputEntity="ErasedImports")
        stored = StoredWorkflow("importer", definition, "id", "1", [], '"e"', self._now())
        run = new_run(new_run_id(name, self._now()), stored, Trigger(TriggerKind.HTTP), self._now())
        run = replace(run, output=RunOutput("lake", "out"), status=RunStatus.IMPORTING)
        await self.steps.claim(run.workflow, run.definition, _nobody_writes)
        [planned] = await self.steps.plan(run)
        assert isinstance(planned, ImportPlanned)
        run = replace(run, imported=ImportProgress(planned.parts), plan=planned.plan, snapshot=planned.snapshot)
        assert await self.runs.begin(run, Claim(name))
        return run

    async def judged(self, run: Run) -> Sequence[str]:
        facts: Sequence[Fact] = await self.steps.watch(run)
        [judged] = [fact for fact in facts if isinstance(fact, Judged)]
        return judged.reasons

    async def _output(self, definition: WorkflowDefinition, datastore: str) -> MemoryOutput:
        return MemoryOutput({"out/scores.csv": OUTPUT.encode()})

    async def _send(self, run: str, number: int, delay: float) -> None:
        return None

    def _now(self) -> datetime:
        return datetime.now(UTC)


async def test_an_import_leaves_out_who_was_erased_and_is_published_all_the_same(
    storage: Storage, service: TableServiceClient
) -> None:
    """`service`: no other test's entities are left, for an erasure goes through all there are."""
    app = App(storage)
    await app.tombstones.set("erased", datetime.now(UTC))
    run = await app.begin()
    await app.work().do(run.id, 0)
    # Between the last part and its judgement.
    await app.tombstones.set("erased-too", datetime.now(UTC))
    await erase_customer("erased-too", app.stores, [])

    reasons = await app.judged(run)

    snapshot = await app.stores.entities.get_snapshot("ErasedImports", run.snapshot or "")
    assert reasons == []
    assert snapshot is not None
    assert (snapshot.rows, snapshot.rejected, snapshot.erased) == (1, 0, 2)
    rows = (await app.stores.rows.page(snapshot.place, size=10)).rows
    assert [row.values["CustomerId"] for row in rows] == ["stays"]
