"""From a CSV file to rows that Table storage has acknowledged: ours, what one would write instead, and the raw limit."""

import asyncio
import csv
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import aiohttp
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableClient

from benchmarks.data.source import BUCKETS, WANTED, LocalOutput, entity
from shared.entities.importing import ImportStores, import_part
from shared.entities.parts import Plan, plan_import
from shared.entities.row_columns import RowColumns
from shared.entities.rows import Origin, Reject, Row, RowStore, SnapshotTable
from shared.storage.plane import connect as connect_plane
from shared.storage.row_bodies import CONTENT_TYPE, insertion, read_answer
from shared.storage.rows import TableRows
from shared.storage.tables import connect as connect_tables
from tests.entities.fakes import MemoryLarge, MemoryUpload

PARTS_AT_ONCE = 2
"""As many as a host process may well have under way; its queue allows more."""
AT_ONCE = 8
"""Transactions of a peer under way, where it has that choice."""
IN_TRANSACTION = 100


@dataclass(frozen=True)
class WriteJob:
    """Write the first `rows` rows of a file to a new table."""

    connection: str
    file: Path
    table: str
    rows: int
    share: int = 0
    shares: int = 1
    """Of the file's parts, every `shares`-th from the `share`-th on: for several processes, ours alone."""
    is_planned: bool = False
    """The plan is made before the clocks start: several processes get it with their parts."""


type Work = Callable[[], Coroutine[Any, Any, int]]
"""What is timed; tells how many rows it wrote."""
type Writer = Callable[[WriteJob], AbstractAsyncContextManager[Work]]


class NoRejects:
    """The file has none."""

    async def add(self, table: str, rejects: Sequence[Reject]) -> None:
        if rejects:
            raise AssertionError(f"{len(rejects)} rejects, the first: {rejects[0]}")

    async def list(self, table: str, after: Origin | None = None) -> AsyncIterator[Reject]:
        for reject in list[Reject]():
            yield reject

    async def left_out(self, table: str) -> AsyncIterator[Origin]:
        for origin in list[Origin]():
            yield origin

    async def count(self, table: str) -> int:
        return 0

    async def count_erased(self, table: str) -> int:
        return 0

    async def drop(self, table: str) -> None:
        return None


@asynccontextmanager
async def opened_rows(connection: str) -> AsyncIterator[TableRows]:
    async with connect_tables(connection, "", nobody) as tables, connect_plane(connection, "", nobody) as plane:
        yield TableRows(tables, plane)


def nobody() -> None:
    raise AssertionError("a connection string needs no identity")


class _Discarded(MemoryUpload):
    """Bytes that went over the wire, and are none of this process's any more."""

    async def add(self, data: bytes) -> None:
        return None


class WrittenAway(MemoryLarge):
    """Files beside the rows: written, and gone."""

    async def begin(self, path: str) -> MemoryUpload:
        return _Discarded(self, path, self.values.get(path))


def import_stores(file: Path, rows: TableRows) -> ImportStores:
    """Where ours reads and writes: what an import keeps beside its rows costs no transport here, and no memory."""
    return ImportStores(LocalOutput(file), rows, NoRejects(), WrittenAway())


@asynccontextmanager
async def ours(job: WriteJob) -> AsyncIterator[Work]:
    """Plan and parts, as the app does them."""
    async with opened_rows(job.connection) as rows:
        stores = import_stores(job.file, rows)
        known = await plan_import(stores.output, job.file.name, WANTED) if job.is_planned else None

        async def work() -> int:
            plan = known or await plan_import(stores.output, job.file.name, WANTED)
            table = SnapshotTable(job.table, plan.schema, BUCKETS)
            await rows.create(table)
            return await _parts(plan, table, stores, job)

        yield work


async def _parts(plan: Plan, table: SnapshotTable, stores: ImportStores, job: WriteJob) -> int:
    waiting = iter(plan.parts[job.share :: job.shares])

    async def take() -> int:
        return sum([(await import_part(part, plan, table, stores)).records for part in waiting])

    return sum(await asyncio.gather(*(take() for _ in range(PARTS_AT_ONCE))))


