"""The row store on Azurite: what a transaction promises."""

import asyncio
from datetime import UTC, datetime

import pytest

from shared.entities.keys import KeyRange
from shared.entities.rows import Origin, Row, SnapshotTable, Write
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.errors import BadRequest, Gone, StorageUnavailable
from shared.storage.plane import connect as connect_plane
from shared.storage.rows import TableRows
from shared.storage.tables import connect
from tests.storage.accounts import Storage
from tests.support.azurite import connection_string

SCHEMA = decide_schema([[FoundColumn("id", 1, None), FoundColumn("a", 1, None)]], Wanted("id", "id", {}))


def row(key: str, line: int = 2, partition: str = "0000", text: str = "x") -> Row:
    return Row(partition, key, Origin(0, line), {"CustomerId": key, "id": key, "a": text})


@pytest.fixture
async def table(storage: Storage, request: pytest.FixtureRequest) -> SnapshotTable:
    name = "".join(char for char in request.node.name if char.isalnum())[-50:]
    table = SnapshotTable(f"T{name}{datetime.now(UTC):%f}", SCHEMA, 4)
    await storage.imports.rows.create(table)
    await storage.imports.rows.create(table)
    return table


async def test_a_transaction_writes_all_or_none(storage: Storage, table: SnapshotTable) -> None:
    rows = storage.imports.rows

    assert await rows.write(table, [Write(row("a")), Write(row("b"))])
    assert not await rows.write(table, [Write(row("c")), Write(row("b"))])

    assert (await rows.get(table, "0000", "a")) == row("a")
    assert (await rows.get(table, "0000", "c")) is None


async def test_a_row_is_replaced_only_as_it_was_found(storage: Storage, table: SnapshotTable) -> None:
    rows = storage.imports.rows
    await rows.write(table, [Write(row("a", 9))])
    found = await rows.find(table, "0000", ["a", "b"])
    version = found["a"].version

    assert {key: existing.origin for key, existing in found.items()} == {"a": Origin(0, 9)}
    assert await rows.write(table, [Write(row("b", 3)), Write(row("a", 2), version)])
    assert not await rows.write(table, [Write(row("a", 1), version)])
    assert not await rows.write(table, [Write(row("absent", 1), version)])
    assert (await rows.get(table, "0000", "a")) == row("a", 2)


@pytest.mark.parametrize(
    "rows",
    [[], [row(str(number)) for number in range(101)], [row("a"), row("b", partition="0001")]],
)
async def test_other_than_1_to_100_rows_of_one_partition_are_refused(
    storage: Storage, table: SnapshotTable, rows: list[Row]
) -> None:
    with pytest.raises(ValueError, match="1 to 100 rows of one partition"):
        await storage.imports.rows.write(table, [Write(row) for row in rows])


async def test_a_row_that_storage_refuses_is_named_by_its_origin(storage: Storage, table: SnapshotTable) -> None:
    writes = [Write(row("a", 2)), Write(row("b", 7, text="x" * 40_000)), Write(row("c", 8))]

    with pytest.raises(StorageUnavailable, match=r"answered PropertyValueTooLarge .* 3 rows .*") as raised:
        await storage.imports.rows.write(table, writes)

    assert "the row of file 0, line" in raised.value.message
    assert "xxx" not in raised.value.message


async def test_a_range_is_of_one_partition(storage: Storage, table: SnapshotTable) -> None:
    rows = storage.imports.rows
    await rows.write(table, [Write(row(key)) for key in ("a|1", "a|2", "a}", "ab|1", "b|1")])
    await rows.write(table, [Write(row("a|3", partition="0001"))])

    first = await rows.page(table, size=1, partition="0000", keys=KeyRange("a|", "a}"))
    rest = await rows.page(table, size=5, partition="0000", keys=KeyRange("a|", "a}"), token=first.token)

    assert [found.key for page in (first, rest) for found in page.rows] == ["a|1", "a|2"]
    assert rest.token is None


@pytest.mark.parametrize("token", ["", "x", "5", '["a"]', '["\\ud800", "x"]', "[" * 100_000])
async def test_a_token_that_is_none_is_refused(storage: Storage, table: SnapshotTable, token: str) -> None:
    with pytest.raises(BadRequest, match="skiptoken"):
        await storage.imports.rows.page(table, size=1, token=token)


async def test_rows_are_deleted_all_or_none_whatever_their_keys(storage: Storage, table: SnapshotTable) -> None:
    rows, keys = storage.imports.rows, ["a|1", "~0027 ä 北🙂", "&=+:,;()!$*@[]", "x" * 512]
    await rows.write(table, [Write(row(key)) for key in [*keys, "b"]])

    assert not await rows.delete(table, "0000", ["b", "absent"])
    assert await rows.delete(table, "0000", keys)

    assert [found.key for found in (await rows.page(table, size=9)).rows] == ["b"]
    with pytest.raises(ValueError, match="1 to 100 rows"):
        await rows.delete(table, "0000", [])
    with pytest.raises(Gone):
        await rows.delete(SnapshotTable("Absent", SCHEMA, 4), "0000", ["a"])


async def test_a_hundred_rows_are_deleted_at_once(storage: Storage, table: SnapshotTable) -> None:
    rows, keys = storage.imports.rows, [f"{number:03d}{'é' * 500}" for number in range(100)]
    await rows.write(table, [Write(row(key)) for key in keys])

    assert await rows.delete(table, "0000", keys)

    assert (await rows.page(table, size=9)).rows == []


async def test_what_is_not_there_is_gone(storage: Storage) -> None:
    absent = SnapshotTable("Absent", SCHEMA, 4)

    with pytest.raises(Gone, match="its table is lost: POST"):
        await storage.imports.rows.get(absent, "0000", "a")
    with pytest.raises(Gone):
        await storage.imports.rows.page(absent, size=1)
    with pytest.raises((Gone, StorageUnavailable)):
        await storage.imports.rows.write(absent, [Write(row("a"))])


async def test_storage_that_is_away_is_told(azurite: str) -> None:
    away = connection_string()
    async with connect(away, "", lambda: None) as tables, connect_plane(away, "", lambda: None) as plane:
        rows, table = TableRows(tables, plane), SnapshotTable("Away", SCHEMA, 4)
        calls = [rows.create(table), rows.write(table, [Write(row("a"))]), rows.find(table, "0000", ["a"])]
        calls += [rows.get(table, "0000", "a"), rows.page(table, size=1), rows.drop("Away")]  # type: ignore[list-item]

        results = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(result) for result in results] == [StorageUnavailable] * 6
