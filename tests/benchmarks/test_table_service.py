"""The mock Table service: azure-data-tables and our own rows cannot tell it from the real one in what the benches do."""

import asyncio
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.data.tables import TableTransactionError
from azure.data.tables.aio import TableClient

from benchmarks.data.service import TableService, started_table_service
from benchmarks.data.table_store import Limits
from benchmarks.data.writers import opened_rows
from shared.entities.keys import KeyRange
from shared.entities.rows import Origin, Row, SnapshotTable, Write
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.errors import Gone

SCHEMA = decide_schema([[FoundColumn("id", 1, None), FoundColumn("a", 1, None)]], Wanted("id", "id", {}))
TABLE = SnapshotTable("Rows", SCHEMA, 4)


@pytest.fixture(scope="module")
def running() -> Iterator[TableService]:
    with started_table_service() as service:
        yield service


@pytest.fixture
def service(running: TableService) -> TableService:
    running.reset(keep=True)
    return running


def entity(key: str, partition: str = "0000", **values: object) -> dict[str, object]:
    return {"PartitionKey": partition, "RowKey": key, "a": "x", **values}


def row(key: str, line: int = 2, text: str = "x") -> Row:
    return Row("0000", key, Origin(0, line), {"CustomerId": key, "id": key, "a": text})


async def test_the_sdk_writes_and_reads(service: TableService) -> None:
    async with TableClient.from_connection_string(service.connection, "Sdk") as table:
        await table.create_table()
        results = await table.submit_transaction([("create", entity("b", n=5)), ("upsert", entity("a|1"))])
        await table.upsert_entity(entity("a|2", "0001"))

        found = await table.get_entity("0000", "b")
        range_of_a = [one async for one in table.query_entities("PartitionKey eq '0000' and RowKey ge 'a|'")]
        everything = [one["RowKey"] async for one in table.query_entities("", results_per_page=1)]

    assert [bool(result["etag"]) for result in results] == [True, True]
    assert found["n"] == 5
    assert found.metadata["etag"] == results[0]["etag"]
    assert [one["RowKey"] for one in range_of_a] == ["a|1", "b"]
    assert everything == ["a|1", "b", "a|2"]
    assert service.rows("Sdk") == {"0000": 2, "0001": 1}
    assert service.requests()["query"] == 4


async def test_the_sdk_meets_the_errors_of_the_real_one(service: TableService) -> None:
    async with TableClient.from_connection_string(service.connection, "Sdk") as table:
        with pytest.raises(HttpResponseError, match="TableNotFound"):
            await table.upsert_entity(entity("a"))
        await table.create_table()
        with pytest.raises(ResourceNotFoundError):
            await table.get_entity("0000", "a")
        await table.submit_transaction([("create", entity("a"))])
        with pytest.raises(TableTransactionError) as raised:
            await table.submit_transaction([("create", entity("b")), ("create", entity("a"))])

    assert raised.value.index == 1
    assert service.rows("Sdk") == {"0000": 1}


async def test_our_rows_are_written_found_replaced_and_paged(service: TableService) -> None:
    async with opened_rows(service.connection) as rows:
        await rows.create(TABLE)
        assert await rows.write(
            TABLE, [Write(row("a|1", 9)), Write(row("a|2", text='",x@odata.type"')), Write(row("b"))]
        )
        assert not await rows.write(TABLE, [Write(row("c")), Write(row("a|1"))])
        version = (await rows.find(TABLE, "0000", ["a|1"]))["a|1"].version
        assert await rows.write(TABLE, [Write(row("a|1", 2), version)])
        assert not await rows.write(TABLE, [Write(row("a|1", 1), version)])

        first = await rows.page(TABLE, size=1, partition="0000", keys=KeyRange("a|", "a}"))
        second = await rows.page(TABLE, size=1, partition="0000", keys=KeyRange("a|", "a}"), token=first.token)
        with pytest.raises(Gone):
            await rows.page(SnapshotTable("Absent", SCHEMA, 4), size=1)

    assert [*first.rows, *second.rows] == [row("a|1", 2), row("a|2", text='",x@odata.type"')]
    assert second.token is None


async def test_a_busy_account_slows_ours_and_loses_nothing(service: TableService) -> None:
    service.reset(limited=True)
    async with opened_rows(service.connection) as rows:
        await rows.create(TABLE)
        parts = [[Write(row(f"{part}-{key}")) for key in range(100)] for part in range(8)]

        written = await asyncio.gather(*(rows.write(TABLE, writes) for writes in parts))

    assert written == [True] * 8
    assert service.rows("Rows") == {"0000": 800}
    assert service.refused()["partition"] > 0
    assert service.requests()["ServerBusy"] == service.refused()["partition"]


@pytest.mark.parametrize(("partitions", "seconds"), [(1, 0.9), (64, 0.9)])
def test_limits_admit_their_rate(partitions: int, seconds: float) -> None:
    limits, admitted = Limits(), 0
    for tick in range(1000):
        for step in range(3 * partitions):
            if limits.admit("T", str(step % partitions), 10, tick / 1000):
                admitted += 10

    assert admitted == pytest.approx(min(2_000 * partitions, 20_000) * 1.1, rel=0.02)
