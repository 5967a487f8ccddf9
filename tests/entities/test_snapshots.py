"""Publishing, rollback, retention: what readers see, and what is kept."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.conditions import Conditions
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.entities.snapshots import (
    Entity,
    Published,
    Snapshot,
    change_entity,
    check_name,
    claim_entity,
    enough_buckets,
    find_entity,
    publish,
    publish_snapshot,
    roll_back,
    roll_back_entity,
    snapshot_table,
    unpin,
)
from shared.errors import Conflict, InvalidName, NotFound, PreconditionFailed
from tests.entities.fakes import MemoryEntities

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEMA = decide_schema([[FoundColumn("id", 1, None)]], Wanted("id", "id", {}))


def snapshot(table: str, buckets: int = 64) -> Snapshot:
    return Snapshot(table, f"run-{table}", SCHEMA, buckets, 10, 0, START)


def published(*tables: str) -> tuple[Entity, list[Snapshot]]:
    """One after the other, an hour apart, and all still kept."""
    entity = Entity("Value", "w")
    for number, table in enumerate(tables):
        entity = publish(entity, snapshot(table), START + number * HOUR)
    return entity, [replace(snapshot(table), published_at=START + n * HOUR) for n, table in enumerate(tables)]


def current(entity: Entity) -> str:
    assert entity.current is not None
    return entity.current.table


def test_publishing_moves_the_pointer_and_remembers_the_former() -> None:
    entity, _ = published("A", "B")

    assert current(entity) == "B"
    assert entity.current == replace(snapshot("B"), published_at=START + HOUR)
    assert entity.published == (Published("B"), Published("A", START + HOUR))


def test_publishing_again_changes_nothing_even_when_others_came_since() -> None:
    entity, _ = published("A", "B")

    assert publish(entity, snapshot("A"), START + 5 * HOUR) is entity
    assert publish(entity, snapshot("B"), START + 5 * HOUR) is entity


def test_rollback_goes_to_the_former_and_pins() -> None:
    entity, kept = published("A", "B", "C")

    back = roll_back(entity, kept, START + 5 * HOUR)

    assert (current(back), back.is_pinned) == ("B", True)
    assert current(roll_back(back, kept, START + 6 * HOUR)) == "A"


def test_rollback_skips_what_is_no_longer_kept() -> None:
    entity, kept = published("A", "B", "C")

    assert current(roll_back(entity, [kept[0], kept[2]], START)) == "A"


def test_what_was_rolled_back_is_not_published_by_a_late_repetition() -> None:
    entity, kept = published("A", "B")
    back = roll_back(entity, kept, START + 5 * HOUR)

    assert publish(back, snapshot("B"), START + 6 * HOUR) is back
    assert current(publish(unpin(back), snapshot("B"), START + 6 * HOUR)) == "A"
    with pytest.raises(Conflict, match="Value is pinned since a rollback"):
        publish(back, snapshot("C"), START + 6 * HOUR)
    assert current(publish(back, snapshot("C"), START + 6 * HOUR, by_hand=True)) == "C"


@pytest.mark.parametrize("tables", [[], ["A"]])
def test_rollback_without_a_former_is_a_conflict(tables: list[str]) -> None:
    entity, kept = published(*tables)

    with pytest.raises(Conflict, match="no former snapshot"):
        roll_back(entity, kept, START)


def test_the_bucket_count_only_doubles() -> None:
    entity = publish(Entity("Value", "w"), snapshot("A", 256), START)

    assert publish(entity, snapshot("B", 64), START).buckets == 256
    assert [enough_buckets(64, rows) for rows in (0, 3_200_000, 3_200_001, 10**12)] == [64, 64, 128, 65536]


@given(
    st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,62}\Z"),
    st.uuids().map(str),
    st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001
)
def test_a_snapshots_table_is_a_valid_name(entity: str, run: str, at: datetime) -> None:
    name = snapshot_table(check_name(entity), run, at)

    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,62}", name)
    assert name == snapshot_table(entity, run, at)


def test_a_snapshots_table_can_be_read() -> None:
    assert snapshot_table("Customer_Value", "run", START)[:-4] == "CustomerValue20261101T000000"
    assert snapshot_table("CustomerValue", "run", START) != snapshot_table("Customer_Value", "run", START)


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a" * 64, "ä", "a\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="not an entity's name"):
        check_name(name)


async def test_an_entity_belongs_to_one_workflow() -> None:
    store = MemoryEntities()

    assert (await claim_entity(store, "Value", "first")).name == "Value"
    assert (await claim_entity(store, "value", "First")).name == "Value"
    with pytest.raises(Conflict, match="the entity Value is written by the workflow first"):
        await claim_entity(store, "VALUE", "second")


async def test_an_entity_that_its_workflow_left_behind_is_taken_over() -> None:
    store, asked = MemoryEntities(), []
    await claim_entity(store, "Value", "first")

    async def still_writes(workflow: str, entity: str) -> bool:
        asked.append((workflow, entity))
        return False

    assert (await claim_entity(store, "Value", "second", still_writes)).workflow == "second"
    assert asked == [("first", "Value")]
    with pytest.raises(Conflict, match="by the workflow second"):
        await claim_entity(store, "Value", "first")


async def test_an_unknown_entity_is_told_with_the_names_there_are() -> None:
    store = MemoryEntities()
    with pytest.raises(NotFound, match="there is none yet"):
        await find_entity(store, "Vlaue")
    await claim_entity(store, "Value", "w")
    with pytest.raises(NotFound, match="no entity is called 'Vlaue'; there are: Value"):
        await find_entity(store, "Vlaue")


async def test_changes_of_two_processes_are_both_kept() -> None:
    store = MemoryEntities()
    await claim_entity(store, "Value", "w")

    await asyncio.gather(*(publish_snapshot(store, "Value", snapshot(table), START) for table in "ABCDE"))
    await change_entity(store, "Value", lambda entity: replace(entity, is_pinned=True))

    entity = await find_entity(store, "value")
    assert {known.table for known in entity.published} == set("ABCDE")
    assert entity.is_pinned


async def test_a_run_that_finishes_beside_a_rollback_does_not_undo_it() -> None:
    class Slow(MemoryEntities):
        """A rollback comes between a publish's look and its write."""

        async def save_snapshot(self, entity: str, snapshot: Snapshot) -> None:
            await super().save_snapshot(entity, snapshot)
            if snapshot.table == "C" and snapshot.published_at:
                await roll_back_entity(self, entity, START + 2 * HOUR)

    store = Slow()
    await claim_entity(store, "Value", "w")
    for table in "AB":
        await publish_snapshot(store, "Value", snapshot(table), START)

    with pytest.raises(Conflict, match="pinned"):
        await publish_snapshot(store, "Value", snapshot("C"), START + 2 * HOUR)

    assert current(await find_entity(store, "Value")) == "A"
    assert await store.get_snapshot("Value", "C") == snapshot("C")


