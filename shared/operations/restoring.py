"""Rebuilds an account from another's Parquet: who was erased first, then reader keys, then each entity as readers saw it.

The files are copied, the table is written from them, and last the pointer moves: so a restore may die anywhere and be
repeated, and one that is done changes nothing. Former snapshots, rejects and runs are not restored.
"""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from shared.entities.describing import write_manifest
from shared.entities.erased_parquet import ParquetCopies
from shared.entities.files import CURRENTS, Kept, current_path, rows_prefix
from shared.entities.manifests import Current, parse_current, read_manifest, tell_current
from shared.entities.reader_keys import ReaderKeyStore
from shared.entities.rebuilding import rebuild_table
from shared.entities.retention import SnapshotStores
from shared.entities.snapshots import Entity, Snapshot, change_entity, publish
from shared.entities.tombstones import ErasedNow, Tombstone, TombstoneStore
from shared.errors import Conflict, Gone, NotFound, UnusableOutput
from shared.operations.nightly import ERASURE, READER_KEYS, parse_erasure, parse_keys

_CHUNK = 4 * 1024 * 1024


class SourceFiles(Protocol):
    """A container of the source, or a folder with the same files. Every method raises StorageUnavailable."""

    async def get(self, name: str) -> bytes | None: ...

    async def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        """Bytes `start` up to `end` (not included). Raises Gone."""

    def list(self, prefix: str) -> AsyncIterator[Kept]:
        """The files whose path begins with `prefix`."""


class RestorableTombstones(TombstoneStore, Protocol):
    async def adopt(self, secret: bytes) -> bool:
        """Take over another installation's secret; False where marks were made with another one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a restore reads."""

    rows: SourceFiles
    """Parquet and manifests: the container `bridge`."""
    exports: SourceFiles
    """The nightly copies: the container `bridge-config`."""
    tombstones: TombstoneStore | None = None
    """Of an account that is still there; else the nightly copy tells who was erased."""
    reader_keys: ReaderKeyStore | None = None


