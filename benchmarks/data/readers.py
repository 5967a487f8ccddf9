"""A customer's rows out of a table: ours, the SDK's query, and the raw limit. Each reads many customers, one at a time."""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from azure.data.tables.aio import TableClient

from benchmarks.data.source import BUCKETS, HEADER, ROWS_OF_A_CUSTOMER, WANTED
from benchmarks.data.writers import nobody
from shared.entities.keys import customer_range, partition_key
from shared.entities.odata.requests import parse_request
from shared.entities.reading import DataStores, answer
from shared.entities.recent import RecentEntities
from shared.entities.schema import FoundColumn, decide_schema
from shared.entities.snapshots import Entity, Snapshot, publish
from shared.entities.values import EdmType
from shared.storage.entities import TableEntities
from shared.storage.plane import connect as connect_plane
from shared.storage.rows import TableRows
from shared.storage.tables import connect as connect_tables
from tests.entities.fakes import MemoryLarge

_TYPES = dict.fromkeys(("score", "revenue"), EdmType.DOUBLE) | {
    "orders": EdmType.INT32,
    "visits": EdmType.INT64,
    "is_active": EdmType.BOOLEAN,
    "first_seen": EdmType.DATE_TIME_OFFSET,
    "last_seen": EdmType.DATE_TIME_OFFSET,
}

SCHEMA = decide_schema([[FoundColumn(name, 1, _TYPES.get(name)) for name in HEADER]], WANTED)


@dataclass(frozen=True)
class ReadJob:
    """Read these customers' rows from a table that was written before."""

    connection: str
    table: str
    customers: tuple[str, ...]


type ReadCustomer = Callable[[str], Coroutine[Any, Any, list[Any]]]
type Reader = Callable[[ReadJob], AbstractAsyncContextManager[Callable[[], Coroutine[Any, Any, int]]]]


def reading(opened: Callable[[ReadJob], AbstractAsyncContextManager[ReadCustomer]]) -> Reader:
    """A variant that reads each customer once and checks what comes; the first one warms it before the clocks start."""

    @asynccontextmanager
    async def reader(job: ReadJob) -> AsyncIterator[Callable[[], Coroutine[Any, Any, int]]]:
        async with opened(job) as read:
            await read(job.customers[0])

            async def work() -> int:
                for customer in job.customers:
                    found = await read(customer)
                    if [row["customer_id"] for row in found] != [customer] * ROWS_OF_A_CUSTOMER:
                        raise AssertionError(f"{len(found)} rows came for a customer")
                return len(job.customers)

            yield work

    return reader


async def publish_table(connection: str, table: str, rows: int) -> None:
    """The pointer that readers of ours go by; the entity is called as its table."""
    now = datetime(2026, 9, 1, tzinfo=UTC)
    snapshot = Snapshot(table, "bench", SCHEMA, BUCKETS, rows, 0, now)
    async with connect_tables(connection, "", nobody) as tables:
        entities = TableEntities(tables)
        await entities.save(publish(Entity(table, "bench"), snapshot, now))


@asynccontextmanager
async def _ours(job: ReadJob) -> AsyncIterator[ReadCustomer]:
    """`GET /data/<entity>?$filter=CustomerId eq '…'` without the HTTP server in front."""
    async with (
        connect_tables(job.connection, "", nobody) as tables,
        connect_plane(job.connection, "", nobody) as plane,
    ):
        recent = RecentEntities(TableEntities(tables), time.monotonic)
        stores = DataStores(recent, TableRows(tables, plane), MemoryLarge())

        async def read(customer: str) -> list[Any]:
            request = parse_request(job.table, f"$filter=CustomerId%20eq%20'{quote(customer)}'")
            found = await answer(request, stores, "http://127.0.0.1", datetime.now(UTC))
            assert isinstance(found.body, dict)
            return list(found.body["value"])

        yield read


@asynccontextmanager
async def _ours_query(job: ReadJob) -> AsyncIterator[ReadCustomer]:
    """The query of ours alone, for a reader who knows the snapshot."""
    table = Snapshot(job.table, "", SCHEMA, BUCKETS, 0, 0, datetime.now(UTC)).place
    async with (
        connect_tables(job.connection, "", nobody) as tables,
        connect_plane(job.connection, "", nobody) as plane,
    ):
        rows = TableRows(tables, plane)

        async def read(customer: str) -> list[Any]:
            keys = customer_range(customer, is_one_column=False)
            page = await rows.page(table, size=1000, partition=partition_key(customer, BUCKETS), keys=keys)
            return [row.values for row in page.rows]

        yield read


@asynccontextmanager
async def _sdk(job: ReadJob) -> AsyncIterator[ReadCustomer]:
    async with TableClient.from_connection_string(job.connection, job.table) as table:

        async def read(customer: str) -> list[Any]:
            return [row async for row in table.query_entities(condition(customer))]

        yield read


@asynccontextmanager
async def _raw(job: ReadJob) -> AsyncIterator[ReadCustomer]:
    endpoint = dict(part.partition("=")[::2] for part in job.connection.split(";"))["TableEndpoint"]
    headers = {"Accept": "application/json;odata=nometadata", "x-ms-version": "2020-12-06"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def read(customer: str) -> list[Any]:
            url = f"{endpoint}/{job.table}()?$filter={quote(condition(customer), safe='')}"
            async with session.get(url) as found:
                found.raise_for_status()
                return list(orjson.loads(await found.read())["value"])

        yield read


def condition(customer: str) -> str:
    keys = customer_range(customer, is_one_column=False)
    partition = partition_key(customer, BUCKETS)
    return f"PartitionKey eq '{partition}' and RowKey ge '{keys.low}' and RowKey lt '{keys.high}'"


READERS: dict[str, Reader] = {
    "ours": reading(_ours),
    "ours, query alone": reading(_ours_query),
    "SDK query": reading(_sdk),
    "raw query": reading(_raw),
}
