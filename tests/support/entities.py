"""Entities with rows, written straight into storage, as a run would write them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.entities.importing import ImportStores, import_part, imported
from shared.entities.manifests import tell_current
from shared.entities.parts import plan_import
from shared.entities.retention import SnapshotStores
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Wanted
from shared.entities.settling import settle_files
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot, snapshot_table
from shared.entities.tombstones import ErasedNow, Tombstones, nobody
from shared.storage.blobs import BlobLargeValues
from shared.storage.blobs import connect as connect_blobs
from shared.storage.entities import TableEntities, TableRejects
from shared.storage.plane import connect as connect_plane
from shared.storage.rows import TableRows
from shared.storage.tables import connect as connect_tables
from shared.storage.tombstones import TableTombstones
from tests.entities.fakes import MemoryOutput
from tests.support.identity import no_identity


def in_storage[T](connection: str, do: Callable[[SnapshotStores], Awaitable[T]]) -> T:
    """Runs `do` with the stores of an account."""

    async def run() -> T:
        async with (
            connect_tables(connection, "", no_identity) as tables,
            connect_blobs(connection, "", no_identity) as blobs,
            connect_plane(connection, "", no_identity) as plane,
        ):
            rows, large = TableRows(tables, plane), BlobLargeValues(blobs)
            return await do(SnapshotStores(TableEntities(tables), rows, large, TableRejects(tables)))

    return asyncio.run(run())


def claim(connection: str, entity: str, workflow: str = "writer") -> None:
    """Make the entity, without rows."""
    in_storage(connection, lambda stores: claim_entity(stores.entities, entity, workflow))


def publish(connection: str, entity: str, csv: str, **how: Any) -> Snapshot:
    """Import a CSV whose customer id is `id`, as `publish_files` does."""
    return publish_files(connection, entity, {"out.csv": csv.encode()}, **how)


def publish_files(
    connection: str,
    entity: str,
    files: Mapping[str, bytes],
    *,
    primary: str = "id",
    run: str = "run-1",
    hour: int = 0,
    workflow: str = "writer",
    held: bool = False,
    zombie: bool = False,
) -> Snapshot:
    """Import files, of one folder where they are several, and publish them, unless they are `held`. A `zombie` has heard of
    no erasure."""
    at = datetime(2026, 11, 21, hour, tzinfo=UTC)

    async def write(stores: SnapshotStores) -> Snapshot:
        async with connect_tables(connection, "", no_identity) as tables:
            erased = nobody if zombie else Tombstones(TableTombstones(tables), time.monotonic).erased
            snapshot = await build(stores, entity, files, primary=primary, run=run, at=at, erased=erased)
        await claim_entity(stores.entities, entity, workflow)
        if held:
            await stores.entities.save_snapshot(entity, snapshot)
        else:
            await publish_snapshot(stores.entities, entity, snapshot, at)
            await tell_current(entity, stores.entities, stores.large)
        return snapshot

    return in_storage(connection, write)


async def build(
    stores: SnapshotStores,
    entity: str,
    files: Mapping[str, bytes],
    *,
    primary: str,
    run: str,
    at: datetime,
    erased: ErasedNow = nobody,
) -> Snapshot:
    """Import files whose customer id is `id`; nobody sees them yet."""
    imports = ImportStores(MemoryOutput(dict(files)), stores.rows, stores.rejects, stores.large, erased)
    plan = await plan_import(imports.output, next(iter(files)).partition("/")[0], Wanted(primary, "id", {}))
    table = SnapshotTable(snapshot_table(entity, run, at), plan.schema, 4)
    await stores.rows.create(table)
    for part in plan.parts:
        await import_part(part, plan, table, imports)
    await settle_files(plan, table, stores.large, stores.rejects)
    found = await imported(plan, table, stores.rejects)
    gone = plan.records - found.rows - found.rejected
    return Snapshot(table.name, run, plan.schema, table.buckets, found.rows, found.rejected, at, erased=gone)
