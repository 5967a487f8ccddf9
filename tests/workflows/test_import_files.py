"""The steps of an import leave Parquet with the table's rows, and a manifest of what was published."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.entities.columnar import Query, open_columnar
from shared.entities.importing import ImportStores, import_part
from shared.entities.retention import SnapshotStores
from shared.workflows.definition import WorkflowDefinition
from shared.workflows.facts import ImportPlanned, Judged, Published
from shared.workflows.importing import ImportSteps
from shared.workflows.part_ledger import PartEntry, PartState
from shared.workflows.runs import ImportProgress, Run, RunOutput, RunStatus, Trigger, TriggerKind
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows
from tests.workflows.fakes import document

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
FILES = {
    "outputs/value/a.csv": b"customer_id,score\n1,0.5\n2,0.25\n",
    "outputs/value/b.csv": b"customer_id,score\n2,9\n3,1\n",
}


@dataclass
class MemoryLedger:
    entries: dict[int, PartEntry] = field(default_factory=dict)

    async def get(self, run: str, number: int) -> PartEntry | None:
        return self.entries.get(number)

    async def list(self, run: str) -> Sequence[PartEntry]:
        return list(self.entries.values())

    async def save(self, run: str, entry: PartEntry) -> PartEntry | None:
        self.entries[entry.number] = entry
        return entry

    async def drop(self, run: str) -> None:
        self.entries.clear()


class Bridge:
    def __init__(self) -> None:
        self.large = MemoryLarge()
        self.stores = SnapshotStores(MemoryEntities(), MemoryRows(), self.large, MemoryRejects())
        self.ledger = MemoryLedger()
        self.steps = ImportSteps(self.stores, self.ledger, self.output, self.send, lambda: NOW)

    async def output(self, definition: WorkflowDefinition, datastore: str) -> MemoryOutput:
        return MemoryOutput(FILES)

    async def send(self, run: str, number: int, delay: float) -> None:
        """Parts are imported by hand here."""

    async def still_writes(self, workflow: str, entity: str) -> bool:
        return True

    async def imported(self) -> Run:
        """A run whose parts are done, the last one first."""
        definition = document(quality={"maxRejectedRatio": 0.5})
        run = Run("run-1", "churn", RunStatus.IMPORTING, Trigger(TriggerKind.HTTP), definition, NOW, NOW)
        run = replace(run, output=RunOutput("workspaceblobstore", "outputs/value"))
        await self.steps.claim(run.workflow, run.definition, self.still_writes)
        [planned] = await self.steps.plan(run)
        assert isinstance(planned, ImportPlanned)
        run = replace(run, plan=planned.plan, snapshot=planned.snapshot, imported=ImportProgress(planned.parts))
        work = await self.steps.planned(run)
        stores = ImportStores(MemoryOutput(FILES), self.stores.rows, self.stores.rejects, self.large)
        for part in reversed(work.plan.parts):
            await import_part(part, work.plan, work.table, stores)
            await self.ledger.save(run.id, PartEntry(part.number, PartState.DONE, "me", NOW))
        return run


async def test_a_run_that_is_judged_and_published_has_its_rows_in_parquet_and_its_manifest() -> None:
    bridge = Bridge()
    run = await bridge.imported()

    for _ in range(2):
        facts = await bridge.steps.watch(run)
    assert facts[-1] == Judged([])
    assert "entities/customervalue/current.json" not in bridge.large.values
    for _ in range(2):
        assert await bridge.steps.publish(run) == [Published()]

    columnar = await open_columnar(run.snapshot or "", bridge.large)
    found = await columnar.select(Query(["customer_id", "score"]))
    assert [tuple(row.values()) for row in found.rows] == [("1", 0.5), ("2", 0.25), ("3", 1.0)]
    current = json.loads(bridge.large.values["entities/customervalue/current.json"])
    assert (current["snapshot"], current["run"], current["rows"]) == (run.snapshot, "run-1", 3)
