"""Erasure from Parquet on Azurite: the files that have the customer are written anew, and no late writer undoes it."""

import json
import time
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.entities.columnar_reader import Plan
from shared.entities.describing import is_true
from shared.entities.erased_parquet import ParquetCopies
from shared.entities.erasure import erase_again, erase_customer
from shared.entities.files import SnapshotFiles, part_path, rows_prefix
from shared.entities.manifests import read_manifest, tell_current
from shared.entities.parquet_reader import ParquetReader
from shared.entities.retention import SnapshotStores
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from shared.entities.tombstones import Tombstones
from shared.storage.tombstones import TableTombstones
from tests.entities.snapshot_files import NOW
from tests.storage.accounts import Storage
from tests.storage.test_snapshot_files import written


class Bridge:
    """What the app builds for erasures and their readers."""

    def __init__(self, storage: Storage) -> None:
        imports = storage.imports
        self.files: SnapshotFiles = imports.large
        self.stores = SnapshotStores(storage.data.entities, imports.rows, imports.large, imports.rejects)
        self.tombstones = Tombstones(TableTombstones(storage.tables), time.monotonic)
        self.copies = ParquetCopies(self.stores.entities, self.files)
        self.reader = ParquetReader(self.files, self.tombstones.erased)

    async def publish(self, storage: Storage, name: str) -> Snapshot:
        snapshot = await written(storage, name)
        await claim_entity(self.stores.entities, name, "w")
        await publish_snapshot(self.stores.entities, name, snapshot, NOW)
        await tell_current(name, self.stores.entities, self.files)
        return snapshot

    async def all(self, snapshot: Snapshot) -> tuple[set[object], int | None]:
        """The customers of the first thousand rows, and the count of all."""
        found = await self.reader.query(snapshot, Plan(None, ("id",), (("score", False),), 1000, with_count=True))
        return {row["CustomerId"] for row in found.rows}, found.count


async def test_a_customers_files_are_written_anew_and_told(storage: Storage, service: TableServiceClient) -> None:
    """`service`: no other test's entities are left, for an erasure goes through all there are."""
    bridge = Bridge(storage)
    snapshot = await bridge.publish(storage, "ErasedColumnar")
    await bridge.tombstones.set("150", datetime.now(UTC))
    in_window = await bridge.all(snapshot)
    before = {path: await bridge.files.get(path) for path in await paths(bridge, snapshot)}

    [gone] = await erase_customer("150", bridge.stores, [bridge.copies])
    again = await erase_customer("150", bridge.stores, [bridge.copies])

    assert (gone.rows, gone.copies, again) == (1, 1, [])
    changed = [path for path, data in before.items() if await bridge.files.get(path) != data]
    assert changed == [part_path("ErasedColumnar", 0)]
    manifest = await read_manifest("ErasedColumnar", bridge.files)
    assert (manifest.rows, await is_true(manifest, bridge.files)) == (2_899, True)
    assert json.loads(await bridge.files.get("entities/erasedcolumnar/current.json") or b"")["rows"] == 2_899
    customers, count = await bridge.all(snapshot)
    assert ("150" in customers, count) == (False, 2_899)
    assert in_window == (customers, count)


async def test_a_late_file_is_read_by_nobody_until_the_sweep_removes_its_rows(
    storage: Storage, service: TableServiceClient
) -> None:
    bridge = Bridge(storage)
    snapshot = await bridge.publish(storage, "LateColumnar")
    path = part_path("LateColumnar", 0)
    former = await bridge.files.read(path)
    late = await bridge.files.begin(path)
    await late.add(former)
    await bridge.tombstones.set("7", datetime.now(UTC))
    await erase_customer("7", bridge.stores, [bridge.copies])
    assert not await late.commit()

    zombie = await bridge.files.begin(path)
    await zombie.add(former)
    assert await zombie.commit()

    customers, count = await bridge.all(snapshot)
    assert ("7" in customers, count) == (False, 2_899)
    erased = await bridge.tombstones.erased()
    assert await erase_again("LateColumnar", snapshot, erased, bridge.stores, [bridge.copies]) == 1
    manifest = await read_manifest("LateColumnar", bridge.files)
    assert (manifest.rows, await is_true(manifest, bridge.files)) == (2_899, True)


async def paths(bridge: Bridge, snapshot: Snapshot) -> list[str]:
    return [file.path async for file in bridge.files.list(rows_prefix(snapshot.table))]
