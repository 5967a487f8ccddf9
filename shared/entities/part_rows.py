"""The rows of one part, as they come: columns where its records are plain, else row by row."""

from collections.abc import AsyncIterator, Iterator, Sequence

from shared.entities.blocks import Block
from shared.entities.column_fitting import ColumnFitter
from shared.entities.csv_columns import gathered
from shared.entities.fitting import FittedRow, Misfit, RowFitter
from shared.entities.outputs import FileKind, OutputFile, OutputFiles
from shared.entities.parts import Part
from shared.entities.records import Record, csv_records, part_blocks, read_records
from shared.entities.row_columns import RowColumns
from shared.entities.rows import SnapshotTable

type Fitted = Sequence[tuple[int, FittedRow | Misfit]]
"""Rows by line, or by number where there are no lines."""


async def fitted_rows(
    output: OutputFiles, file: OutputFile, part: Part, table: SnapshotTable
) -> AsyncIterator[RowColumns | Fitted]:
    """In the file's order. Raises UnusableOutput, StorageUnavailable."""
    single = RowFitter(table, file)
    if file.kind is FileKind.CSV:
        columns = ColumnFitter(table, file)
        async for blocks in gathered(part_blocks(output, file, part)):
            for fitted in _fit_blocks(blocks, file, columns, single):
                yield fitted
    else:
        async for records in read_records(output, file, part):
            yield _fit_records(records, single)


def _fit_blocks(
    blocks: Sequence[Block], file: OutputFile, columns: ColumnFitter, single: RowFitter
) -> Iterator[RowColumns | Fitted]:
    """A record that is not plain keeps its own block from being read as columns, not its neighbours."""
    found = columns.fit(blocks)
    if found is not None:
        yield found
    elif len(blocks) > 1:
        for block in blocks:
            yield from _fit_blocks([block], file, columns, single)
    else:
        yield _fit_records(csv_records(blocks[0], file.delimiter, len(file.header)), single)


def _fit_records(records: Sequence[Record], single: RowFitter) -> Fitted:
    fitted = single.fit_all(records)
    return [(record.number, row) for record, row in zip(records, fitted, strict=True)]
