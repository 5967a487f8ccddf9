"""Writes a snapshot's table anew from its Parquet: for a table that was lost, with the same keys and origins."""

from collections.abc import Sequence

from shared.entities.arrow_values import rows_of
from shared.entities.columnar import open_columnar
from shared.entities.files import SnapshotFiles
from shared.entities.fitting import FittedRow, fit_again
from shared.entities.part_file import file_columns
from shared.entities.rows import Origin, RowStore, SnapshotTable, parse_origin
from shared.entities.schema import ORIGIN
from shared.entities.snapshots import Snapshot
from shared.entities.tombstones import ErasedNow, nobody
from shared.entities.transactions import Transactions
from shared.entities.values import Value

_SLICE = 1000
"""Rows that are Python's at once, besides those that wait for their transaction."""


async def rebuild_table(snapshot: Snapshot, rows: RowStore, files: SnapshotFiles, erased: ErasedNow = nobody) -> int:
    """How many rows there were, those of erased customers included, which are not written. May be repeated; rows that
    are there already stay. Raises Gone, StorageUnavailable."""
    source = await open_columnar(snapshot.table, files)
    table = snapshot.place
    await rows.create(table)
    transactions = Transactions(table, rows, files, _never_lose, erased=erased)
    try:
        async for group in source.tables(list(file_columns(snapshot.schema))):
            for start in range(0, len(group), _SLICE):
                for values in rows_of(group.slice(start, _SLICE)):
                    await transactions.add(_fitted(values, table))
        await transactions.finish()
    finally:
        await transactions.abandon()
    return source.manifest.rows


def _fitted(values: dict[str, Value | None], table: SnapshotTable) -> FittedRow:
    origin = parse_origin(str(values.pop(ORIGIN)))
    return fit_again({name: value for name, value in values.items() if value is not None}, origin, table)


async def _never_lose(losers: Sequence[Origin]) -> None:
    """What the Parquet holds has won already."""
