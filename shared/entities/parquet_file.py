"""A Parquet file that is made row group by row group, and held one row group at a time.

pyarrow is imported where it is used: it costs a cold start 100 ms.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.entities.values import EdmType, Value

if TYPE_CHECKING:
    import pyarrow as pa


class ParquetFile:
    """Its bytes come from `add` and `finish`, one after the other."""

    def __init__(self, properties: Mapping[str, EdmType]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = _arrow_types()
        self._schema = pa.schema([(name, types[kind]) for name, kind in properties.items()])
        self._bytes = _Drained()
        self._writer = pq.ParquetWriter(self._bytes, self._schema)

    def add(self, rows: Sequence[Sequence[Value | None]]) -> bytes:
        """A row group of `rows` (at least one), whose values stand in the order of the properties."""
        import pyarrow as pa

        columns = zip(self._schema, zip(*rows, strict=True), strict=True)
        arrays = [pa.array(values, field.type) for field, values in columns]
        self._writer.write_table(pa.table(arrays, schema=self._schema), row_group_size=len(rows))
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
