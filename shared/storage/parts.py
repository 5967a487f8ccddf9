"""The ledger of parts in Table storage: table `bridgeparts`, a partition a run."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Row, Table, Values
from shared.workflows.part_ledger import PartEntry, PartState
from shared.workflows.runs import RunError


class TableParts:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgeparts")

    async def get(self, run: str, number: int) -> PartEntry | None:
        row = await self._table.get(run, _key(number))
        return None if row is None else _read(row)

    async def list(self, run: str) -> Sequence[PartEntry]:
        return [_read(row) async for row in self._table.query(run)]

    async def save(self, run: str, entry: PartEntry) -> PartEntry | None:
        key, columns = _key(entry.number), _columns(entry)
        if entry.version:
            is_saved = await self._table.replace(run, key, columns, entry.version)
        else:
            is_saved = await self._table.insert(run, key, columns)
        found = await self.get(run, entry.number) if is_saved else None
        # Somebody may have written over it since.
        return found if found == replace(entry, version=found.version if found else "") else None

    async def drop(self, run: str) -> None:
        keys = [row["RowKey"] async for row in self._table.query(run)]
        await self._table.delete_all(run, keys)


def _key(number: int) -> str:
    return f"{number:06d}"


def _columns(entry: PartEntry) -> Values:
    error = entry.error or RunError("", "")
    return {
        "State": entry.state.value,
        "ProcessId": entry.by,
        "LeasedUntil": entry.leased_until,
        "Attempts": entry.attempts,
        "Records": entry.records,
        "Misfits": entry.misfits,
        "ErrorCode": error.code,
        "ErrorMessage": error.message,
        "Trace": entry.trace,
    }


def _read(row: Row) -> PartEntry:
    return PartEntry(
        number=int(row["RowKey"]),
        state=PartState(row["State"]),
        by=row["ProcessId"],
        leased_until=datetime.fromisoformat(str(row["LeasedUntil"])).astimezone(UTC),
        attempts=row["Attempts"],
        records=row["Records"],
        misfits=row["Misfits"],
        error=RunError(row["ErrorCode"], row["ErrorMessage"]) if row["ErrorCode"] else None,
        trace=row.get("Trace", ""),
        version=row.etag,
    )