async def test_a_rollback_is_done_once_for_its_operation_even_beside_others() -> None:
    store = MemoryEntities()
    await claim_entity(store, "Value", "w")
    for number, table in enumerate("ABCDE"):
        await publish_snapshot(store, "Value", snapshot(table), START + number * HOUR)

    async def back(operation_id: str | None) -> Entity:
        return await roll_back_entity(store, "Value", START + 9 * HOUR, operation_id=operation_id)

    await asyncio.gather(*(back("one") for _ in range(3)))
    assert current(await find_entity(store, "Value")) == "D"
    assert current(await back("two")) == "C"
    assert current(await back("one")) == "C"
    assert current(await back(None)) == "B"
    assert current(await back("two")) == "B"


async def test_a_rollback_from_what_is_no_longer_so_is_refused() -> None:
    store = MemoryEntities()
    await claim_entity(store, "Value", "w")
    for number, table in enumerate("ABC"):
        await publish_snapshot(store, "Value", snapshot(table), START + number * HOUR)
    seen = Conditions(if_match=(await find_entity(store, "Value")).etag)

    assert current(await roll_back_entity(store, "Value", START, conditions=seen)) == "B"
    with pytest.raises(PreconditionFailed):
        await roll_back_entity(store, "Value", START, conditions=seen)

    rolled = await find_entity(store, "Value")
    assert current(rolled) == "B"
    assert rolled.etag != unpin(rolled).etag


async def test_rollback_finds_the_snapshots_that_are_kept() -> None:
    store = MemoryEntities()
    await claim_entity(store, "Value", "w")
    for number, table in enumerate("AB"):
        await publish_snapshot(store, "Value", snapshot(table), START + number * HOUR)

    back = await roll_back_entity(store, "Value", START + 3 * HOUR)

    assert (current(back), back.is_pinned) == ("A", True)
    assert back.current == replace(snapshot("A"), published_at=START)
