"""Reader keys: the same claims for those in memory that other tests rely on and for Table storage."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.data.tables.aio import TableServiceClient

from shared.entities.reader_keys import ReaderKey, ReaderKeyStore
from shared.storage.reader_keys import TableReaderKeys
from tests.entities.reader_fakes import NOW, MemoryReaderKeys, reader_key


@pytest.fixture(params=["memory", "table"])
def store(request: pytest.FixtureRequest) -> ReaderKeyStore:
    if request.param == "memory":
        return MemoryReaderKeys()
    service: TableServiceClient = request.getfixturevalue("service")
    return TableReaderKeys(service)


def unversioned(key: ReaderKey | None) -> ReaderKey | None:
    return key and replace(key, version="")


async def test_a_store_begins_empty(store: ReaderKeyStore) -> None:
    assert await store.list() == []
    assert await store.get("sales") is None
    assert await store.find(reader_key().id) is None


@pytest.mark.parametrize(
    "key",
    [reader_key(), reader_key(expires_at=NOW + timedelta(days=1), last_used_at=NOW, created_by="Zoë 北京")],
    ids=["bare", "full"],
)
async def test_a_key_comes_back_as_it_was_by_name_and_by_id(store: ReaderKeyStore, key: ReaderKey) -> None:
    assert await store.add(key)

    assert unversioned(await store.get("SALES")) == key
    assert unversioned(await store.find(key.id)) == key
    assert [unversioned(each) for each in await store.list()] == [key]


async def test_of_many_who_take_a_name_together_one_gets_it(store: ReaderKeyStore) -> None:
    wanted = [reader_key(name, letter) for name, letter in zip(("Sales", "sales") * 4, "abcdefgh", strict=True)]

    taken = await asyncio.gather(*(store.add(key) for key in wanted))

    assert taken.count(True) == 1
    assert [unversioned(key) for key in await store.list()] == [wanted[taken.index(True)]]


async def test_a_removed_key_is_gone_and_its_name_free(store: ReaderKeyStore) -> None:
    await store.add(reader_key())
    await store.add(reader_key("other", "b"))

    assert await store.remove(reader_key())

    assert not await store.remove(reader_key())
    assert await store.find(reader_key().id) is None
    assert [key.name for key in await store.list()] == ["other"]
    assert await store.add(reader_key(letter="c"))


async def test_use_is_written_to_the_key_as_it_was_read_alone(store: ReaderKeyStore) -> None:
    await store.add(reader_key())
    read = await store.get("sales")
    assert read is not None

    await store.mark_used(read, NOW)
    await store.mark_used(read, NOW + timedelta(hours=1))

    told = await store.get("sales")
    assert told is not None
    assert told.last_used_at == NOW
    await store.remove(told)
    await store.mark_used(told, NOW)
    assert await store.list() == []


async def test_keys_are_listed_by_name(store: ReaderKeyStore) -> None:
    for name, letter in (("b", "a"), ("C", "b"), ("A", "c")):
        await store.add(reader_key(name, letter))

    assert [key.name for key in await store.list()] == ["A", "b", "C"]