class State(StrEnum):
    RESTORED = "restored"
    THERE = "there already"
    OTHERS = "left alone: it has rows of its own"


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of an entity."""

    entity: str
    snapshot: str
    rows: int
    state: State


async def restore_tombstones(source: Source, target: RestorableTombstones) -> int:
    """How many marks the source has. Raises Conflict where the target has marks of its own secret; StorageUnavailable."""
    secret, tombstones = await _erased_at(source)
    if not tombstones:
        return 0
    if not await target.adopt(secret):
        raise Conflict(
            "the target has erased customers of its own, whose marks are made with another secret: restore into an empty "
            "account, or lift them first (DELETE /api/customers/{customerId}/tombstone)"
        )
    for tombstone in tombstones:
        await target.add(tombstone)
    return len(tombstones)


async def _erased_at(source: Source) -> tuple[bytes, Sequence[Tombstone]]:
    """The secret, where there are marks."""
    if source.tombstones is not None:
        found = await source.tombstones.list()
        return (await source.tombstones.secret(), found) if found else (b"", [])
    data = await source.exports.get(ERASURE)
    return (b"", []) if data is None else parse_erasure(_read(data, ERASURE))


async def restore_reader_keys(source: Source, target: ReaderKeyStore) -> int:
    """How many came; a key that is there, and one whose name is taken, stays. Raises StorageUnavailable."""
    if source.reader_keys is not None:
        keys = await source.reader_keys.list()
    else:
        data = await source.exports.get(READER_KEYS)
        keys = [] if data is None else parse_keys(_read(data, READER_KEYS))
    there = {key.name.lower() for key in await target.list()}
    return sum([await target.add(replace(key, version="")) for key in keys if key.name.lower() not in there])


async def manifests_of(source: SourceFiles, names: Sequence[str] = ()) -> Sequence[str]:
    """Paths of the manifests of what the source's readers saw: of all entities, or those with these names.

    Raises NotFound, StorageUnavailable.
    """
    paths = sorted([file.path async for file in source.list(CURRENTS) if file.path.endswith("/current.json")])
    wanted = {current_path(name): name for name in names}
    missing = [name for path, name in wanted.items() if path not in paths]
    if missing:
        raise NotFound(f"the source has no manifest {current_path(missing[0])} of the entity {missing[0]}")
    return sorted(wanted) if names else paths


async def read_current(path: str, source: SourceFiles) -> Current:
    """Raises UnusableOutput, Gone, StorageUnavailable."""
    data = await source.get(path)
    if data is None:
        raise Gone(f"{path} has gone from the source meanwhile")
    try:
        return parse_current(_read(data, path))
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableOutput(f"{path} is no manifest of an entity ({type(error).__name__})") from None


def _read(data: bytes, name: str) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise UnusableOutput(f"{name} of the source is not JSON: {error}") from None


async def restore_entity(
    current: Current, source: SourceFiles, target: SnapshotStores, erased: ErasedNow, now: datetime
) -> Restored:
    """The entity as the source's readers saw it, without rows of customers who were erased. May be repeated.

    Raises Gone (a file is missing at the source), StorageUnavailable.
    """
    entity = await _claimed(current, target)
    if entity.current is None:
        snapshot = await _rebuilt(current, source, target, erased)
        published_at = current.snapshot.published_at or now
        entity = await change_entity(target.entities, entity.name, lambda known: _led(known, snapshot, published_at))
        state = State.RESTORED
    else:
        state = State.THERE
    seen = entity.current
    if seen is None or seen.table != current.snapshot.table:
        return Restored(entity.name, seen.table if seen else "", seen.rows if seen else 0, State.OTHERS)
    if await target.entities.get_snapshot(entity.name, seen.table) != seen:
        await target.entities.save_snapshot(entity.name, seen)
    await tell_current(entity.name, target.entities, target.large)
    return Restored(entity.name, seen.table, seen.rows, state)


async def _claimed(current: Current, target: SnapshotStores) -> Entity:
    while (entity := await target.entities.get(current.entity)) is None:
        await target.entities.save(Entity(current.entity, current.workflow, current.snapshot.buckets))
    return entity


def _led(entity: Entity, snapshot: Snapshot, published_at: datetime) -> Entity:
    """A run of the target's own that was published meanwhile is newer."""
    return entity if entity.current is not None else publish(entity, snapshot, published_at, by_hand=True)


async def _rebuilt(current: Current, source: SourceFiles, target: SnapshotStores, erased: ErasedNow) -> Snapshot:
    """Files, table and snapshot are there; nobody sees them yet."""
    snapshot = replace(current.snapshot, published_at=None)
    await _copy_files(current, source, target)
    await write_manifest(snapshot.place, current.files, target.large)
    gone = await erased()
    if gone.tombstones:  # a copy of the files may be older than an erasure
        await ParquetCopies(target.entities, target.large).erase_again(current.entity, snapshot, gone)
    manifest = await read_manifest(snapshot.table, target.large)
    snapshot = replace(snapshot, rows=manifest.rows)
    await target.entities.save_snapshot(current.entity, snapshot)
    await rebuild_table(snapshot, target.rows, target.large, erased)
    return snapshot


async def _copy_files(current: Current, source: SourceFiles, target: SnapshotStores) -> None:
    """Those that are not there yet; again where an erasure at the source wrote one anew meanwhile."""
    prefix = rows_prefix(current.snapshot.table)
    while True:
        sizes = {file.path: file.size async for file in source.list(prefix)}
        there = {file.path: file.size async for file in target.large.list(prefix)}
        for path in current.files:
            if path not in sizes:
                raise Gone(f"{path} is missing at the source, and {current.entity} needs it: copy the whole container")
            if there.get(path) != sizes[path]:
                await _copy(path, sizes[path], source, target)
        if sizes == {file.path: file.size async for file in source.list(prefix)}:
            return


async def _copy(path: str, size: int, source: SourceFiles, target: SnapshotStores) -> None:
    upload = await target.large.begin(path)
    for start in range(0, size, _CHUNK):
        await upload.add(await source.read(path, start, min(start + _CHUNK, size)))
    await upload.commit()
