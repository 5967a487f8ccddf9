"""A snapshot's Parquet file is written anew without some of its rows: all at once, and only if it has any of them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.entities.files import SnapshotFiles, Upload
from shared.entities.parquet_file import ParquetFile
from shared.entities.part_file import file_columns
from shared.entities.part_reading import OpenPart, open_part
from shared.entities.schema import Schema
from shared.errors import Gone, StorageUnavailable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Going:
    """Which rows go."""

    column: str
    """The one that tells."""
    values: "Callable[[pa.ChunkedArray], list[str]]"
    """Those of a column whose rows go, perhaps with some that it does not have."""
    may_be_within: Callable[[Any], bool] = lambda statistics: True
    """False where a row group's statistics tell that no row goes."""


async def leave_out(path: str, schema: Schema, going: Going, files: SnapshotFiles) -> int:
    """How many rows went. May be repeated, and run beside others. Raises Gone, StorageUnavailable."""
    while True:
        upload = await files.begin(path)
        size = await _size(path, files)
        if size is None:
            raise Gone(f"{path.rpartition('/')[2]} of a snapshot is missing; import the run again")
        try:
            part = await open_part(files, path, size)
            gone = await _count(part, going)
            if not gone:
                return 0
            await _write(part, schema, going, upload)
        except (Gone, StorageUnavailable):
            if await _size(path, files) == size:
                raise
            continue  # another has written it anew meanwhile
        if await upload.commit():
            return gone


async def _size(path: str, files: SnapshotFiles) -> int | None:
    return next(iter([file.size async for file in files.list(path) if file.path == path]), None)


async def _count(part: OpenPart, going: Going) -> int:
    """From the one column, where the statistics do not suffice."""
    count = 0
    for group in range(len(part.groups)):
        if _may_have(part, group, going):
            table = await part.read(group, [going.column])
            count += len(table) - len(await asyncio.to_thread(_kept, table, going))
    return count


def _may_have(part: OpenPart, group: int, going: Going) -> bool:
    row_group = part.metadata.row_group(group)
    chunks = [row_group.column(index) for index in range(row_group.num_columns)]
    found = [chunk.statistics for chunk in chunks if chunk.path_in_schema == going.column]
    return any(one is None or not one.has_min_max or going.may_be_within(one) for one in found)


async def _write(part: OpenPart, schema: Schema, going: Going, upload: Upload) -> None:
    columns = file_columns(schema)
    new = await asyncio.to_thread(ParquetFile, columns, is_zstd=True)
    for group in range(len(part.groups)):
        kept = await asyncio.to_thread(_kept, await part.read(group, columns), going)
        if len(kept):
            await upload.add(await asyncio.to_thread(new.add_table, kept))
    await upload.add(await asyncio.to_thread(new.finish))


def _kept(rows: "pa.Table", going: Going) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows[going.column]
    return rows.filter(pc.invert(pc.is_in(column, value_set=pa.array(going.values(column), pa.string()))))
