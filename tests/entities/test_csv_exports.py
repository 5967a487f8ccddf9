"""A whole result as CSV: small ones in the answer, large ones as a file that is made once and linked to."""

import asyncio
import io
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from shared.entities.columnar_reader import Plan
from shared.entities.csv_exports import Bounds, CsvExports, Link, drop_stale
from shared.entities.files import exports_prefix
from shared.entities.odata.requests import parse_request
from shared.entities.parquet_reader import ParquetReader
from shared.entities.reading import Answer, DataStores, answer
from shared.entities.retention import SnapshotStores, drop_snapshot
from shared.entities.snapshots import Snapshot, claim_entity, publish_snapshot
from shared.entities.tombstones import Erased, Tombstone, mark_of
from shared.errors import Gone, NotReady, StorageUnavailable
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryRejects, MemoryRows
from tests.entities.snapshot_files import NOW, Imported, csv

ROOT = "https://bridge.example/api/data"
HOUR = timedelta(hours=1)


class MemoryLinks:
    """Addresses that tell what they lead to."""

    async def link(self, path: str, name: str, now: datetime) -> str:
        return f"https://files.example/{path}?name={name}&sig=sentinel"


@dataclass
class Spoken:
    """A source that says what it is told to, when it may."""

    chunks: list[bytes]
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None
    begun: int = 0

    async def csv(self, snapshot: Snapshot, plan: Plan) -> AsyncGenerator[bytes]:
        self.begun += 1
        for chunk in self.chunks:
            yield chunk
        await self.may_end.wait()
        if self.error is not None:
            raise self.error


async def imported(*lines: str) -> Imported:
    return await Imported({"out/a.csv": csv("id,n", *lines)}).all()


def exports_of(
    source: ParquetReader | Spoken, files: MemoryLarge, erased: Erased | None = None, **bounds: float
) -> CsvExports:
    chosen = replace(Bounds(), **bounds)  # type: ignore[arg-type]

    async def now() -> Erased:
        return erased or Erased()

    return CsvExports(source, files, MemoryLinks(), lifetime=HOUR, erased=now, bounds=chosen)


async def world(found: Imported, inline: int) -> DataStores:
    """The entity `Value`, whose rows have been published."""
    entities, reader = MemoryEntities(), ParquetReader(found.large)
    await claim_entity(entities, "Value", "w")
    await publish_snapshot(entities, "Value", found.snapshot, NOW)
    return DataStores(entities, found.rows, found.large, reader, exports_of(reader, found.large, inline=inline))


async def ask(stores: DataStores, query: str, prefer: str | None = None) -> Answer:
    return await answer(parse_request("Value", query, prefer=prefer), stores, ROOT, NOW)


def files_of(large: MemoryLarge) -> list[str]:
    return [name for name in large.values if name.startswith("exports/")]


def at(path: str, large: MemoryLarge) -> bytes:
    return large.values[path.removeprefix("https://files.example/").partition("?")[0]]


PLAN = Plan(None, ("id", "n"), (), 100)
MANY = [f"c{number:04d},{number}" for number in range(2_500)]


async def test_a_small_result_is_in_the_answer_however_many_pages_it_would_be() -> None:
    stores = await world(await imported(*MANY), inline=1_000_000)

    found = await ask(stores, "$format=csv")

    assert (found.status, found.content_type) == (200, "text/csv;charset=utf-8;header=present")
    lines = "".join(f"{line.partition(',')[0]},{line}\r\n" for line in MANY)
    assert found.body == f"CustomerId,id,n\r\n{lines}".encode()
    assert found.headers == {}


async def test_a_large_result_is_a_file_of_the_snapshot_with_the_same_bytes() -> None:
    found = await imported(*MANY)
    whole = await ask(await world(found, inline=1_000_000), "$format=csv&$filter=n gt 3")
    stores = await world(found, inline=1_000)

    reply = await ask(stores, "$format=csv&$filter=n gt 3")

    assert (reply.status, reply.body, reply.headers["Cache-Control"]) == (303, "", "no-store")
    assert reply.headers["Location"].startswith("https://files.example/exports/T1/")
    assert at(reply.headers["Location"], found.large) == whole.body
    assert "name=Value.csv" in reply.headers["Location"]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("$top=2", ["c0000", "c0001"]),
        ("$skip=2498", ["c2498", "c2499"]),
        ("$top=0", []),
        ("$orderby=n desc&$top=2&$skip=1", ["c2498", "c2497"]),
        ("$filter=n lt 2&$orderby=n desc", ["c0001", "c0000"]),
        ("$filter=n lt 5&$top=2&$skip=1", ["c0001", "c0002"]),
    ],
)
async def test_the_whole_result_is_what_the_options_say(query: str, ids: list[str]) -> None:
    stores = await world(await imported(*MANY), inline=1_000_000)

    found = await ask(stores, f"$format=csv&$select=id&{query}")

    assert isinstance(found.body, bytes)
    assert found.body.decode().split() == ["id", *ids]


