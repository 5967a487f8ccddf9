"""The manifest of what readers see follows the pointer: published, rolled back, dropped, wherever a process dies."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.entities.catalog import delete_entity, roll_back
from shared.entities.files import current_path, manifest_path
from shared.entities.manifests import Current, Manifest, parse_current, tell_current
from shared.entities.retention import SnapshotStores, sweep_entity
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.entities.snapshots import Entity, Snapshot, claim_entity, publish_snapshot, roll_back_entity
from shared.entities.values import EdmType
from shared.errors import NotFound
from shared.wire import json_bytes
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryRejects, MemoryRows
from tests.entities.snapshot_files import NOW, Imported, files_of

HOUR = timedelta(hours=1)


class Bridge:
    """An entity with some snapshots, published one after the other."""

    def __init__(self) -> None:
        self.large = MemoryLarge()
        self.entities = MemoryEntities()
        self.stores = SnapshotStores(self.entities, MemoryRows(), self.large, MemoryRejects())
        self.hours = 0

    async def publish(self, table: str, rows: int) -> None:
        found = Imported(files_of([[(str(number), number) for number in range(rows)]]), table)
        found.large, found.stores = self.large, replace(found.stores, large=self.large)
        await found.all()
        await claim_entity(self.entities, "Value", "w")
        self.hours += 1
        await publish_snapshot(self.entities, "Value", found.snapshot, NOW + self.hours * HOUR)

    @property
    def told(self) -> tuple[str, int] | None:
        data = self.large.values.get(current_path("Value"))
        found: dict[str, Any] | None = None if data is None else json.loads(data)
        return None if found is None else (found["snapshot"], found["rows"])

    async def tell(self) -> None:
        await tell_current("Value", self.entities, self.large)


async def published(*tables: str) -> Bridge:
    bridge = Bridge()
    for rows, table in enumerate(tables, 1):
        await bridge.publish(table, rows)
        await bridge.tell()
    return bridge


async def test_a_manifest_has_what_a_reader_needs() -> None:
    bridge = await published("A")

    path = "snapshots/A/rows/part-00000.parquet"
    assert json.loads(bridge.large.values["entities/value/current.json"]) == {
        "v": 1,
        "entity": "Value",
        "workflow": "w",
        "snapshot": "A",
        "run": "run-1",
        "createdAt": "2026-11-22T06:00:00Z",
        "publishedAt": "2026-11-22T07:00:00Z",
        "rejected": 0,
        "rows": 1,
        "buckets": 4,
        "columns": [
            {"name": "CustomerId", "type": "Edm.String", "source": "id"},
            {"name": "id", "type": "Edm.String", "source": "id"},
            {"name": "n", "type": "Edm.Int32", "source": "n"},
        ],
        "primaryKey": "id",
        "customerId": "id",
        "files": [{"path": path, "rows": 1, "bytes": len(bridge.large.values[path])}],
    }


async def test_it_follows_publishing_and_rollback() -> None:
    bridge = await published("A", "B")
    assert bridge.told == ("B", 2)

    await roll_back(bridge.stores, "Value", NOW)

    assert bridge.told == ("A", 1)
    assert any(name.startswith("snapshots/B/rows/") for name in bridge.large.values)


async def test_a_process_that_dies_before_it_told_is_mended_by_a_repetition_or_the_sweep() -> None:
    bridge = await published("A", "B")
    await bridge.publish("C", 3)
    assert bridge.told == ("B", 2)
    await bridge.tell()
    assert bridge.told == ("C", 3)
    await roll_back_entity(bridge.entities, "Value", NOW)

    await sweep_entity("Value", bridge.stores, NOW, keep=3, grace=HOUR)

    assert bridge.told == ("B", 2)


@pytest.mark.parametrize("is_told", [True, False])
async def test_the_last_to_tell_has_seen_the_last_move(is_told: bool) -> None:
    """Another publishes, and tells, after this one has looked at the pointer."""

    class Overtaken(MemoryEntities):
        """Something happens after the pointer was read."""

        then: Callable[[], Awaitable[None]] | None = None

        async def get(self, name: str) -> Entity | None:
            found = await super().get(name)
            if (then := self.then) is not None:
                self.then = None
                await then()
            return found

    bridge = await published("A", "B")
    slow = Overtaken(bridge.entities.entities, bridge.entities.snapshots)
    if not is_told:
        await bridge.large.drop(current_path("Value"))

    async def overtake() -> None:
        await bridge.publish("C", 3)
        await bridge.tell()

    slow.then = overtake

    await tell_current("Value", slow, bridge.large)

    assert bridge.told == ("C", 3)


async def test_a_current_snapshot_without_parquet_has_no_manifest() -> None:
    bridge = await published("A", "B")
    await bridge.large.drop("snapshots/B/")

    await bridge.tell()

    assert bridge.told is None


async def test_a_sweep_and_a_deletion_leave_no_file() -> None:
    bridge = await published("A", "B", "C")

    gone = await sweep_entity("Value", bridge.stores, NOW + 99 * HOUR, keep=2, grace=HOUR)

    assert gone == ["A"]
    assert not [name for name in bridge.large.values if name.startswith("snapshots/A/")]
    assert bridge.told == ("C", 3)
    for table in "BC":
        snapshot = await bridge.entities.get_snapshot("Value", table)
        assert snapshot is not None
    await delete_entity("Value", bridge.stores, None)
    assert bridge.large.values == {}
    with pytest.raises(NotFound):
        await bridge.tell()


@pytest.mark.parametrize(
    ("names", "primary_key", "customer_id"),
    [
        (["id", "n"], "id", "id"),
        (["n", "row", "who"], "row", "who"),
        (["CustomerId", "n"], "CustomerId", "CustomerId"),
        (["CustomerId", "n"], "n", "CustomerId"),
        (["id", "CustomerId"], "id", "id"),
        (["id", "a b", "a-b", "a b", "A_B"], "id", "id"),
    ],
)
async def test_what_readers_see_is_read_back_from_its_manifest(
    names: list[str], primary_key: str, customer_id: str
) -> None:
    found = [FoundColumn(name, names[: i + 1].count(name), EdmType.INT32) for i, name in enumerate(names)]
    schema = decide_schema([found], Wanted(primary_key, customer_id, {}))
    snapshot = Snapshot("Value20261122T060000a1b2", "run-1", schema, 128, 0, 3, NOW, NOW + HOUR)
    entities, files = MemoryEntities(), MemoryLarge()
    await entities.save(Entity("Value", "churn", 128, snapshot))
    await files.put(manifest_path(snapshot.table), json_bytes(Manifest(snapshot.table, (), ()).document()))

    await tell_current("Value", entities, files)

    document = json.loads(files.values["entities/value/current.json"])
    assert parse_current(document) == Current("Value", "churn", snapshot, ())
    former = {name: document[name] for name in document if name not in ("workflow", "createdAt", "buckets", "rejected")}
    assert parse_current(former) == Current("Value", "", replace(snapshot, buckets=64, rejected=0), ())
