"""The steps of a run from its job's output to published rows: planned, cut into parts, watched, judged, published."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.entities.importing import imported
from shared.entities.manifests import tell_current
from shared.entities.outputs import OutputFiles
from shared.entities.parts import Plan, parse_plan, plan_import
from shared.entities.quality import Quality, reasons_to_hold
from shared.entities.retention import SnapshotStores
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.settling import settle_files
from shared.entities.snapshots import (
    Snapshot,
    StillWrites,
    claim_entity,
    enough_buckets,
    find_entity,
    publish_snapshot,
    snapshot_table,
)
from shared.entities.values import EdmType
from shared.errors import Conflict, Gone
from shared.versions import check_version
from shared.wire import json_bytes
from shared.workflows.definition import WorkflowDefinition, stored_workflow
from shared.workflows.facts import Fact, Failed, ImportPlanned, Judged, PartsSeen, PartsSent, Published, PublishRefused
from shared.workflows.part_ledger import PartEntry, PartLedger, PartState, to_send_again
from shared.workflows.runs import ImportProgress, Run, RunError

type OutputOf = Callable[[WorkflowDefinition, str], Awaitable[OutputFiles]]
"""The files of a datastore, by its name, of the workspace that the workflow's connection names."""
type SendPart = Callable[[str, int, float], Awaitable[None]]
"""Asks for the import of a part, by run and number, in so many seconds."""

_VERSION = 1
"""Of the plan as it is stored."""


@dataclass(frozen=True, slots=True)
class PlannedImport:
    """What all parts of an import share."""

    table: SnapshotTable
    plan: Plan

    def document(self) -> dict[str, Any]:
        return {"v": _VERSION, "table": self.table.name, "buckets": self.table.buckets, "plan": self.plan.document()}


def parse_planned(document: Mapping[str, Any]) -> PlannedImport:
    """Raises NewerVersion, OlderVersion."""
    check_version(document.get("v"), _VERSION, "the plan of a run's import")
    plan = parse_plan(document["plan"])
    return PlannedImport(SnapshotTable(document["table"], plan.schema, document["buckets"]), plan)


class ImportSteps:
    """Each method does one step and tells the facts. Raises a BridgeError; `retryable` ones may pass."""

    def __init__(
        self,
        stores: SnapshotStores,
        ledger: PartLedger,
        output: OutputOf,
        send: SendPart,
        now: Callable[[], datetime],
    ) -> None:
        self._stores = stores
        self._ledger = ledger
        self._output = output
        self._send = send
        self._now = now

    async def claim(self, workflow: str, definition: Mapping[str, Any], still_writes: StillWrites) -> None:
        """The entity is this workflow's, or becomes so. Raises Conflict."""
        await claim_entity(self._stores.entities, str(definition["outputEntity"]), workflow, still_writes)

    async def plan(self, run: Run) -> Sequence[Fact]:
        """The output as it lies there, its schema, its parts; and the table that they go to."""
        definition = stored_workflow(run.definition)
        output = await self.output_of(run)
        plan = await plan_import(output, run.output.path if run.output else "", _wanted(definition))
        entity = await find_entity(self._stores.entities, definition.output_entity)
        name = snapshot_table(entity.name, run.id, run.created_at)
        table = SnapshotTable(name, plan.schema, enough_buckets(entity.buckets, plan.records))
        planned = json_bytes(PlannedImport(table, plan).document())
        # Two who plan at once may find different files; the run names the plan that counts.
        place = f"runs/{run.id}/plan-{hashlib.sha256(planned).hexdigest()[:16]}.json"
        await self._stores.large.put(place, planned)
        await self._stores.entities.save_snapshot(entity.name, _snapshot(run, table))
        await self._stores.rows.create(table)
        return [ImportPlanned(name, len(plan.parts), place)]

    async def send(self, run: Run) -> Sequence[Fact]:
        for number in range(run.imported.parts if run.imported else 0):
            await self._send(run.id, number, 0)
        return [PartsSent()]

    async def watch(self, run: Run) -> Sequence[Fact]:
        """How far the parts are; what was lost is sent again; when all are done, whether they may be published."""
        parts = run.imported.parts if run.imported else 0
        entries = await self._ledger.list(run.id)
        failed = next((entry for entry in entries if entry.state is PartState.FAILED), None)
        if failed is not None:
            return [Failed(failed.error or RunError("InternalError", f"part {failed.number} failed"))]
        done = [entry for entry in entries if entry.state is PartState.DONE]
        if len(done) >= parts:
            return await self._judge(run, parts)
        lost = to_send_again(entries, parts, run.sent_at or run.created_at, self._now())
        for number in lost:
            await self._send(run.id, number, 0)
        return [PartsSeen(_progress(parts, done)), *([PartsSent()] if lost else [])]

    async def _judge(self, run: Run, parts: int) -> Sequence[Fact]:
        definition = stored_workflow(run.definition)
        planned = await self.planned(run)
        await settle_files(planned.plan, planned.table, self._stores.large, self._stores.rejects)
        contents = await imported(planned.plan, planned.table, self._stores.rejects)
        entity = await find_entity(self._stores.entities, definition.output_entity)
        erased = planned.plan.records - contents.rows - contents.rejected
        snapshot = replace(_snapshot(run, planned.table), rows=contents.rows, rejected=contents.rejected, erased=erased)
        await self._stores.entities.save_snapshot(entity.name, snapshot)
        before = entity.current.contents if entity.current else None
        reasons = reasons_to_hold(_quality(run.definition), contents, before, is_pinned=entity.is_pinned)
        return [PartsSeen(ImportProgress(parts, parts, contents.rows, contents.rejected)), Judged(reasons)]

    async def publish(self, run: Run) -> Sequence[Fact]:
        """One conditional write; a rollback that came first holds the run."""
        name = str(run.definition["outputEntity"])
        snapshot = await self._stores.entities.get_snapshot(name, run.snapshot or "")
        if snapshot is None:
            raise Gone(f"the rows of the run {run.id} have been dropped; refresh the workflow")
        published = replace(snapshot, published_at=None)
        try:
            await publish_snapshot(self._stores.entities, name, published, self._now(), by_hand=run.by_hand)
        except Conflict as conflict:
            return [PublishRefused([conflict.message])]
        await tell_current(name, self._stores.entities, self._stores.large)
        return [Published()]

    async def planned(self, run: Run) -> PlannedImport:
        """Raises Gone."""
        document = await self._stores.large.get(run.plan or "")
        if document is None:
            raise Gone(f"the plan of the run {run.id} has been dropped; refresh the workflow")
        return parse_planned(json.loads(document))

    async def output_of(self, run: Run) -> OutputFiles:
        definition = stored_workflow(run.definition)
        return await self._output(definition, run.output.datastore if run.output else definition.output_datastore)


def _wanted(definition: WorkflowDefinition) -> Wanted:
    declared = {name: EdmType(kind) for name, kind in definition.columns.items()}
    return Wanted(definition.primary_key, definition.customer_id, declared)


def _quality(definition: Mapping[str, Any]) -> Quality:
    return Quality.model_validate(definition.get("quality", {}), extra="ignore")


def _snapshot(run: Run, table: SnapshotTable) -> Snapshot:
    """Before its rows are counted."""
    return Snapshot(table.name, run.id, table.schema, table.buckets, rows=0, rejected=0, created_at=run.created_at)


def _progress(parts: int, done: Sequence[PartEntry]) -> ImportProgress:
    records, misfits = sum(entry.records for entry in done), sum(entry.misfits for entry in done)
    return ImportProgress(parts, len(done), records - misfits, misfits)
