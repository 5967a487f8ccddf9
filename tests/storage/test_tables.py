"""Table storage as Azurite has it, and as it is when it is not there."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError
from azure.data.tables.aio import TableServiceClient

from shared.errors import ConfigurationError, StorageUnavailable
from shared.storage.tables import Table, connect
from tests.support.azurite import KEY, connection_string
from tests.support.identity import no_identity
from tests.support.ports import free_port

ETAG = "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\""
OTHER_KEY = "c2VudGluZWwta2V5LW9mLXN0b3JhZ2U="

type Ask = Callable[[Table], Awaitable[object]]


async def rows(table: Table, partition: str = "p") -> list[str]:
    return [row["RowKey"] async for row in table.query(partition)]


EVERY_CALL: list[Ask] = [
    lambda table: table.get("p", "r"),
    rows,
    lambda table: table.insert("p", "r", {}),
    lambda table: table.upsert("p", "r", {}),
    lambda table: table.replace("p", "r", {}, ETAG),
    lambda table: table.delete("p", "r"),
]
NAMES = ["get", "query", "insert", "upsert", "replace", "delete"]


# Rows


async def test_insert_once(table: Table) -> None:
    assert await table.insert("p", "r", {"A": 1})
    assert not await table.insert("p", "r", {"A": 2})

    row = await table.get("p", "r")
    assert row is not None
    assert (row["A"], row["V"], row["PartitionKey"], row["RowKey"]) == (1, 1, "p", "r")


async def test_upsert_replaces_the_whole_row(table: Table) -> None:
    await table.upsert("p", "r", {"A": 1, "B": 1})
    await table.upsert("p", "r", {"A": 2})

    row = await table.get("p", "r")
    assert row is not None
    assert (row["A"], "B" in row) == (2, False)


async def test_replace_only_what_was_read(table: Table) -> None:
    await table.insert("p", "r", {"A": 1})
    read = await table.get("p", "r")
    assert read is not None

    assert await table.replace("p", "r", {"A": 2}, read.etag)
    assert not await table.replace("p", "r", {"A": 3}, read.etag)


async def test_replace_of_what_is_gone(table: Table) -> None:
    await table.insert("p", "r", {"A": 1})
    read = await table.get("p", "r")
    assert read is not None
    await table.delete("p", "r")

    assert not await table.replace("p", "r", {"A": 2}, read.etag)


async def test_delete_only_what_was_read(table: Table) -> None:
    await table.insert("p", "r", {"A": 1})
    read = await table.get("p", "r")
    assert read is not None
    await table.upsert("p", "r", {"A": 2})

    assert not await table.delete("p", "r", read.etag)
    assert await table.delete("p", "r")
    assert await table.get("p", "r") is None


async def test_query_gives_one_partition_in_the_order_of_its_keys(table: Table) -> None:
    for partition, row in (("p", "b"), ("p", "a"), ("q", "c"), ("p' or 1 eq 1", "d")):
        await table.insert(partition, row, {})

    assert await rows(table) == ["a", "b"]
    assert await rows(table, "p' or 1 eq 1") == ["d"]


async def test_one_of_ten_who_insert_together_wins(table: Table) -> None:
    won = await asyncio.gather(*(table.insert("p", "r", {"A": number}) for number in range(10)))

    assert won.count(True) == 1


# Tables that are not there yet


async def test_nothing_is_found_in_a_table_that_does_not_exist(table: Table) -> None:
    assert await table.get("p", "r") is None
    assert await rows(table) == []
    assert await table.delete("p", "r")
    assert not await table.replace("p", "r", {}, ETAG)


@pytest.mark.parametrize("write", [EVERY_CALL[2], EVERY_CALL[3]], ids=["insert", "upsert"])
async def test_the_first_write_makes_the_table(table: Table, write: Ask) -> None:
    await write(table)

    assert await rows(table) == ["r"]


async def test_first_writes_at_the_same_time(table: Table) -> None:
    await asyncio.gather(*(table.insert("p", str(number), {}) for number in range(10)))

    assert len(await rows(table)) == 10


# Storage in trouble


@pytest.mark.parametrize("ask", EVERY_CALL, ids=NAMES)
async def test_storage_that_is_away_is_told_soon_and_with_a_cure(ask: Ask) -> None:
    async with connect(connection_string(table=free_port()), "", no_identity) as service:
        started = time.monotonic()
        with pytest.raises(StorageUnavailable) as raised:
            await ask(Table(service, "bridgeskills"))

    assert time.monotonic() - started < 3
    assert raised.value.message == (
        "table storage did not answer at the table bridgeskills; try again, and check the account's network rules"
    )


@contextmanager
def port_that_swallows() -> Iterator[int]:
    """Its backlog is full, so that packets are dropped, as a firewall drops them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_storage_that_swallows_connections_is_told_within_three_seconds() -> None:
    with port_that_swallows() as port:
        async with connect(connection_string(table=port), "", no_identity) as service:
            started = time.monotonic()
            with pytest.raises(StorageUnavailable):
                await Table(service, "bridgeskills").get("p", "r")

    assert 1 < time.monotonic() - started < 4


