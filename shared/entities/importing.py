"""One part of a run's output becomes rows of a snapshot: streamed, idempotent, the same in any order of parts.

Each row keeps its origin, file and line, by which a replay is told from a second occurrence of its key. Beside the
table the part's rows lie in a Parquet file, without those that are known to have lost their key.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.entities.erasure import leave_out
from shared.entities.files import SnapshotFiles, part_path
from shared.entities.fitting import FittedRow, Misfit
from shared.entities.outputs import OutputFile, OutputFiles
from shared.entities.part_file import GROUP_SIZE, GroupSize, PartFile
from shared.entities.part_rows import Fitted, fitted_rows
from shared.entities.parts import Part, Plan
from shared.entities.quality import Contents
from shared.entities.row_columns import RowColumns
from shared.entities.rows import (
    MOST_IN_TRANSACTION,
    Origin,
    Reject,
    RejectStore,
    Row,
    RowStore,
    SnapshotTable,
)
from shared.entities.tombstones import ErasedNow, nobody
from shared.entities.transactions import Transactions

_TWICE = "has a key that occurs more than once; the first occurrence is kept"


@dataclass(frozen=True, slots=True)
class ImportStores:
    """Where an import reads and writes."""

    output: OutputFiles
    rows: RowStore
    rejects: RejectStore
    large: SnapshotFiles
    erased: ErasedNow = nobody


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part held; the same for every replay."""

    records: int
    misfits: int
    """Rejects but for keys that occur more than once, which only the store of rejects can count across parts."""


async def import_part(
    part: Part, plan: Plan, table: SnapshotTable, stores: ImportStores, size: GroupSize = GROUP_SIZE
) -> PartResult:
    """Write the part's rows. May be repeated, at any point and beside others.

    Raises UnusableOutput with file and line, StorageUnavailable.
    """
    file = plan.files[part.file]
    # Before any row is looked at: whoever writes the Parquet file meanwhile knows at least what this import will know.
    upload = await stores.large.begin(part_path(table.name, part.number))
    parquet = PartFile(table.schema, file.index, upload, size)
    loading = _Loading(table, file, [file.path for file in plan.files], stores, parquet)
    try:
        async for fitted in fitted_rows(stores.output, file, part, table):
            await loading.take(fitted)
        await loading.finish()
    finally:
        await loading.abandon()
    if not await parquet.finish():
        await _write_again(part, table, file, stores.output, parquet.again())
    return PartResult(loading.records, loading.misfits)


async def _write_again(
    part: Part, table: SnapshotTable, file: OutputFile, output: OutputFiles, parquet: PartFile
) -> None:
    """A large part's Parquet, once more: rows have lost their key after they were sent."""
    async for fitted in fitted_rows(output, file, part, table):
        if isinstance(fitted, RowColumns):
            await parquet.add_columns(fitted)
            continue
        for _, row in fitted:
            if isinstance(row, FittedRow):
                await parquet.add(row)
    await parquet.finish()


async def imported(plan: Plan, table: SnapshotTable, rejects: RejectStore) -> Contents:
    """What the table holds once all parts are done: each record of the output is a row or a reject, and never both.
    Those of erased customers are neither.

    Raises StorageUnavailable.
    """
    rejected = await rejects.count(table.name)
    erased = await rejects.count_erased(table.name)
    return Contents(plan.records - rejected, rejected - erased, plan.schema)


class _Loading:
    """One part on its way in."""

    def __init__(
        self,
        table: SnapshotTable,
        file: OutputFile,
        paths: Sequence[str],
        stores: ImportStores,
        parquet: PartFile,
    ) -> None:
        self.records = 0
        self.misfits = 0
        self._table = table
        self._file = file
        self._paths = paths
        self._stores = stores
        self._parquet = parquet
        self._transactions = Transactions(
            table, stores.rows, stores.large, self._lose, erased=stores.erased, leave_out=self._erase
        )
        self._rejects: list[Reject] = []

    async def take(self, fitted: RowColumns | Fitted) -> None:
        self.records += len(fitted)
        if isinstance(fitted, RowColumns):
            self._leave_out(await self._transactions.add_columns(fitted))
            await self._parquet.add_columns(fitted)
        else:
            await self._take_rows(fitted)
        await self._write_rejects(at_least=MOST_IN_TRANSACTION)

    async def _take_rows(self, fitted: Fitted) -> None:
        rows: list[FittedRow] = []
        for number, row in fitted:
            if isinstance(row, Misfit):
                self.misfits += 1
                self._rejects.append(Reject(Origin(self._file.index, number), self._file.path, str(row)))
            else:
                rows.append(row)
        self._leave_out(await self._transactions.add(rows))
        for row in rows:
            await self._parquet.add(row)

    async def finish(self) -> None:
        await self._transactions.finish()
        await self._write_rejects(at_least=1)

    async def abandon(self) -> None:
        await self._transactions.abandon()

    def _leave_out(self, twice: Sequence[Origin]) -> None:
        self._rejects += map(self._duplicate, twice)
        self._parquet.leave_out(twice)

    async def _lose(self, losers: Sequence[Origin]) -> None:
        self._parquet.leave_out(losers)
        await self._stores.rejects.add(self._table.name, [self._duplicate(origin) for origin in losers])

    async def _erase(self, rows: Sequence[Row]) -> None:
        self._parquet.leave_out([row.origin for row in rows])
        await leave_out(rows, self._table, self._stores.large, self._stores.rejects)

    def _duplicate(self, origin: Origin) -> Reject:
        return Reject(origin, self._paths[origin.file], _TWICE, is_duplicate=True)

    async def _write_rejects(self, at_least: int) -> None:
        if len(self._rejects) >= at_least:
            rejects, self._rejects = self._rejects, []
            await self._stores.rejects.add(self._table.name, rejects)
