"""Pointers for readers: asked for once a second, and new at once where this process moved them."""

from dataclasses import dataclass, field

from shared.entities.recent import RecentEntities
from shared.entities.snapshots import Entity
from tests.entities.fakes import MemoryEntities


@dataclass
class Counted(MemoryEntities):
    asked: list[str] = field(default_factory=list)

    async def get(self, name: str) -> Entity | None:
        self.asked.append(name)
        return await super().get(name)


class Clock:
    now = 10.0

    def __call__(self) -> float:
        return self.now


async def stored() -> tuple[Counted, Clock, RecentEntities]:
    store, clock = Counted(), Clock()
    await store.save(Entity("Value", "churn"))
    return store, clock, RecentEntities(store, clock)


async def test_many_readers_ask_storage_once_a_second() -> None:
    store, clock, recent = await stored()

    for moment in (10.0, 10.5, 10.9, 11.0, 11.9):
        clock.now = moment
        found = await recent.get("value")
        assert found is not None
        assert found.workflow == "churn"

    assert len(store.asked) == 2


async def test_what_was_moved_here_is_read_anew() -> None:
    store, clock, recent = await stored()
    await recent.get("Value")

    recent.forget("VALUE")
    clock.now += 0.1
    await recent.get("Value")

    assert len(store.asked) == 2


async def test_what_is_not_there_is_asked_for_each_time() -> None:
    store, _, recent = await stored()

    assert (await recent.get("Other"), await recent.get("Other")) == (None, None)
    assert store.asked == ["Other", "Other"]


async def test_an_answer_that_was_under_way_while_the_pointer_moved_is_not_kept() -> None:
    store, clock, recent = await stored()
    asked = recent.get("Value")

    recent.forget("Value")
    await asked
    clock.now += 0.1
    await recent.get("Value")
    await recent.get("Value")

    assert len(store.asked) == 2