async def test_who_asks_for_pages_gets_pages() -> None:
    stores = await world(await imported(*MANY), inline=1_000_000)

    first = await ask(stores, "$format=csv&$select=n", prefer="odata.maxpagesize=2")
    second = await ask(stores, first.headers["Link"].partition("?")[2].partition(">")[0])

    assert [str(page.body).count("\r\n") for page in (first, second)] == [3, 3]


async def test_customers_rows_come_from_the_table() -> None:
    found = await imported(*MANY)
    stores = await world(found, inline=1)

    reply = await ask(stores, "$format=csv&$select=n&$filter=CustomerId eq 'c0007'")

    assert reply.body == "n\r\n7\r\n"


async def test_a_snapshot_without_columnar_files_gives_pages() -> None:
    found = await imported(*MANY)
    stores = await world(found, inline=1)
    await found.large.drop("snapshots/")

    reply = await ask(stores, "$format=csv")

    assert (reply.status, "Link" in reply.headers) == (200, True)


async def test_a_place_behind_the_last_row_of_an_order_is_an_empty_page_and_not_too_deep() -> None:
    found = await Imported({"out/a.csv": b"id\nb\na\n"}).all()
    reader, plan = ParquetReader(found.large), Plan(None, ("id",), (("id", False),), 5_000)

    last = await reader.query(found.snapshot, replace(plan, start=1))
    behind = await reader.query(found.snapshot, replace(plan, start=1, skip=99_999))

    assert ([row["id"] for row in last.rows], last.next) == (["b"], None)
    assert (list(behind.rows), behind.next) == ([], None)


async def test_an_order_goes_to_its_end_however_many_rows_there_are() -> None:
    count = 100_010
    data = io.BytesIO()
    pa.parquet.write_table(pa.table({"id": [f"{number * 7919 % count:06d}" for number in range(count)]}), data)
    found = await Imported({"out/a.parquet": data.getvalue()}).all()
    reader, plan = ParquetReader(found.large), Plan(None, ("id",), (("id", False),), count)

    text = await exports_of(reader, found.large).get(found.snapshot, plan, "Value", NOW)
    page = await reader.query(found.snapshot, replace(plan, size=5, skip=100_001))
    last = await reader.query(found.snapshot, replace(plan, size=5, start=page.next or 0))

    assert text == b"".join([b"id\r\n", *(b"%06d\r\n" % number for number in range(count))])
    assert [row["id"] for row in [*page.rows, *last.rows]] == [f"{number:06d}" for number in range(100_001, count)]
    assert last.next is None


async def test_the_same_query_finds_the_file_that_is_there() -> None:
    found = await imported(*MANY)
    source = Spoken([b"x" * 10])
    source.may_end.set()
    exports, other = (exports_of(source, found.large, inline=5) for _ in range(2))

    replies = [await each.get(found.snapshot, PLAN, "Value", NOW) for each in (exports, exports, other)]

    assert source.begun == len(files_of(found.large)) == len(set(replies)) == 1


@pytest.mark.parametrize(
    "change", [{"select": ("n", "id")}, {"orderby": (("n", True),)}, {"size": 99}, {"skip": 1}], ids=str
)
async def test_another_query_is_another_file(change: dict[str, object]) -> None:
    found = await imported("1,1")
    source = Spoken([b"x" * 10])
    source.may_end.set()
    exports = exports_of(source, found.large, inline=5)

    for plan in (PLAN, replace(PLAN, **change)):  # type: ignore[arg-type]
        await exports.get(found.snapshot, plan, "Value", NOW)

    assert len(files_of(found.large)) == 2


async def test_a_file_of_what_might_be_seen_before_is_not_linked_to() -> None:
    found = await imported("1,1")
    source = Spoken([b"x" * 10])
    source.may_end.set()

    someone = Erased(b"s", {"mark": Tombstone("mark", NOW)})
    for erased in (None, someone):
        await exports_of(source, found.large, erased, inline=5).get(found.snapshot, PLAN, "Value", NOW)

    assert source.begun == len(files_of(found.large)) == 2


async def test_a_link_is_not_made_to_a_file_that_goes_before_it() -> None:
    found = await imported("1,1")
    source = Spoken([b"x" * 10])
    source.may_end.set()
    exports = exports_of(source, found.large, inline=5)
    written = found.large.written_at = NOW

    for later in (timedelta(0), 23 * HOUR, 23.1 * HOUR):
        await exports.get(found.snapshot, PLAN, "Value", written + later)

    assert source.begun == 2


