"""Reads a snapshot's Parquet by ranges: a footer, then of a row group the columns that are asked for, and no others."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.entities.files import SnapshotFiles
from shared.entities.parquet import Pieces, Sparse
from shared.errors import Gone

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_TAIL = 64 * 1024
"""Bytes fetched first: most footers are within, and small files are whole."""
_GAP = 256 * 1024
"""Bytes between two columns that are fetched along: a request more costs more."""


@dataclass(frozen=True, slots=True)
class OpenPart:
    """A Parquet file whose footer is read."""

    files: SnapshotFiles
    path: str
    size: int
    pieces: Pieces
    metadata: "pq.FileMetaData"

    @property
    def groups(self) -> tuple[int, ...]:
        """Rows of each row group."""
        return tuple(self.metadata.row_group(index).num_rows for index in range(self.metadata.num_row_groups))

    async def fetch(self, group: int, columns: Collection[str]) -> Pieces:
        """What `decode` needs. Raises Gone, StorageUnavailable."""
        wanted = _ranges(self.metadata.row_group(group), columns)
        start, tail = self.pieces[-1]
        fetched: Pieces = []
        for low, high in wanted:
            if low < start:
                fetched.append((low, await self.files.read(self.path, low, high)))
            else:
                fetched.append((low, tail[low - start : high - start]))
        return fetched

    def decode(self, group: int, columns: Collection[str], fetched: Pieces) -> "pa.Table":
        """The row group's columns, in the file's order. Takes its time. Raises Gone."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        source = Sparse(self.size, [*self.pieces, *fetched])
        try:
            file = pq.ParquetFile(source, metadata=self.metadata, pre_buffer=False)
            return file.read_row_group(group, columns=list(columns), use_threads=False)
        except (pa.ArrowException, OSError):
            raise _broken(self.path) from None

    async def read(self, group: int, columns: Collection[str]) -> "pa.Table":
        """Raises Gone, StorageUnavailable."""
        return await asyncio.to_thread(self.decode, group, columns, await self.fetch(group, columns))


async def open_part(files: SnapshotFiles, path: str, size: int) -> OpenPart:
    """Raises Gone, StorageUnavailable."""
    start = max(0, size - _TAIL)
    data = await files.read(path, start, size)
    length = int.from_bytes(data[-8:-4], "little") + 8
    if length > len(data):
        start = max(0, size - length)
        data = await files.read(path, start, size)
    pieces: Pieces = [(0, b"PAR1"), (start, data)]
    return OpenPart(files, path, size, pieces, await asyncio.to_thread(_metadata, path, size, pieces))


def _metadata(path: str, size: int, pieces: Pieces) -> "pq.FileMetaData":
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(Sparse(size, pieces))
    except (pa.ArrowException, OSError):
        raise _broken(path) from None


def _broken(path: str) -> Gone:
    """Or written anew since its size was told."""
    return Gone(f"{path.rpartition('/')[2]} of a snapshot is broken; run the workflow anew")


def _ranges(group: "pq.RowGroupMetaData", columns: Collection[str]) -> Sequence[tuple[int, int]]:
    """The bytes of the columns' chunks, neighbours joined."""
    chunks = [group.column(index) for index in range(group.num_columns)]
    ranges: list[tuple[int, int]] = []
    for chunk in sorted(chunks, key=_start):
        if chunk.path_in_schema not in columns:
            continue
        low, high = _start(chunk), _start(chunk) + chunk.total_compressed_size
        if ranges and low - ranges[-1][1] <= _GAP:
            ranges[-1] = (ranges[-1][0], high)
        else:
            ranges.append((low, high))
    return ranges


def _start(chunk: "pq.ColumnChunkMetaData") -> int:
    start: int = chunk.data_page_offset
    return min(start, chunk.dictionary_page_offset) if chunk.dictionary_page_offset else start
