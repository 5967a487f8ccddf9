"""The Parquet file of one imported part: gathered column by column, and held back until it is known which of its rows
have lost their key.

A part that is cut to measure is held whole, as Arrow. Of larger ones (gzip, JSON arrays) the oldest row groups are sent
early; if one of their rows loses its key later, the file has to be written again. The same rows give the same bytes,
whoever writes them: row groups end by what was read, not by what is left of it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.entities.files import Upload
from shared.entities.fitting import FittedRow
from shared.entities.parquet_file import ParquetFile, arrow_columns
from shared.entities.row_columns import LINE, RowColumns, origin_texts
from shared.entities.rows import Origin
from shared.entities.schema import ORIGIN, Schema
from shared.entities.values import EdmType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class GroupSize:
    """How a part's rows become row groups."""

    batch: int = 10_000
    """Rows that become Arrow together, where they come one by one."""
    weight: int = 32_000_000
    """Of a batch, in the rows' weights: some 4,000 rows of ten short columns, or 16 MB of text."""
    rows: int = 50_000
    data: int = 16 * 1024 * 1024
    """Bytes of a row group: its texts, and eight for each value. It ends with the row that reaches them."""
    held: int = 24 * 1024 * 1024
    """Bytes that are held back."""


GROUP_SIZE = GroupSize()


@dataclass(slots=True)
class _Group:
    """What becomes a row group."""

    batches: "list[pa.Table]"
    rows: int
    """That were read for it."""
    data: int
    """Bytes."""


class PartFile:
    """A sink of rows."""

    def __init__(
        self, schema: Schema, file: int, upload: Upload, size: GroupSize = GROUP_SIZE, lost: set[int] | None = None
    ) -> None:
        self._size = size
        self._schema = schema
        self._file = file
        self._upload = upload
        self._lost = lost if lost is not None else set()
        """Lines of rows that lost their key."""
        self._sent_up_to = 0
        """The last line that was sent."""
        self._is_stale = False
        self._batch: list[FittedRow] = []
        self._batch_weight = 0
        self._groups: deque[_Group] = deque()
        self._parquet: ParquetFile | None = None

    def again(self) -> "PartFile":
        """An empty one, which leaves out all that lost their key until now."""
        return PartFile(self._schema, self._file, self._upload.again(), self._size, self._lost)

    def leave_out(self, origins: Sequence[Origin]) -> None:
        lines = [origin.line for origin in origins if origin.file == self._file]
        self._lost.update(lines)
        self._is_stale = self._is_stale or any(line <= self._sent_up_to for line in lines)

    async def add(self, fitted: FittedRow) -> None:
        """In the file's order. Raises StorageUnavailable."""
        self._batch.append(fitted)
        self._batch_weight += fitted.weight
        if len(self._batch) >= self._size.batch or self._batch_weight >= self._size.weight:
            await self._gather()

    async def add_columns(self, rows: RowColumns) -> None:
        """In the file's order. Raises StorageUnavailable."""
        await self._gather()
        await self._put(rows.table)

    async def finish(self) -> bool:
        """The file is there; False if it has to be written `again`. Raises StorageUnavailable."""
        await self._gather()
        if self._is_stale:
            return False
        while self._groups:
            await self._send(self._groups.popleft())
        await self._upload.add(self._open().finish())
        _release_memory()
        # Where another process was faster, its file is as good as this one.
        await self._upload.commit()
        return True

    async def _gather(self) -> None:
        batch, self._batch, self._batch_weight = self._batch, [], 0
        if batch:
            await self._put(await asyncio.to_thread(_arrow, batch, self._schema))

    async def _put(self, table: "pa.Table") -> None:
        while len(table):
            group = self._groups[-1] if self._groups else None
            if group is None or group.rows >= self._size.rows or group.data >= self._size.data:
                group = _Group([], 0, 0)
                self._groups.append(group)
            count, data = _fitting(table, self._size.rows - group.rows, self._size.data - group.data)
            group.batches.append(table.slice(0, count))
            group.rows += count
            group.data += data
            table = table.slice(count)
        while len(self._groups) > 1 and self._held() > self._size.held:
            await self._send(self._groups.popleft())

    def _held(self) -> int:
        return sum(group.data for group in self._groups)

    async def _send(self, group: _Group) -> None:
        self._sent_up_to = group.batches[-1].column(LINE)[-1].as_py()
        data = self._encode(group, frozenset(self._lost))
        if data:
            await self._upload.add(data)

    def _encode(self, group: _Group, lost: frozenset[int]) -> bytes:
        """Takes some 15 ms for 50,000 rows: not in a thread, whose own heap would keep what this needs for good."""
        table = _without(group.batches, lost).combine_chunks()
        group.batches.clear()  # they are held twice else, while they are written
        return self._open().add_table(_with_origins(table, self._file)) if len(table) else b""

    def _open(self) -> ParquetFile:
        if self._parquet is None:
            self._parquet = ParquetFile(file_columns(self._schema), is_zstd=True)
        return self._parquet


def file_columns(schema: Schema) -> dict[str, EdmType]:
    """What the Parquet beside a table has: the properties, and where the row came from."""
    return {**schema.properties, ORIGIN: EdmType.STRING}


def _release_memory() -> None:
    """Arrow's allocator keeps what it once had: 60 MB by the end of a part."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _arrow(batch: Sequence[FittedRow], schema: Schema) -> "pa.Table":
    import pyarrow as pa

    values: list[Any] = [fitted.row.values if not fitted.large else _whole(fitted, schema) for fitted in batch]
    columns = arrow_columns(schema.properties, values)
    columns[LINE] = pa.array([fitted.row.origin[1] for fitted in batch], pa.int64())
    return pa.table(columns)


def _whole(fitted: FittedRow, schema: Schema) -> dict[str, object]:
    large = {schema.columns[index].name: text for index, text in fitted.large.items()}
    return {**fitted.row.values, **large}


def _fitting(table: "pa.Table", rows: int, data: int) -> tuple[int, int]:
    """How many rows of the table, and bytes, go into a group that has room for so many; the last may have more bytes
    than that. The same for the same rows, however they came together."""
    import pyarrow as pa
    import pyarrow.compute as pc

    some = table.slice(0, rows)
    size = pa.repeat(pa.scalar(8 * some.num_columns, pa.int64()), len(some))
    for column in some.columns:
        if pa.types.is_string(column.type):
            size = pc.add(size, pc.fill_null(pc.binary_length(column), 0))
    sizes = pc.cumulative_sum(size)
    count = min(pc.sum(pc.less(sizes, data)).as_py() + 1, len(some))
    return count, sizes[count - 1].as_py()


def _without(batches: "Sequence[pa.Table]", lost: frozenset[int]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.concat_tables(batches)
    if lost:
        is_lost = pc.is_in(table[LINE], value_set=pa.array(sorted(lost), pa.int64()))
        table = table.filter(pc.invert(is_lost))
    return table


def _with_origins(table: "pa.Table", file: int) -> "pa.Table":
    """Lines become texts."""
    return table.drop_columns([LINE]).append_column(ORIGIN, origin_texts(file, table[LINE]))
