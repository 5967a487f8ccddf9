"""A Parquet file that is made row group by row group, and held one row group at a time.

pyarrow is imported where it is used: it costs a cold start 100 ms.
"""

import io
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from shared.entities.values import EdmType, Value

if TYPE_CHECKING:
    import pyarrow as pa

_LEVEL = 1
"""Of zstd: a quarter smaller than snappy, for hardly more time."""


class ParquetFile:
    """Its bytes come from `add` and `finish`, one after the other."""

    def __init__(self, properties: Mapping[str, EdmType], *, is_zstd: bool = False) -> None:
        import pyarrow.parquet as pq

        self._schema = arrow_schema(properties)
        self._bytes = _Drained()
        compression = "zstd" if is_zstd else "snappy"
        self._writer = pq.ParquetWriter(
            self._bytes, self._schema, compression=compression, compression_level=_LEVEL if is_zstd else None
        )

    def add(self, rows: Sequence[Sequence[Value | None]]) -> bytes:
        """A row group of `rows` (at least one), whose values stand in the order of the properties."""
        import pyarrow as pa

        columns = zip(self._schema, zip(*rows, strict=True), strict=True)
        arrays = [pa.array(values, field.type) for field, values in columns]
        return self.add_table(pa.table(arrays, schema=self._schema))

    def add_table(self, table: "pa.Table") -> bytes:
        """A row group of a table that has these columns and a row at least."""
        self._writer.write_table(table.combine_chunks(), row_group_size=len(table))
        return self._bytes.drain()

    def finish(self) -> bytes:
        """The footer."""
        self._writer.close()
        return self._bytes.drain()


class _Drained(io.RawIOBase):
    """A file of which we hold what was written last; to its writer it is whole."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._at += len(piece)
        return len(piece)

    def drain(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def arrow_schema(properties: Mapping[str, EdmType]) -> "pa.Schema":
    import pyarrow as pa

    types = _arrow_types()
    return pa.schema([(name, types[kind]) for name, kind in properties.items()])


def arrow_columns(properties: Mapping[str, EdmType], rows: Sequence[Mapping[str, Value]]) -> "dict[str, pa.Array]":
    """A column for each property, with a null where a row has no value."""
    import pyarrow as pa

    types = _arrow_types()
    columns = _columns(list(properties), rows)
    return {
        name: pa.array(column, types[kind]) for (name, kind), column in zip(properties.items(), columns, strict=True)
    }


def _columns(names: Sequence[str], rows: Sequence[Mapping[str, Value]]) -> list[Sequence[Value | None]]:
    if len(names) > 1 and rows:
        try:
            return list(zip(*map(itemgetter(*names), rows), strict=True))
        except KeyError:  # a row without a value: one by one
            pass
    return [[row.get(name) for row in rows] for name in names]


def _arrow_types() -> "Mapping[EdmType, pa.DataType]":
    import pyarrow as pa

    return {
        EdmType.BOOLEAN: pa.bool_(),
        EdmType.INT32: pa.int32(),
        EdmType.INT64: pa.int64(),
        EdmType.DOUBLE: pa.float64(),
        EdmType.DATE_TIME_OFFSET: pa.timestamp("us", "UTC"),
        EdmType.STRING: pa.string(),
    }