@asynccontextmanager
async def sdk_transactions(job: WriteJob) -> AsyncIterator[Work]:
    """`csv.DictReader`, and a `submit_transaction` for every 100 rows of a partition."""
    async with _sdk_table(job) as table:

        async def work() -> int:
            waiting = _batches(_entities(job))

            async def send() -> int:
                sent = 0
                for batch in waiting:
                    await table.submit_transaction([("upsert", each) for each in batch])
                    sent += len(batch)
                return sent

            return sum(await asyncio.gather(*(send() for _ in range(AT_ONCE))))

        yield work


@asynccontextmanager
async def sdk_upserts(job: WriteJob) -> AsyncIterator[Work]:
    """`csv.DictReader`, and an `upsert_entity` for every row: the common sample."""
    async with _sdk_table(job) as table:

        async def work() -> int:
            sent = 0
            for each in _entities(job):
                await table.upsert_entity(each)
                sent += 1
            return sent

        yield work


@asynccontextmanager
async def raw(job: WriteJob) -> AsyncIterator[Work]:
    """Bodies made before, sent by aiohttp alone: what the connection and the service allow."""
    endpoint = dict(part.partition("=")[::2] for part in job.connection.split(";"))["TableEndpoint"]
    bodies = await _bodies(job, f"{endpoint}/{job.table}")
    async with _sdk_table(job), aiohttp.ClientSession() as session:

        async def work() -> int:
            waiting = iter(bodies)

            async def send() -> int:
                return sum([await _sent(session, f"{endpoint}/$batch", *body) for body in waiting])

            return sum(await asyncio.gather(*(send() for _ in range(AT_ONCE))))

        yield work


WRITERS: dict[str, Writer] = {
    "ours": ours,
    "SDK transactions": sdk_transactions,
    "SDK upserts": sdk_upserts,
    "raw": raw,
}


async def _sent(session: aiohttp.ClientSession, url: str, body: bytes, count: int) -> int:
    headers = {"Content-Type": CONTENT_TYPE, "Accept": "application/json", "x-ms-version": "2020-12-06"}
    async with session.post(url, data=body, headers=headers) as answer:
        answer.raise_for_status()
        if read_answer(await answer.read(), count) is not None:
            raise AssertionError("a transaction was refused")
    return count


@asynccontextmanager
async def _sdk_table(job: WriteJob) -> AsyncIterator[TableClient]:
    async with TableClient.from_connection_string(job.connection, job.table) as table:
        with suppress(ResourceExistsError):
            await table.create_table()
        yield table


def _entities(job: WriteJob) -> Iterator[dict[str, object]]:
    with job.file.open(newline="", encoding="utf-8") as file:
        for record in islice(csv.DictReader(file), job.rows):
            yield entity(record)


def _batches(entities: Iterable[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    buckets: dict[object, list[dict[str, object]]] = {}
    for each in entities:
        bucket = buckets.setdefault(each["PartitionKey"], [])
        bucket.append(each)
        if len(bucket) == IN_TRANSACTION:
            yield buckets.pop(each["PartitionKey"])
    yield from buckets.values()


async def _bodies(job: WriteJob, url: str) -> list[tuple[bytes, int]]:
    """Ours, as they are sent."""
    async with opened_rows(job.connection) as rows:
        stores = import_stores(job.file, rows)
        plan = await plan_import(stores.output, job.file.name, WANTED)
        kept = _Bodies(url, rows)
        # Only these two are called: no row of the file is there twice.
        stores = replace(stores, rows=cast(RowStore, kept))
        await _parts(plan, SnapshotTable(job.table, plan.schema, BUCKETS), stores, job)
    return kept.bodies


@dataclass
class _Bodies:
    """Keeps what would be sent."""

    url: str
    rows: TableRows
    bodies: list[tuple[bytes, int]] = field(default_factory=list)

    def encode(self, table: SnapshotTable, rows: Sequence[Row] | RowColumns) -> Sequence[bytes]:
        return self.rows.encode(table, rows)

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        self.bodies.append((insertion(bodies, self.url), len(bodies)))
        return True
