"""Plain CSV becomes rows column by column, as `RowFitter` would make them one by one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.entities.blocks import Block
from shared.entities.column_values import arrow_type, read_column, text_bytes
from shared.entities.csv_columns import csv_columns
from shared.entities.csvscan import occurrences
from shared.entities.keys import LONGEST_ROW_KEY, SEPARATOR, needs_no_escape, partition_keys
from shared.entities.outputs import OutputFile
from shared.entities.row_columns import LINE, RowColumns
from shared.entities.rows import SnapshotTable
from shared.entities.schema import CUSTOMER_ID

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_RECORD = 30_000
"""Bytes of text: no value of a shorter one is too large for its row, nor is the row."""


class ColumnFitter:
    """For the blocks of one CSV file."""

    def __init__(self, table: SnapshotTable, file: OutputFile) -> None:
        schema = table.schema
        places = {place: index for index, place in enumerate(zip(file.header, occurrences(file.header), strict=True))}
        found = {column.name: places.get((column.source, column.nth)) for column in schema.columns}
        self._places = {name: place for name, place in found.items() if place is not None}
        self._customer = self._places[schema.customer_id]
        self._primary = None if schema.is_one_column else self._places[schema.primary_key]
        self._table = table
        self._file = file

    def fit(self, blocks: Sequence[Block]) -> RowColumns | None:
        """The rows of neighbouring blocks; None unless each line is a record that is sure to fit."""
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = csv_columns(blocks, self._file.delimiter, len(self._file.header))
        if not texts or sum(pc.max(pc.binary_length(column)).as_py() or 0 for column in texts) > _LONGEST_RECORD:
            return None
        customer_ids = texts[self._customer]
        keys = _row_keys(customer_ids, None if self._primary is None else texts[self._primary])
        columns = self._columns(texts)
        if keys is None or columns is None:
            return None
        columns[LINE] = _count_from(blocks[0].first_line, len(keys))
        partitions = partition_keys(customer_ids.cast(pa.binary()).to_pylist(), self._table.buckets)
        return RowColumns(self._file.index, partitions, keys, pa.table(columns))

    def _columns(self, texts: "Sequence[pa.Array]") -> "dict[str, pa.Array] | None":
        """By property; None if not all are sure to fit."""
        import pyarrow as pa

        columns = {CUSTOMER_ID: texts[self._customer]}
        for name, kind in self._table.schema.properties.items():
            place = self._places.get(name)
            if place is not None:
                found = read_column(kind, texts[place])
                if found is None:
                    return None
                columns[name] = found
            elif name not in columns:
                columns[name] = pa.nulls(len(texts[0]), arrow_type(kind))
        return columns


def _row_keys(customer_ids: "pa.Array", primary_keys: "pa.Array | None") -> "pa.Array | None":
    """As `keys.row_key` gives each; None where one of them needs a closer look."""
    import pyarrow.compute as pc

    parts = [customer_ids] if primary_keys is None else [customer_ids, primary_keys]
    if any(part.null_count or not needs_no_escape(text_bytes(part)) for part in parts):
        return None
    keys = customer_ids if primary_keys is None else pc.binary_join_element_wise(*parts, SEPARATOR)
    # No character has more UTF-16 units than bytes.
    return keys if pc.max(pc.binary_length(keys)).as_py() <= LONGEST_ROW_KEY else None


def _count_from(first: int, count: int) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count), start=first - 1)
