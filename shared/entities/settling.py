"""Once all parts are imported: which rows have lost their key to another part's, and what do the Parquet files hold?

Each part's file leaves out what was known to have lost when it was written; what was lost later is taken out here.
"""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

from shared.entities.files import Kept, SnapshotFiles, manifest_path, part_path, rows_prefix
from shared.entities.manifests import ColumnProfile, Manifest, ManifestFile
from shared.entities.parquet_file import ParquetFile
from shared.entities.part_file import file_columns
from shared.entities.part_reading import OpenPart, open_part
from shared.entities.parts import Plan
from shared.entities.rows import RejectStore, SnapshotTable
from shared.entities.schema import ORIGIN, Schema
from shared.entities.values import EdmType
from shared.errors import Gone
from shared.wire import json_bytes

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_AT_ONCE = 8
_LONGEST_TEXT = 256
"""Characters of a text that a profile tells."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def settle_files(plan: Plan, table: SnapshotTable, files: SnapshotFiles, rejects: RejectStore) -> Manifest:
    """Make the Parquet files hold exactly the table's rows, and write the manifest beside them. May be repeated.

    Raises Gone where a part's file is missing, StorageUnavailable.
    """
    async for number, lost in _losers(plan, table, rejects):
        await _leave_out(part_path(table.name, number), lost, table, files)
    sizes = await _sizes(table, files)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(number: int) -> _Described:
        path = part_path(table.name, number)
        if path not in sizes:
            raise Gone(f"the Parquet of part {number} of {table.name} is missing; import the run again")
        async with turns:
            part = await open_part(files, path, sizes[path])
        return _Described(ManifestFile(path, sum(part.groups), part.size, part.groups), part.metadata)

    parts = await asyncio.gather(*(look(part.number) for part in plan.parts))
    profiles = await asyncio.to_thread(_profiles, table.schema, parts)
    manifest = Manifest(table.name, tuple(part.file for part in parts), profiles)
    await files.put(manifest_path(table.name), json_bytes(manifest.document()))
    return manifest


@dataclass(frozen=True, slots=True)
class _Described:
    """A file without its bytes."""

    file: ManifestFile
    metadata: "pq.FileMetaData"


async def _sizes(table: SnapshotTable, files: SnapshotFiles) -> dict[str, int]:
    return {file.path: file.size async for file in files.list(rows_prefix(table.name))}


async def _losers(plan: Plan, table: SnapshotTable, rejects: RejectStore) -> AsyncIterator[tuple[int, list[str]]]:
    """Parts, and the origins in them that have lost their key; one part's are held."""
    starts = [(part.file, part.first_line) for part in plan.parts]
    number, lost = -1, list[str]()
    async for reject in rejects.list(table.name):
        if not reject.is_duplicate:
            continue
        found = bisect_right(starts, tuple(reject.origin)) - 1
        if found != number:
            if lost:
                yield plan.parts[number].number, lost
            number, lost = found, []
        lost.append(reject.origin.text)
    if lost:
        yield plan.parts[number].number, lost


async def _leave_out(path: str, lost: Sequence[str], table: SnapshotTable, files: SnapshotFiles) -> None:
    """Write the file anew without these rows, if it has any of them."""
    while True:
        upload = await files.begin(path)
        part = await _open(path, files)
        if not await _has_any(part, lost):
            return
        new = await asyncio.to_thread(ParquetFile, file_columns(table.schema), is_zstd=True)
        for group in range(len(part.groups)):
            kept = await asyncio.to_thread(_without, await part.read(group, file_columns(table.schema)), lost)
            if len(kept):
                await upload.add(await asyncio.to_thread(new.add_table, kept))
        await upload.add(await asyncio.to_thread(new.finish))
        if await upload.commit():
            return


async def _open(path: str, files: SnapshotFiles) -> OpenPart:
    kept: list[Kept] = [file async for file in files.list(path)]
    if not kept:
        raise Gone(f"{path.rpartition('/')[2]} of a snapshot is missing; import the run again")
    return await open_part(files, path, kept[0].size)


async def _has_any(part: OpenPart, lost: Sequence[str]) -> bool:
    for group in range(len(part.groups)):
        origins = await part.read(group, [ORIGIN])
        if len(await asyncio.to_thread(_without, origins, lost)) < len(origins):
            return True
    return False


def _without(rows: "pa.Table", lost: Sequence[str]) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.invert(pc.is_in(rows[ORIGIN], value_set=pa.array(lost, pa.string()))))


def _profiles(schema: Schema, parts: Sequence[_Described]) -> tuple[ColumnProfile, ...]:
    groups = [part.metadata.row_group(index) for part in parts for index in range(len(part.file.groups))]
    return tuple(
        _profile(name, kind, [group.column(index) for group in groups])
        for index, (name, kind) in enumerate(schema.properties.items())
    )


def _profile(name: str, kind: EdmType, chunks: Sequence[Any]) -> ColumnProfile:
    statistics = [chunk.statistics for chunk in chunks]
    nulls = sum(found.null_count for found in statistics)
    filled = [found for found in statistics if found.num_values]
    # Of texts that are very long, and of NaN, a file tells neither.
    if not filled or not all(found.has_min_max for found in filled):
        return ColumnProfile(name, kind.value, nulls, None, None)
    if kind is EdmType.DATE_TIME_OFFSET:
        lowest, highest = min(found.min_raw for found in filled), max(found.max_raw for found in filled)
    else:
        lowest, highest = min(found.min for found in filled), max(found.max for found in filled)
    return ColumnProfile(name, kind.value, nulls, _told(lowest, kind), _told(highest, kind))


def _told(value: Any, kind: EdmType) -> str | int | float | bool | None:
    if kind is EdmType.DATE_TIME_OFFSET:
        return (_EPOCH + timedelta(microseconds=value)).isoformat().replace("+00:00", "Z")
    is_telling = len(value) <= _LONGEST_TEXT if isinstance(value, str) else isfinite(value)
    return value if is_telling else None
