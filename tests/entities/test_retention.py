"""Which snapshots retention drops, and what is left of one that went."""

from dataclasses import replace

import pytest

from shared.entities.retention import SnapshotStores, drop_snapshot, dropped, sweep_entity
from shared.entities.rows import Origin, Reject, SnapshotTable, large_name
from shared.entities.snapshots import claim_entity, publish_snapshot, roll_back
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryRejects, MemoryRows
from tests.entities.test_snapshots import HOUR, SCHEMA, START, current, published, snapshot


@pytest.mark.parametrize(
    ("hours", "gone"),
    [
        (3, []),  # C has been current for no hour, B was so until now
        (4.5, ["A"]),
        (99, ["A", "B"]),
    ],
)
def test_retention_keeps_the_newest_and_what_readers_may_still_page_through(hours: float, gone: list[str]) -> None:
    entity, kept = published("A", "B", "C", "D")

    found = dropped(entity, kept, START + hours * HOUR, keep=2, grace=3 * HOUR)

    assert [known.table for known in found] == gone


def test_retention_keeps_what_a_rollback_brought_back_and_what_is_held() -> None:
    entity, kept = published("A", "B", "C", "D")
    back = roll_back(roll_back(roll_back(entity, kept, START), kept, START), kept, START)
    held = snapshot("E")

    found = dropped(back, [*kept, held], START + 99 * HOUR, keep=2, grace=HOUR)

    assert (current(back), [known.table for known in found]) == ("A", ["B"])


def test_retention_keeps_what_is_about_to_be_published() -> None:
    entity, kept = published("A", "B", "C")
    saved = replace(snapshot("D"), published_at=START + 90 * HOUR)

    assert dropped(entity, [*kept, saved], START + 91 * HOUR, keep=3, grace=3 * HOUR) == []
    assert dropped(entity, [*kept, saved], START + 99 * HOUR, keep=3, grace=3 * HOUR) == [saved]


async def stored(*tables: str) -> SnapshotStores:
    """An entity whose snapshots have left something everywhere."""
    stores = SnapshotStores(MemoryEntities(), MemoryRows(), MemoryLarge(), MemoryRejects())
    await claim_entity(stores.entities, "Value", "w")
    for number, table in enumerate(tables):
        await stores.rows.create(SnapshotTable(table, SCHEMA, 4))
        await stores.large.put(large_name(table, Origin(0, 2), 1), b"x")
        await stores.rejects.add(table, [Reject(Origin(0, 3), "f", "why")])
        await publish_snapshot(stores.entities, "Value", snapshot(table), START + number * HOUR)
    return stores


def left(stores: SnapshotStores, table: str) -> list[bool]:
    entities, rows, large, rejects = stores.entities, stores.rows, stores.large, stores.rejects
    assert isinstance(entities, MemoryEntities)
    assert isinstance(rows, MemoryRows)
    assert isinstance(large, MemoryLarge)
    assert isinstance(rejects, MemoryRejects)
    return [
        ("value", table) in entities.snapshots,
        table in rows.tables,
        any(table in name for name in large.values),
        table in rejects.rejects,
    ]


async def test_a_sweep_leaves_nothing_of_what_it_drops() -> None:
    stores = await stored("A", "B", "C")

    gone = await sweep_entity("Value", stores, START + 99 * HOUR, keep=2, grace=HOUR)

    assert gone == ["A"]
    assert left(stores, "A") == [False] * 4
    assert left(stores, "B") == left(stores, "C") == [True] * 4
    assert await sweep_entity("Value", stores, START + 99 * HOUR, keep=2, grace=HOUR) == []


async def test_a_snapshot_may_be_dropped_again() -> None:
    stores = await stored("A", "B")

    await drop_snapshot("Value", "A", stores)
    await drop_snapshot("Value", "A", stores)

    assert left(stores, "A") == [False] * 4
