"""Which snapshots retention drops, and what is left of one that went."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from shared.entities.retention import SnapshotStores, drop_snapshot, drop_unpublished, dropped, sweep_entity
from shared.entities.rows import Origin, Reject, SnapshotTable, large_name
from shared.entities.snapshots import (
    Entity,
    Snapshot,
    claim_entity,
    find_entity,
    publish_snapshot,
    roll_back,
    roll_back_entity,
)
from shared.errors import Conflict, Gone
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


class Beside(MemoryEntities):
    """What another process does before a write of the pointer, or after a look at the snapshots; each once."""

    before_save: Callable[[], Awaitable[object]] | None = None
    after_list: Callable[[], Awaitable[object]] | None = None

    async def save(self, entity: Entity) -> bool:
        happens, self.before_save = self.before_save, None
        if happens is not None:
            await happens()
        return await super().save(entity)

    async def list_snapshots(self, entity: str) -> Sequence[Snapshot]:
        found = await super().list_snapshots(entity)
        happens, self.after_list = self.after_list, None
        if happens is not None:
            await happens()
        return found


async def stored(
    *tables: str, entities: MemoryEntities | None = None, rows: MemoryRows | None = None
) -> SnapshotStores:
    """An entity whose snapshots have left something everywhere."""
    stores = SnapshotStores(entities or MemoryEntities(), rows or MemoryRows(), MemoryLarge(), MemoryRejects())
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


async def sweep(stores: SnapshotStores, keep: int = 1) -> list[str]:
    return await sweep_entity("Value", stores, START + 99 * HOUR, keep=keep, grace=HOUR)


async def test_a_snapshot_that_a_rollback_made_current_meanwhile_stays_whole() -> None:
    entities = Beside()
    stores = await stored("A", "B", "C", entities=entities)
    entities.before_save = lambda: roll_back_entity(entities, "Value", START + 99 * HOUR)

    gone = await sweep(stores)

    assert current(await find_entity(entities, "Value")) == "B"
    assert gone == ["A"]
    assert left(stores, "B") == [True] * 4


async def test_no_rollback_leads_to_a_snapshot_of_which_a_part_is_gone() -> None:
    class Watched(MemoryRows):
        async def drop(self, table: str) -> None:
            await super().drop(table)
            with pytest.raises(Conflict, match=r"still kept \(B is past its retention, and is being dropped\)"):
                await roll_back_entity(entities, "Value", START)
            refused.append(table)

    entities, refused = MemoryEntities(), list[str]()
    stores = await stored("A", "B", "C", entities=entities, rows=Watched())

    assert sorted(await sweep(stores)) == sorted(refused) == ["A", "B"]
    assert current(await find_entity(entities, "Value")) == "C"


async def test_a_rollback_that_saw_a_snapshot_before_it_went_does_not_take_it() -> None:
    entities = Beside()
    stores = await stored("A", "B", entities=entities)
    entities.after_list = lambda: sweep(stores)

    with pytest.raises(Conflict, match="no former snapshot"):
        await roll_back_entity(entities, "Value", START)

    assert left(stores, "A") == [False] * 4
    assert current(await find_entity(entities, "Value")) == "B"


async def test_a_rollback_goes_past_what_is_being_dropped() -> None:
    entity, kept = published("A", "B", "C")

    assert current(roll_back(replace(entity, dropped=("B",)), kept, START)) == "A"


async def test_what_a_sweep_that_died_has_given_up_goes_with_the_next() -> None:
    class Dying(MemoryRows):
        async def drop(self, table: str) -> None:
            if not died:
                died.append(table)
                raise SystemError("killed")
            await super().drop(table)

    died: list[str] = []
    stores = await stored("A", "B", "C", rows=Dying())
    with pytest.raises(SystemError):
        await sweep(stores, keep=2)
    assert (await find_entity(stores.entities, "Value")).dropped == ("A",)

    assert await sweep(stores, keep=3) == ["A"]
    assert left(stores, "A") == [False] * 4


async def test_what_was_dropped_before_anybody_saw_it_is_not_published_late() -> None:
    stores = await stored("A")
    await stores.entities.save_snapshot("Value", replace(snapshot("B"), published_at=START))
    assert await sweep(stores) == ["B"]

    with pytest.raises(Gone, match="the rows of the run run-B have been dropped; refresh the workflow"):
        await publish_snapshot(stores.entities, "Value", snapshot("B"), START + 100 * HOUR)

    assert current(await find_entity(stores.entities, "Value")) == "A"


async def test_a_run_that_failed_after_its_publish_leaves_readers_their_rows() -> None:
    stores = await stored("A", "B")
    await stores.entities.save_snapshot("Value", snapshot("C"))

    for table in "ABC":
        await drop_unpublished("Value", table, stores)

    assert left(stores, "A") == left(stores, "B") == [True] * 4
    assert left(stores, "C") == [False] * 4
    assert (await find_entity(stores.entities, "Value")).dropped == ("C",)


async def test_what_a_run_has_left_of_an_entity_that_is_no_more_goes_all_the_same() -> None:
    stores = await stored("A")
    await stores.entities.delete(await find_entity(stores.entities, "Value"))

    await drop_unpublished("Value", "A", stores)

    assert left(stores, "A") == [False] * 4
