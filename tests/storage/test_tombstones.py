"""Tombstones on Azurite: the first one stands, each change makes another version, the secret is made once."""

import asyncio
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.entities.tombstones import Tombstone
from shared.storage.tombstones import TableTombstones

NOW = datetime(2026, 11, 21, tzinfo=UTC)


async def test_the_secret_is_made_once_whoever_comes_first(service: TableServiceClient) -> None:
    store = TableTombstones(service)

    made = await asyncio.gather(*(store.secret() for _ in range(8)))

    assert len(made[0]) == 32
    assert {*made, await TableTombstones(service).secret()} == {made[0]}


async def test_an_account_without_tombstones_has_none(service: TableServiceClient) -> None:
    store = TableTombstones(service)

    assert (await store.version(), list(await store.list()), await store.remove("aa")) == ("", [], False)


async def test_tombstones_come_and_go_and_each_change_is_another_version(service: TableServiceClient) -> None:
    store = TableTombstones(service)
    versions = [await store.version()]

    await asyncio.gather(*(store.add(Tombstone(mark, NOW)) for mark in ("aa", "bb")))
    versions.append(await store.version())
    assert await store.list() == [Tombstone("aa", NOW), Tombstone("bb", NOW)]

    assert await store.add(Tombstone("aa", NOW.replace(hour=3))) == Tombstone("aa", NOW)
    assert await store.version() == versions[-1]

    assert [await store.remove("aa"), await store.remove("aa")] == [True, False]
    versions.append(await store.version())
    assert await store.list() == [Tombstone("bb", NOW)]
    assert len(set(versions)) == 3


async def test_another_installations_secret_is_taken_over_unless_marks_were_made_with_the_own_one(
    service: TableServiceClient,
) -> None:
    store = TableTombstones(service)
    assert await store.adopt(b"first" * 8)
    assert await store.adopt(b"other" * 8)
    assert await store.secret() == b"other" * 8

    await store.add(Tombstone("ab" * 32, NOW))

    assert await store.adopt(b"other" * 8)
    assert not await store.adopt(b"first" * 8)
    assert await store.secret() == b"other" * 8
