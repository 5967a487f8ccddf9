"""Pointers, snapshots and rejects on Azurite."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shared.entities.rows import Origin, Reject
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.entities.snapshots import (
    Entity,
    Snapshot,
    claim_entity,
    give_up,
    publish,
    publish_snapshot,
    roll_back_entity,
)
from shared.entities.values import EdmType
from shared.storage.entities import TableEntities
from tests.storage.accounts import Storage

NOW = datetime(2026, 11, 21, 6, 0, 0, 123456, tzinfo=UTC)
LONG = [FoundColumn("ü" * 200 + str(number), 1, EdmType.DOUBLE) for number in range(247)]
WIDE = decide_schema([[FoundColumn("id", 1, None), *LONG]], Wanted("id", "id", {}))


def snapshot(table: str) -> Snapshot:
    return Snapshot(table, "run", WIDE, 128, 10, 2, NOW)


def entities(storage: Storage) -> TableEntities:
    return TableEntities(storage.tables)


async def test_an_entity_and_its_widest_schema_come_back(storage: Storage) -> None:
    store = entities(storage)
    entity = publish(publish(Entity("Wide", "w"), snapshot("A"), NOW), snapshot("B"), NOW + timedelta(hours=1))
    entity = replace(give_up(entity, ["A", "C"]), rollbacks=("a", "b"))

    assert await store.save(entity)
    found = await store.get("wIDE")

    assert found is not None
    assert found == replace(entity, version=found.version)
    assert found.version


async def test_a_pointer_moves_only_from_where_it_was_seen(storage: Storage) -> None:
    store = entities(storage)

    assert await store.save(Entity("Moves", "w"))
    assert not await store.save(Entity("moves", "other"))
    seen = await store.get("Moves")
    assert seen is not None
    assert await store.save(replace(seen, is_pinned=True))
    assert not await store.save(replace(seen, workflow="other"))
    assert not await store.delete(seen)
    seen = await store.get("Moves")
    assert seen is not None
    assert (seen.is_pinned, seen.workflow) == (True, "w")
    assert await store.delete(seen)
    assert await store.get("Moves") is None


async def test_publish_and_rollback_over_storage(storage: Storage) -> None:
    store = entities(storage)
    await claim_entity(store, "Rolls", "w")
    for hours, table in enumerate("AB"):
        await publish_snapshot(store, "rolls", snapshot(table), NOW + timedelta(hours=hours))

    back = await roll_back_entity(store, "ROLLS", NOW)

    assert back.current == replace(snapshot("A"), published_at=NOW)
    assert [known.table for known in await store.list_snapshots("Rolls")] == ["A", "B"]
    assert await store.get_snapshot("Rolls", "B") == replace(snapshot("B"), published_at=NOW + timedelta(hours=1))
    await store.delete_snapshot("Rolls", "B")
    assert await store.get_snapshot("Rolls", "B") is None
    assert "Rolls" in [entity.name for entity in await store.list()]


async def test_rejects_are_kept_once_each_in_the_order_of_files_and_lines(storage: Storage) -> None:
    store = storage.imports.rejects
    rejects = [
        Reject(Origin(file, line), f"f{file}", "why", line % 2 == 0) for file in (10, 2) for line in range(150, 0, -1)
    ]

    await store.add("RejectsA", [])
    await store.add("RejectsA", rejects)
    await store.add("RejectsA", rejects[:120])

    assert [reject async for reject in store.list("RejectsA")] == sorted(rejects, key=lambda reject: reject.origin)
    assert await store.count("RejectsA") == 300
    assert await store.count("RejectsB") == 0
    await store.add("RejectsA", [Reject(Origin(99, 1), "", "erased", is_erased=True)])
    assert [reject.origin.file async for reject in store.list("RejectsA", Origin(10, 149))] == [10]
    assert (await store.count("RejectsA"), await store.count_erased("RejectsA")) == (301, 1)
    await store.drop("RejectsA")
    await store.drop("RejectsA")
    assert await store.count("RejectsA") == 0


async def test_a_snapshot_that_is_published_stays_so_whatever_a_late_step_saves(storage: Storage) -> None:
    """Two looks at the same run judge its rows; the slower one writes what it read before the faster one published."""
    store = entities(storage)
    late = snapshot("ValueLate")
    await claim_entity(store, "Late", "w")
    await store.save_snapshot("Late", late)
    await publish_snapshot(store, "Late", late, NOW)

    await asyncio.gather(*(store.save_snapshot("Late", replace(late, rows=rows)) for rows in (5, 6, 7)))

    [kept] = await store.list_snapshots("Late")
    assert kept.published_at == NOW
    await store.withdraw_snapshot("Late", kept)
    [kept] = await store.list_snapshots("Late")
    assert kept.published_at is None
