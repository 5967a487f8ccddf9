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
from shared.entities.rows import Origin
from shared.entities.schema import ORIGIN, Schema
from shared.entities.values import EdmType

if TYPE_CHECKING:
    import pyarrow as pa

_LINES = "_line"
"""The origin's line, while a group is in memory."""


@dataclass(frozen=True, slots=True)
class GroupSize:
    """How a part's rows become row groups."""

    batch: int = 10_000
    """Rows that become Arrow together, before a row group is full."""
    weight: int = 32_000_000
    """Of a batch, in the rows' weights: some 4,000 rows of ten short columns, or 16 MB of text."""
    rows: int = 50_000
    data: int = 16 * 1024 * 1024
    """Bytes of Arrow of a row group."""
    held: int = 24 * 1024 * 1024
    """Bytes of Arrow that are held back."""


GROUP_SIZE = GroupSize()


@dataclass(slots=True)
class _Group:
    """What becomes a row group."""

    batches: "list[pa.Table]"
    rows: int
    """That were read for it."""
    data: int
    """Bytes of Arrow."""


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
            while len(self._groups) > 1 and self._held() > self._size.held:
                await self._send(self._groups.popleft())

    async def finish(self) -> bool:
        """The file is there; False if it has to be written `again`. Raises StorageUnavailable."""
        if self._batch:
            await self._gather()
        if self._is_stale:
            return False
        while self._groups:
            await self._send(self._groups.popleft())
        await self._upload.add(await asyncio.to_thread(self._open().finish))
        # Where another process was faster, its file is as good as this one.
        await self._upload.commit()
        return True

    async def _gather(self) -> None:
        batch = self._batch
        self._batch, self._batch_weight = [], 0
        table = await asyncio.to_thread(_arrow, batch, self._schema)
        last = self._groups[-1] if self._groups else None
        if last is None or last.rows >= self._size.rows or last.data >= self._size.data:
            last = _Group([], 0, 0)
            self._groups.append(last)
        last.batches.append(table)
        last.rows += len(batch)
        last.data += table.nbytes

    def _held(self) -> int:
        return sum(group.data for group in self._groups)

    async def _send(self, group: _Group) -> None:
        self._sent_up_to = group.batches[-1].column(_LINES)[-1].as_py()
        data = await asyncio.to_thread(self._encode, group, frozenset(self._lost))
        if data:
            await self._upload.add(data)

    def _encode(self, group: _Group, lost: frozenset[int]) -> bytes:
        table = _without(group.batches, lost)
        return self._open().add_table(_with_origins(table, self._file)) if len(table) else b""

    def _open(self) -> ParquetFile:
        if self._parquet is None:
            self._parquet = ParquetFile(file_columns(self._schema), is_zstd=True)
        return self._parquet


def file_columns(schema: Schema) -> dict[str, EdmType]:
    """What the Parquet beside a table has: the properties, and where the row came from."""
    return {**schema.properties, ORIGIN: EdmType.STRING}


def _arrow(batch: Sequence[FittedRow], schema: Schema) -> "pa.Table":
    import pyarrow as pa

    values: list[Any] = [fitted.row.values if not fitted.large else _whole(fitted, schema) for fitted in batch]
    columns = arrow_columns(schema.properties, values)
    columns[_LINES] = pa.array([fitted.row.origin[1] for fitted in batch], pa.int64())
    return pa.table(columns)


def _whole(fitted: FittedRow, schema: Schema) -> dict[str, object]:
    large = {schema.columns[index].name: text for index, text in fitted.large.items()}
    return {**fitted.row.values, **large}


def _without(batches: "Sequence[pa.Table]", lost: frozenset[int]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.concat_tables(batches)
    if lost:
        is_lost = pc.is_in(table[_LINES], value_set=pa.array(sorted(lost), pa.int64()))
        table = table.filter(pc.invert(is_lost))
    return table


def _with_origins(table: "pa.Table", file: int) -> "pa.Table":
    """Lines become texts as `Origin.text` has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lines = pc.utf8_lpad(pc.cast(table[_LINES], pa.string()), 12, "0")
    origins = pc.binary_join_element_wise(f"{file:06d}", lines, "-")
    return table.drop_columns([_LINES]).append_column(ORIGIN, origins)
