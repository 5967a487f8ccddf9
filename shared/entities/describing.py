"""What do a snapshot's Parquet files hold? Their manifest is written from what lies there, and anew where that changes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any

from shared.entities.files import SnapshotFiles, manifest_path, rows_prefix
from shared.entities.manifests import ColumnProfile, Manifest, ManifestFile, read_manifest
from shared.entities.part_reading import open_part
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Schema
from shared.entities.values import EdmType
from shared.errors import Gone, StorageUnavailable
from shared.times import rfc3339
from shared.wire import json_bytes

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_AT_ONCE = 8
_LONGEST_TEXT = 256
"""Characters of a text that a profile tells."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def write_manifest(
    table: SnapshotTable, paths: Sequence[str], files: SnapshotFiles, *, is_new: bool = True
) -> Manifest:
    """Of the files as they lie once it is there, whoever writes one of them meanwhile. May be repeated.

    Raises Gone where a file is missing, or the manifest unless it `is_new`; StorageUnavailable.
    """
    path = manifest_path(table.name)
    while True:
        upload = await files.begin(path)
        if not is_new and await files.get(path) is None:
            raise Gone(f"the snapshot {table.name} has been dropped")
        manifest = await describe(table, paths, files)
        await upload.add(json_bytes(manifest.document()))
        if await upload.commit() and await is_true(manifest, files):
            return manifest


async def present_manifest(table: SnapshotTable, files: SnapshotFiles) -> Manifest:
    """Of the files as they lie, also where the stored one tells of former ones. Raises Gone, StorageUnavailable."""
    manifest = await read_manifest(table.name, files)
    if await is_true(manifest, files):
        return manifest
    return await describe(table, [file.path for file in manifest.files], files)


async def is_true(manifest: Manifest, files: SnapshotFiles) -> bool:
    """Whether no file was written anew. Raises StorageUnavailable."""
    sizes = await sizes_of(manifest.table, files)
    return all(sizes.get(file.path) == file.size for file in manifest.files)


async def sizes_of(table: str, files: SnapshotFiles) -> dict[str, int]:
    """Bytes of a snapshot's Parquet files, by path. Raises StorageUnavailable."""
    return {file.path: file.size async for file in files.list(rows_prefix(table))}


async def describe(table: SnapshotTable, paths: Sequence[str], files: SnapshotFiles) -> Manifest:
    """Raises Gone where one of the files is missing, StorageUnavailable."""
    while True:
        sizes = await sizes_of(table.name, files)
        missing = next((path for path in paths if path not in sizes), None)
        if missing is not None:
            raise Gone(f"{missing.rpartition('/')[2]} of {table.name} is missing; import the run again")
        try:
            return await _describe(table, {path: sizes[path] for path in paths}, files)
        except (Gone, StorageUnavailable):
            if await sizes_of(table.name, files) == sizes:
                raise


@dataclass(frozen=True, slots=True)
class _Described:
    """A file without its bytes."""

    file: ManifestFile
    metadata: "pq.FileMetaData"


async def _describe(table: SnapshotTable, sizes: dict[str, int], files: SnapshotFiles) -> Manifest:
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(path: str) -> _Described:
        async with turns:
            part = await open_part(files, path, sizes[path])
        return _Described(ManifestFile(path, sum(part.groups), part.size, part.groups), part.metadata)

    parts = await asyncio.gather(*map(look, sizes))
    profiles = await asyncio.to_thread(_profiles, table.schema, parts)
    return Manifest(table.name, tuple(part.file for part in parts), profiles)


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
        return rfc3339(_EPOCH + timedelta(microseconds=value))
    is_telling = len(value) <= _LONGEST_TEXT if isinstance(value, str) else isfinite(value)
    return value if is_telling else None
