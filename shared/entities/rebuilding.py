"""Writes a snapshot's table anew from its Parquet: for a table that was lost, with the same keys and origins."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from shared.entities.arrow_values import rows_of
from shared.entities.columnar import open_columnar
from shared.entities.files import SnapshotFiles
from shared.entities.fitting import FittedRow, fit_again
from shared.entities.part_file import file_columns
from shared.entities.present_rows import PresentRows
from shared.entities.rows import Origin, RowStore, SnapshotTable, parse_origin
from shared.entities.schema import ORIGIN
from shared.entities.snapshots import Snapshot
from shared.entities.tombstones import ErasedNow, nobody
from shared.entities.transactions import Transactions
from shared.entities.values import Value

_SLICE = 1000
"""Rows that are Python's at once, besides those that wait for their transaction."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How far a rebuilding came."""

    rows: int
    """Gone through by this call, those of erased customers included, which are not written."""
    next: int | None = None
    """The row group to go on from; None after the last."""


async def rebuild_table(snapshot: Snapshot, rows: RowStore, files: SnapshotFiles, erased: ErasedNow = nobody) -> int:
    """How many rows there were, those of erased customers included, which are not written. May be repeated; rows that
    are there already stay. Raises Gone, StorageUnavailable."""
    return (await rebuild_from(snapshot, rows, files, erased)).rows


async def rebuild_from(
    snapshot: Snapshot,
    rows: RowStore,
    files: SnapshotFiles,
    erased: ErasedNow = nobody,
    *,
    start: int = 0,
    is_over: Callable[[], bool] = lambda: False,
) -> Rebuilt:
    """From row group `start` on, until `is_over` after one of them; what it tells then is written. Else as
    `rebuild_table`."""
    source = await open_columnar(snapshot.table, files)
    table = snapshot.place
    await rows.create(table)
    present = PresentRows(rows)
    transactions = Transactions(table, present, files, _never_lose, erased=erased)
    groups, seen = start, 0
    try:
        async with aclosing(source.tables(list(file_columns(snapshot.schema)), start)) as tables:
            async for group in tables:
                for first in range(0, len(group), _SLICE):
                    await transactions.add([_fitted(values, table) for values in rows_of(group.slice(first, _SLICE))])
                groups, seen = groups + 1, seen + len(group)
                if is_over():
                    break
        await transactions.finish()
    finally:
        await transactions.abandon()
        await present.abandon()
    return Rebuilt(seen, groups if groups < source.groups else None)


def _fitted(values: dict[str, Value | None], table: SnapshotTable) -> FittedRow:
    origin = parse_origin(str(values.pop(ORIGIN)))
    return fit_again({name: value for name, value in values.items() if value is not None}, origin, table)


async def _never_lose(losers: Sequence[Origin]) -> None:
    """What the Parquet holds has won already."""
