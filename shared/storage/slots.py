"""The ledger of slots in Table storage: table `bridgeslots`.

| partition | row | holds |
|---|---|---|
| `|marks` | the workflow's name in lower case | its mark; all of them are one query |
| the workflow's name in lower case | the slot, newest first | its outcome |
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Row, Table, Values
from shared.workflows.schedules import LOOK_BACK, SlotOutcome
from shared.workflows.slots import Mark, SettledSlot

_MARKS = "|marks"
"""No workflow's name has a `|`."""
_END_OF_TIME = 10**11
"""Seconds; a slot's key counts down to it, so that the newest comes first."""
_AFTER = ":"
"""Follows every digit: where the slots end."""


class TableSlots:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgeslots", optional=("Settled", "Claimed", "ClaimedAt"))

    async def marks(self) -> Mapping[str, Mark]:
        return {row["RowKey"]: _read_mark(row) async for row in self._table.query(_MARKS)}

    async def move(self, mark: Mark) -> Mark | None:
        name = mark.workflow.lower()
        version = await self._table.swap(_MARKS, name, _mark_columns(mark), mark.version)
        if version is None:
            return None
        return Mark(name, mark.settled, mark.claimed, mark.claimed_at, version)

    async def supersede(self, workflow: str, slots: Sequence[SettledSlot]) -> None:
        await self._table.upsert_all(workflow.lower(), {_key(slot.slot): _columns(slot) for slot in slots})

    async def decide(self, workflow: str, slot: SettledSlot) -> SettledSlot:
        if await self._table.insert(workflow.lower(), _key(slot.slot), _columns(slot)):
            return slot
        return await self.outcome(workflow, slot.slot) or slot

    async def outcome(self, workflow: str, slot: datetime) -> SettledSlot | None:
        row = await self._table.get(workflow.lower(), _key(slot))
        return None if row is None else _read(row)

    async def recent(self, workflow: str, count: int) -> Sequence[SettledSlot]:
        found: list[SettledSlot] = []
        async for row in self._table.query(workflow.lower(), page=min(count, 1000)):
            found.append(_read(row))
            if len(found) == count:
                break
        return found

    async def drop_older(self, than: datetime) -> int:
        """Every workflow with outcomes has a mark, which goes last: when no tick looks back as far, and so when its
        outcomes are gone too."""
        dropped = 0
        oldest = (f"{_END_OF_TIME - math.ceil(than.timestamp()) + 1:011d}", _AFTER)
        async for row in self._table.query(_MARKS):
            workflow, mark = row["RowKey"], _read_mark(row)
            keys = [slot["RowKey"] async for slot in self._table.query(workflow, keys=oldest)]
            await self._table.delete_all(workflow, keys)
            dropped += len(keys)
            if mark.claimed is None and mark.settled is not None and mark.settled < than - LOOK_BACK:
                await self._table.delete(_MARKS, workflow, mark.version)
        return dropped


def _key(slot: datetime) -> str:
    return f"{_END_OF_TIME - int(slot.timestamp()):011d}"


def _columns(slot: SettledSlot) -> Values:
    return {
        "Slot": slot.slot,
        "Outcome": slot.outcome.value,
        "Run": slot.run or "",
        "RecordedAt": slot.recorded_at,
    }


def _read(row: Row) -> SettledSlot:
    recorded_at = _moment(row["RecordedAt"])
    return SettledSlot(_moment(row["Slot"]), SlotOutcome(row["Outcome"]), row["Run"] or None, recorded_at)


def _mark_columns(mark: Mark) -> Values:
    moments = {"Settled": mark.settled, "Claimed": mark.claimed, "ClaimedAt": mark.claimed_at}
    return {name: moment for name, moment in moments.items() if moment is not None}


def _read_mark(row: Row) -> Mark:
    settled, claimed, claimed_at = (
        _moment(row[name]) if name in row else None for name in ("Settled", "Claimed", "ClaimedAt")
    )
    return Mark(row["RowKey"], settled, claimed, claimed_at, row.etag)


def _moment(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