async def test_a_slow_file_is_told_to_come_back_for_and_goes_on() -> None:
    large, snapshot = MemoryLarge(), (await imported("1,1")).snapshot
    source = Spoken([b"x" * 10])
    exports = exports_of(source, large, inline=5, patience=0.01)

    for _ in range(2):
        with pytest.raises(NotReady) as raised:
            await exports.get(snapshot, PLAN, "Value", NOW)
    source.may_end.set()
    reply = await exports.get(snapshot, PLAN, "Value", NOW)

    assert (raised.value.status, raised.value.retry_after) == (503, 10)
    assert isinstance(reply, Link)
    assert source.begun == 1


async def test_who_ask_the_same_together_wait_for_one_file_also_when_one_of_them_leaves() -> None:
    large, snapshot = MemoryLarge(), (await imported("1,1")).snapshot
    source = Spoken([b"x" * 10])
    exports = exports_of(source, large, inline=5)
    asking = [asyncio.create_task(exports.get(snapshot, PLAN, "Value", NOW)) for _ in range(3)]
    await asyncio.sleep(0.01)

    asking[0].cancel()
    source.may_end.set()
    replies = await asyncio.gather(*asking[1:])

    assert all(isinstance(reply, Link) for reply in replies)
    assert source.begun == 1


async def test_two_processes_may_write_the_same_file() -> None:
    large, snapshot = MemoryLarge(), (await imported("1,1")).snapshot
    source = Spoken([b"x" * 10])
    processes = [exports_of(source, large, inline=5) for _ in range(2)]
    asking = [asyncio.create_task(each.get(snapshot, PLAN, "Value", NOW)) for each in processes]
    await asyncio.sleep(0.01)

    source.may_end.set()
    one, other = await asyncio.gather(*asking)

    assert one == other
    assert (source.begun, len(files_of(large))) == (2, 1)


async def test_a_file_that_fails_leaves_nothing_and_is_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    large, snapshot = MemoryLarge(), (await imported("1,1")).snapshot
    source = Spoken([b"x" * 10], error=StorageUnavailable("busy"))
    source.may_end.set()
    exports = exports_of(source, large, inline=5)

    with caplog.at_level(logging.WARNING), pytest.raises(StorageUnavailable, match="busy"):
        await exports.get(snapshot, PLAN, "Value", NOW)
    left = files_of(large)
    source.error = None

    assert left == []
    assert "code=StorageUnavailable" in caplog.text
    assert isinstance(await exports.get(snapshot, PLAN, "Value", NOW), Link)


async def test_a_link_is_not_shown_where_it_is_printed() -> None:
    assert "sentinel" not in repr(Link("https://files.example/?sig=sentinel"))


async def test_rows_that_may_not_be_seen_are_in_no_csv_whatever_is_asked() -> None:
    found = await imported("1,5", "2,4", "3,3", "4,2", "5,1")
    mark = mark_of("2", b"s")

    async def erased() -> Erased:
        return Erased(b"s", {mark: Tombstone(mark, found.snapshot.created_at)})

    reader = ParquetReader(found.large, erased)

    async def ids(**change: object) -> list[str]:
        plan = replace(Plan(None, ("n",), (), 100), **change)  # type: ignore[arg-type]
        return (b"".join([chunk async for chunk in reader.csv(found.snapshot, plan)])).decode().split()[1:]

    assert await ids() == ["5", "3", "2", "1"]
    assert await ids(skip=1, size=2) == ["3", "2"]
    assert await ids(orderby=(("n", False),), size=4) == ["1", "2", "3", "5"]
    assert await ids(orderby=(("n", True),), skip=1, size=1) == ["3"]


async def test_a_snapshots_files_go_with_it() -> None:
    large = MemoryLarge({f"{exports_prefix(table)}x.csv": b"x" for table in ("T1", "T10")})

    await drop_snapshot("Value", "T1", SnapshotStores(MemoryEntities(), MemoryRows(), large, MemoryRejects()))

    assert files_of(large) == ["exports/T10/x.csv"]


async def test_files_go_after_a_day() -> None:
    large = MemoryLarge({"exports/T1/x.csv": b"x", "snapshots/T1/manifest.json": b"{}"}, written_at=NOW)

    early = await drop_stale(large, NOW + 23 * HOUR)
    late = await drop_stale(large, NOW + 25 * HOUR)

    assert (early, late) == (0, 1)
    assert list(large.values) == ["snapshots/T1/manifest.json"]


async def test_a_dropped_snapshot_is_gone() -> None:
    found = await imported("1,1")
    reader = ParquetReader(found.large)
    await found.large.drop("snapshots/")

    with pytest.raises(Gone):
        await exports_of(reader, found.large).get(found.snapshot, PLAN, "Value", datetime.now(UTC))
