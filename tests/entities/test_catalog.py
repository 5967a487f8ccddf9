"""Entities as a whole: deletion that may be cut short, and pages of rejects."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from shared.entities.catalog import REJECTS_PAGE, KeptEntity, delete_entity, read_rejects
from shared.entities.retention import SnapshotStores
from shared.entities.rows import Origin, Reject
from shared.entities.snapshots import Entity, claim_entity
from shared.errors import Conflict, NotFound, StorageUnavailable
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryRejects, MemoryRows
from tests.entities.test_retention import left, stored
from tests.entities.test_snapshots import START, snapshot


@dataclass
class FailingRejects(MemoryRejects):
    """Once."""

    has_failed: bool = False

    async def drop(self, table: str) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise StorageUnavailable("table storage did not answer")
        await super().drop(table)


@dataclass
class ContestedEntities(MemoryEntities):
    """Someone else writes the pointer just before it is first deleted."""

    is_contested: bool = True

    async def delete(self, entity: Entity) -> bool:
        if self.is_contested:
            self.is_contested = False
            assert await self.save(replace(entity, is_pinned=True))
            return False
        return await super().delete(entity)


async def test_a_deletion_that_was_cut_short_is_finished_by_the_next() -> None:
    stores = await stored("A", "B")
    failing = replace(stores, rejects=FailingRejects())

    with pytest.raises(StorageUnavailable):
        await delete_entity("Value", failing, None)
    assert await stores.entities.get("Value") is not None
    await delete_entity("value", stores, None)

    assert await stores.entities.get("Value") is None
    assert [left(stores, table) for table in "AB"] == [[False] * 4] * 2


async def test_a_deletion_meets_a_pointer_that_moved_and_starts_anew() -> None:
    stores = SnapshotStores(ContestedEntities(), MemoryRows(), MemoryLarge(), MemoryRejects())
    await claim_entity(stores.entities, "Value", "w")

    await delete_entity("Value", stores, None)

    assert await stores.entities.get("Value") is None


async def test_nothing_goes_while_a_workflow_writes_the_entity() -> None:
    stores = await stored("A")

    with pytest.raises(Conflict, match="the workflow w writes the entity Value"):
        await delete_entity("Value", stores, "w")
    with pytest.raises(NotFound, match="no entity is called 'Other'"):
        await delete_entity("Other", stores, "w")

    assert left(stores, "A") == [True] * 4


@pytest.mark.parametrize(("more", "is_last"), [(-1, True), (0, True), (1, False)])
async def test_a_full_page_of_rejects_that_is_the_last_has_no_link(more: int, is_last: bool) -> None:
    stores = await stored("A")
    await stores.rejects.drop("A")
    await stores.rejects.add("A", [Reject(Origin(0, line), "f", "why") for line in range(REJECTS_PAGE + more)])

    page = await read_rejects("Value", stores)

    assert (len(page.rejects), page.is_last) == (min(REJECTS_PAGE, REJECTS_PAGE + more), is_last)
    assert ("nextLink" in page.render("https://bridge.example")) is not is_last


@pytest.mark.parametrize(
    ("max_age", "is_published", "is_stale"),
    [(None, True, False), (None, False, False), (timedelta(hours=1), True, True), (timedelta(days=9), True, False),
     (timedelta(days=9), False, True)],
)  # fmt: skip
def test_what_is_older_than_its_workflow_wants_is_stale(
    max_age: timedelta | None, is_published: bool, is_stale: bool
) -> None:
    current = replace(snapshot("A"), published_at=START) if is_published else None
    kept = KeptEntity(Entity("Value", "w", current=current), [])

    rendered = kept.render(max_age, START + timedelta(days=1))

    assert rendered["stale"] is is_stale
    assert current is None or rendered["current"]["parquet"] == "bridge/snapshots/A/rows/"
