"""Parquet files: their columns, their row groups, and the rows of one of them.

Read by ranges, so that no file is fetched whole: the footer, then the bytes of one row group. pyarrow is imported
where it is used: it costs a cold start 100 ms.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.entities.outputs import Listed, OutputFiles
from shared.entities.schema import FoundColumn
from shared.entities.values import EdmType, as_text
from shared.errors import UnusableOutput

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_MAGIC = b"PAR1"
_TAIL = 64 * 1024
"""Bytes fetched first: most footers are within."""
_BATCH = 4096
_EXACT_DIGITS = 15
"""Decimals up to here are the same as Double; longer ones stay text."""


@dataclass(frozen=True, slots=True)
class Footer:
    """A Parquet file but for its rows."""

    columns: tuple[FoundColumn, ...]
    group_rows: tuple[int, ...]
    """Rows of each row group."""


async def read_footer(output: OutputFiles, file: Listed) -> Footer:
    """Raises UnusableOutput."""
    parquet = _open(file, await _tail(output, file))
    schema = parquet.schema_arrow
    columns = tuple(FoundColumn(field.name, 1, edm_type(field.type)) for field in schema)
    groups = range(parquet.metadata.num_row_groups)
    return Footer(columns, tuple(parquet.metadata.row_group(group).num_rows for group in groups))


async def group_rows(output: OutputFiles, file: Listed, group: int) -> AsyncIterator[list[tuple[str | None, ...]]]:
    """The rows of a row group as texts, some thousand at a time. Raises UnusableOutput."""
    pieces = await _tail(output, file)
    start, end = _extent(_open(file, pieces).metadata.row_group(group))
    pieces.append((start, await _fetch(output, file, start, end)))
    batches = _batches(file, pieces, group)
    while (batch := await asyncio.to_thread(next, batches, None)) is not None:
        yield batch


async def _tail(output: OutputFiles, file: Listed) -> "Pieces":
    """The footer's bytes: the last eight tell how long it is."""
    start = max(0, file.size - _TAIL)
    data = await _fetch(output, file, start, file.size)
    if len(data) < 12 or data[-4:] != _MAGIC:
        raise UnusableOutput(f"{file.path} is not Parquet, or broken: its last bytes are not {_MAGIC.decode()}")
    length = int.from_bytes(data[-8:-4], "little") + 8
    if length > len(data):
        start = max(0, file.size - length)
        data = await _fetch(output, file, start, file.size)
    return [(0, _MAGIC), (start, data)]


async def _fetch(output: OutputFiles, file: Listed, start: int, end: int) -> bytes:
    return b"".join([chunk async for chunk in output.read(file, start, end)])


type Pieces = list[tuple[int, bytes]]


class Sparse(io.RawIOBase):
    """A file of which we have some stretches."""

    def __init__(self, size: int, pieces: Pieces) -> None:
        self._size = size
        self._pieces = pieces
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        for start, data in self._pieces:
            if start <= self._at and end <= start + len(data):
                found = data[self._at - start : end - start]
                self._at = end
                return found
        raise OSError("a stretch that was not fetched")


def _open(file: Listed, pieces: Pieces) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    with _reading(file):
        return pq.ParquetFile(Sparse(file.size, pieces), pre_buffer=False)


@contextmanager
def _reading(file: Listed) -> Iterator[None]:
    """pyarrow's errors become UnusableOutput."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise UnusableOutput(f"{file.path} is not Parquet, or broken ({type(error).__name__}); write it anew") from None


def _extent(group: "pq.RowGroupMetaData") -> tuple[int, int]:
    """The bytes of a row group's column chunks."""
    starts, ends = [], []
    for index in range(group.num_columns):
        chunk = group.column(index)
        start = chunk.data_page_offset
        if chunk.dictionary_page_offset:
            start = min(start, chunk.dictionary_page_offset)
        starts.append(start)
        ends.append(start + chunk.total_compressed_size)
    return min(starts, default=0), max(ends, default=0)


def _batches(file: Listed, pieces: Pieces, group: int) -> Iterator[list[tuple[str | None, ...]]]:
    with _reading(file):
        for batch in _open(file, pieces).iter_batches(_BATCH, row_groups=[group], use_threads=False):
            yield list(zip(*(_texts(column) for column in batch.columns), strict=True))


def _texts(column: "pa.Array") -> list[str | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        # Python's times end at the microsecond, and reading nanoseconds would need pandas.
        column = pc.cast(column, pa.timestamp("us", column.type.tz), safe=False)
    return [as_text(value) for value in column.to_pylist()]


def edm_type(arrow: "pa.DataType") -> EdmType | None:
    """What a Parquet type becomes. UInt64 and long decimals are text: no type of Table storage holds all of them."""
    from pyarrow import types

    if types.is_dictionary(arrow):
        return edm_type(arrow.value_type)
    if types.is_decimal(arrow):
        return EdmType.DOUBLE if arrow.precision <= _EXACT_DIGITS else EdmType.STRING
    for is_such, found in _types(types):
        if is_such(arrow):
            return found
    return EdmType.STRING


def _types(types: Any) -> tuple[tuple[Any, EdmType | None], ...]:
    return (
        (types.is_null, None),
        (types.is_boolean, EdmType.BOOLEAN),
        (types.is_uint64, EdmType.STRING),
        (lambda arrow: types.is_int64(arrow) or types.is_uint32(arrow), EdmType.INT64),
        (types.is_integer, EdmType.INT32),
        (types.is_floating, EdmType.DOUBLE),
        (types.is_timestamp, EdmType.DATE_TIME_OFFSET),
        (types.is_date, EdmType.DATE_TIME_OFFSET),
    )