@pytest.mark.filterwarnings("ignore:Testing an element's truth value:DeprecationWarning")  # in the SDK
@pytest.mark.parametrize("ask", EVERY_CALL, ids=NAMES)
async def test_a_refusal_names_the_role_and_the_setting(azurite: str, ask: Ask) -> None:
    async with connect(azurite.replace(KEY, OTHER_KEY), "", no_identity) as service:
        with pytest.raises(StorageUnavailable) as raised:
            await ask(Table(service, "bridgeskills"))

    assert "refused this app at the table bridgeskills (403)" in raised.value.message
    assert "Storage Table Data Contributor" in raised.value.message
    assert "BRIDGE_STORAGE" in raised.value.message
    assert OTHER_KEY not in raised.value.message


class NoToken:
    """What azure-identity is without an identity."""

    async def get_token(self, *scopes: str, **_: object) -> AccessToken:
        raise ClientAuthenticationError("sentinel")

    async def close(self) -> None: ...

    async def __aenter__(self) -> "NoToken":
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_no_identity_to_show_names_the_role() -> None:
    async with connect("", "https://account.table.core.windows.net", NoToken) as service:
        with pytest.raises(StorageUnavailable) as raised:
            await Table(service, "bridgeskills").get("p", "r")

    assert "has no credential from this app" in raised.value.message
    assert "Storage Table Data Contributor" in raised.value.message
    assert "sentinel" not in raised.value.message


# Connecting


async def test_the_emulators_short_connection_string() -> None:
    async with connect("UseDevelopmentStorage=true", "", no_identity) as service:
        assert service.url == "http://127.0.0.1:10002/devstoreaccount1"


@pytest.mark.parametrize("short", ["usedevelopmentstorage=True", " UseDevelopmentStorage=true; "])
async def test_its_spellings(short: str) -> None:
    async with connect(short, "", no_identity) as service:
        assert service.account_name == "devstoreaccount1"


@pytest.mark.parametrize(
    "connection", ["nonsense", "AccountName=a", f"AccountKey={OTHER_KEY}", "DefaultEndpointsProtocol=https"]
)
def test_a_connection_string_that_is_none_names_the_setting(connection: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        connect(connection, "", no_identity)

    assert "BRIDGE_STORAGE" in raised.value.message
    assert OTHER_KEY not in raised.value.message


async def test_a_key_that_is_no_base64_names_the_setting(service: TableServiceClient) -> None:
    async with connect(connection_string(key="not-base64!"), "", no_identity) as broken:
        with pytest.raises(StorageUnavailable) as raised:
            await Table(broken, "bridgeskills").get("p", "r")

    assert "mend the connection string in BRIDGE_STORAGE" in raised.value.message


def test_no_storage_names_the_settings() -> None:
    with pytest.raises(ConfigurationError) as raised:
        connect("", "", no_identity)

    assert "BRIDGE_STORAGE" in raised.value.message
    assert "BRIDGE_STORAGE__tableServiceUri" in raised.value.message
