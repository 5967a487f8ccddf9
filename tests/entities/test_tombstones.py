"""Tombstones: keyed hashes, known to a process for two seconds, and what they hide from readers."""

import asyncio

import pytest

from shared.entities.tombstones import LIFETIME, Erased, Tombstone, Tombstones, mark_of
from shared.errors import NotFound, StorageUnavailable
from tests.entities.fakes import MemoryTombstones
from tests.entities.kept import NOW, Kept

THREE = "id,n\na,1\nb,2\nc,3\n"


def test_a_mark_tells_nothing_without_the_secret() -> None:
    assert mark_of("a", b"one") != mark_of("a", b"two")
    assert mark_of("a", b"one") == mark_of("a", b"one") != mark_of("A", b"one")
    assert len(mark_of("\ud800 🙂", b"one")) == 64


def test_where_nobody_was_erased_nothing_is_hashed() -> None:
    class Unhashable(str):
        def encode(self, *args: str, **kwargs: str) -> bytes:
            raise AssertionError

    assert not Erased(b"s").has(Unhashable("a"))


async def test_a_process_looks_again_after_two_seconds_and_lists_only_what_changed() -> None:
    kept = Kept()
    for _ in range(5):
        await kept.tombstones.erased()
    assert kept.marks.looks == 1
    kept.later()

    await asyncio.gather(*(kept.tombstones.erased() for _ in range(50)))

    assert kept.marks.looks == 2


async def test_a_process_knows_its_own_tombstone_at_once_and_anothers_in_two_seconds() -> None:
    kept = Kept()
    other = kept.process()
    assert not (await other.erased()).has("a")

    await kept.tombstones.set("a", NOW)

    assert (await kept.tombstones.erased()).has("a")
    assert not (await other.erased()).has("a")
    kept.clock = LIFETIME
    assert (await other.erased()).has("a")
    assert not (await other.erased()).has("b")
    assert await other.lift("a")
    assert not await other.lift("a")
    assert not (await other.erased()).has("a")


async def test_the_first_tombstone_of_a_customer_stands() -> None:
    kept = Kept()
    first = await kept.tombstones.set("a", NOW)

    again = await kept.tombstones.set("a", NOW.replace(hour=5))

    assert first == again == Tombstone(mark_of("a", b"of the installation"), NOW)


@pytest.mark.parametrize("page_size", [1000, 1])
async def test_rows_that_lie_there_are_hidden_from_every_read(page_size: int) -> None:
    kept = Kept(page_size)
    await kept.publish(THREE)
    await kept.tombstones.set("b", NOW)

    found: list[str] = []
    page = await kept.get()
    found += [row["CustomerId"] for row in page["value"]]
    while link := page.get("@odata.nextLink"):
        page = await kept.get("Value", link.partition("?")[2])
        found += [row["CustomerId"] for row in page["value"]]

    assert (sorted(found), kept.stored()) == (["a", "c"], ["a", "b", "c"])
    assert (await kept.get("Value", "$filter=CustomerId eq 'b'"))["value"] == []
    assert await kept.get("Value/$count", "$filter=CustomerId eq 'b'") == 0
    with pytest.raises(NotFound):
        await kept.get("Value('b')")
    assert (await kept.get("Value('a')"))["n"] == 1


async def test_top_counts_rows_that_are_seen() -> None:
    kept = Kept()
    await kept.publish("id,n\n" + "".join(f"c{number:03d},1\n" for number in range(40)))
    hidden = {f"c{number:03d}" for number in range(0, 40, 2)}
    for customer in hidden:
        await kept.tombstones.set(customer, NOW)

    page = await kept.get("Value", "$top=5")
    found = page["value"]
    while link := page.get("@odata.nextLink"):
        page = await kept.get("Value", link.partition("?")[2])
        found += page["value"]

    assert len(found) == 5
    assert not hidden & {row["CustomerId"] for row in found}


async def test_a_lifted_tombstone_hides_nothing() -> None:
    kept = Kept()
    await kept.publish(THREE)
    await kept.tombstones.set("b", NOW)
    await kept.tombstones.lift("b")

    assert sorted(await kept.ids()) == ["a", "b", "c"]


async def test_a_look_that_had_begun_before_the_tombstone_does_not_count() -> None:
    looked, go_on = asyncio.Event(), asyncio.Event()

    class Slow(MemoryTombstones):
        async def version(self) -> str:
            version = await super().version()
            looked.set()
            await go_on.wait()
            return version

    tombstones = Tombstones(Slow(), lambda: 0.0)
    early = asyncio.create_task(tombstones.erased())
    await looked.wait()
    await tombstones.set("a", NOW)
    late = asyncio.create_task(tombstones.erased())
    await asyncio.sleep(0)
    go_on.set()

    assert not (await early).has("a")
    assert (await late).has("a")


async def test_storage_that_is_away_is_asked_once_for_all_who_wait_and_nobody_reads_without_it() -> None:
    class Away(MemoryTombstones):
        async def version(self) -> str:
            await super().version()
            await asyncio.sleep(0)
            raise StorageUnavailable("table storage did not answer")

    store = Away()
    tombstones = Tombstones(store, lambda: 0.0)

    found = await asyncio.gather(*(tombstones.erased() for _ in range(20)), return_exceptions=True)

    assert [type(each) for each in found] == [StorageUnavailable] * 20
    assert store.looks == 1
