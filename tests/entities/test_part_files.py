"""The Parquet beside a table holds the table's rows: whatever they hold, in any order of parts, wherever a process dies."""

import asyncio
import gzip
import io
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entities.csvscan import CutSize
from shared.entities.files import manifest_path, part_path
from shared.entities.manifests import ColumnProfile, read_manifest
from shared.entities.part_file import GROUP_SIZE, GroupSize
from shared.entities.rebuilding import rebuild_from, rebuild_table
from shared.entities.rows import Origin
from shared.entities.schema import Wanted
from shared.entities.values import EdmType
from shared.errors import Gone
from tests.entities.fakes import MemoryRows
from tests.entities.snapshot_files import Imported, comparable, csv, files_of

TYPES = pa.schema(
    [
        ("id", pa.string()),
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("i", pa.int32()),
        ("l", pa.int64()),
        ("d", pa.float64()),
        ("t", pa.timestamp("us", "UTC")),
    ]
)
EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 265_046_774_399_999_999).map(lambda us: EARLIEST + timedelta(microseconds=us))
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["x" * 40_000, "🙂" * 16_001]))
VALUES = st.fixed_dictionaries(
    {
        "s": st.none() | TEXTS,
        "b": st.none() | st.booleans(),
        "i": st.none() | st.integers(-(2**31), 2**31 - 1),
        "l": st.none() | st.integers(-(2**63), 2**63 - 1),
        "d": st.none() | st.floats(),
        "t": st.none() | TIMES,
    }
)


def parquet(rows: list[dict[str, Any]], group: int = 3) -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, TYPES), data, row_group_size=group)
    return data.getvalue()


@settings(max_examples=60)
@given(
    values=st.lists(VALUES, min_size=1, max_size=8), ids=st.lists(st.sampled_from("abcd'|~"), min_size=8, max_size=8)
)
async def test_table_and_parquet_hold_the_same_rows(values: list[dict[str, Any]], ids: list[str]) -> None:
    rows = [{"id": key, **found} for key, found in zip(ids, values, strict=False)]

    found = await Imported({"out/a.parquet": parquet(rows)}).all()

    assert comparable(found.in_parquet()) == comparable(found.in_table())


async def test_a_file_has_the_schema_in_its_order_and_types() -> None:
    found = await Imported({"out/a.parquet": parquet([{"id": "1"}])}).all()

    assert found.file(0).schema.equals(
        pa.schema([("CustomerId", pa.string()), *((f.name, f.type) for f in TYPES), ("_origin", pa.string())])
    )


async def test_a_part_without_rows_has_a_file_too() -> None:
    found = await Imported({"out/a.csv": csv("id,n", ",1")}).all()

    assert (found.file(0).num_rows, (await found.columnar()).manifest.rows) == (0, 0)


PARTS = st.lists(
    st.lists(st.tuples(st.sampled_from(["1", "2", "3", "", "4"]), st.integers(0, 99)), max_size=6),
    min_size=1,
    max_size=3,
)


@settings(max_examples=80)
@given(parts=PARTS, order=st.randoms(use_true_random=False), dies=st.lists(st.integers(0, 5), max_size=3))
async def test_any_order_of_parts_and_any_death_leaves_the_tables_rows_in_parquet(
    parts: list[list[tuple[str, int]]], order: Any, dies: list[int]
) -> None:
    found = Imported(files_of(parts))
    todo = list((await found.plan(size=CutSize(records=2, data=20))).parts) * 2
    order.shuffle(todo)
    for part, dies_after in itertools.zip_longest(todo, dies[: len(todo)]):
        found.rows.dies_after = None if dies_after is None else found.rows.writes + dies_after
        found.large.dies = dies_after == 5  # between the rows and the file
        try:
            await found.part(part)
        except SystemError:
            found.rows.dies_after, found.large.dies = None, False
            await found.part(part)

    manifest = await found.settle()

    assert found.in_parquet() == found.in_table()
    assert manifest.rows == len(found.in_table())
    assert await found.settle() == manifest == await read_manifest("T1", found.large)


async def test_every_order_of_parts_gives_the_same_bytes() -> None:
    parts = [[("1", 1), ("2", 1)], [("2", 2), ("3", 2), ("3", 3)], [("1", 3), ("4", 3)]]
    seen = set()
    for order in itertools.permutations(range(3)):
        found = Imported(files_of(parts))
        planned = await found.plan()
        for index in order:
            await found.part(planned.parts[index])
        await found.settle()
        seen.add(tuple(found.large.values[part_path("T1", number)] for number in range(3)))

    assert len(seen) == 1


async def test_only_files_with_rows_that_lost_are_written_again() -> None:
    found = Imported(files_of([[("1", 1)], [("1", 2), ("2", 2)], [("3", 3)]]))
    planned = await found.plan()
    for part in reversed(planned.parts):
        await found.part(part)
    before = [found.large.values[part_path("T1", number)] for number in range(3)]

    await found.settle()

    after = [found.large.values[part_path("T1", number)] for number in range(3)]
    assert [old is new for old, new in zip(before, after, strict=True)] == [True, False, True]
    assert found.file(1)["id"].to_pylist() == ["2"]


@pytest.mark.parametrize("stands_still_before", [0, 1, 2, 3])
async def test_an_import_that_comes_late_does_not_bring_back_a_row_that_lost(stands_still_before: int) -> None:
    """A process that stood still while another did its part, and the run was judged."""
    found = Imported(files_of([[("1", 1)], [(str(number), 2) for number in range(300)]]))
    first, second = (await found.plan()).parts
    stands, goes_on = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        stands.set()
        await goes_on.wait()

    found.rows.before_write = {stands_still_before: stand_still}
    late = asyncio.create_task(found.part(second, GroupSize(batch=10, rows=50, held=0)))
    await stands.wait()
    await found.part(second)
    await found.part(first)
    await found.settle()
    settled = found.large.values[part_path("T1", 1)]

    goes_on.set()
    await late

    assert found.large.values[part_path("T1", 1)] is settled
    assert found.in_parquet() == found.in_table()


async def test_an_import_that_begins_late_writes_the_same_bytes() -> None:
    found = Imported(files_of([[("1", 1)], [(str(number), 2) for number in range(300)]]))
    first, second = (await found.plan()).parts
    for part in (second, first):
        await found.part(part, GroupSize(batch=10, rows=50))
    await found.settle()
    settled = found.large.values[part_path("T1", 1)]

    await found.part(second, GroupSize(batch=10, rows=50, held=0))

    assert found.large.values[part_path("T1", 1)] == settled


@pytest.mark.parametrize("held", [0, 1 << 30])
async def test_a_large_part_leaves_out_what_loses_its_key_after_it_was_sent(held: int) -> None:
    rows = [{"id": str(number % 5_000), "n": number} for number in range(6_000)]
    array = Imported({"out/a.json": json.dumps(rows).encode()})
    lines = Imported({"out/a.json.gz": gzip.compress("\n".join(map(json.dumps, rows)).encode())})

    for found in (array, lines):
        await found.all(groups=GroupSize(batch=10, rows=100, held=held))

        assert found.in_parquet() == found.in_table()
        assert len(found.in_table()) == 5_000
        assert (await found.columnar()).manifest.files[0].groups == (100,) * 50


def mixed(count: int) -> bytes:
    """Records, few of which are read row by row: keys with escapes, NaN, quotes, gaps, and a value that does not fit."""
    odd = {0: "a/b", 1: '"c ""d"""', 2: "~"}
    lines = [
        f"{odd.get(n % 1_009, '')}{n},{'' if n % 5 else n},{'nan' if n % 2_003 == 7 else n / 8},{'x' if n == 900 else n},{'t' * (n % 50)}"
        for n in range(count)
    ]
    return csv("id,n,d,i,s", *lines)


async def test_columns_and_single_rows_lie_in_one_file_in_their_order() -> None:
    found = await Imported({"out/a.csv": mixed(8_000)}).all(Wanted("id", "id", {"i": EdmType.INT32}))

    assert comparable(found.in_parquet()) == comparable(found.in_table())
    assert len(found.in_table()) == 7_999
    origins = found.file(0)["_origin"].to_pylist()
    assert origins == sorted(origins)


@pytest.mark.parametrize(
    "size",
    [GroupSize(), GroupSize(rows=1_000, held=0), GroupSize(data=100_000, held=0), GroupSize(batch=7, data=50_000)],
)
async def test_the_same_rows_give_the_same_bytes_however_they_are_fetched(size: GroupSize) -> None:
    seen = set()
    for chunk in (700, 50_000, 1 << 20):
        found = Imported({"out/a.csv": mixed(8_000)})
        found.stores.output.chunk = chunk  # type: ignore[attr-defined]
        await found.all(Wanted("id", "id", {"i": EdmType.INT32}), groups=size)
        seen.add(found.large.values[part_path("T1", 0)])

    assert len(seen) == 1


async def test_an_early_row_that_loses_to_an_earlier_file_is_left_out_though_it_was_sent() -> None:
    """The other part comes while this one is under way."""
    rows = [[("7", 1)], [(str(number), 2) for number in range(2_000)]]
    found = Imported(files_of(rows))
    first, second = (await found.plan()).parts
    found.rows.before_write = {3: lambda: found.part(first)}

    await found.part(second, GroupSize(batch=10, rows=100, held=0))
    await found.settle()

    assert found.in_parquet() == found.in_table()


async def test_a_file_that_went_missing_is_told() -> None:
    found = Imported(files_of([[("1", 1)]]))
    await found.part((await found.plan()).parts[0])
    await found.large.drop("snapshots/T1/rows/")

    with pytest.raises(Gone, match=r"part-00000\.parquet of T1 is missing"):
        await found.settle()


async def test_a_manifest_tells_files_and_columns() -> None:
    lines = csv("id,n,d,t,s", "b,1,NaN,2026-01-02,", "a,3,1.5,2026-01-01T00:00:00.5Z,", f"c,,,,{'x' * 300}", ",1,1,,")
    found = await Imported({"out/a.csv": lines}).all(Wanted("id", "id", {"d": EdmType.DOUBLE}))

    manifest = await read_manifest("T1", found.large)

    data = found.large.values[part_path("T1", 0)]
    assert [(file.path, file.rows, file.size, file.groups) for file in manifest.files] == [
        ("snapshots/T1/rows/part-00000.parquet", 3, len(data), (3,))
    ]
    assert manifest.columns == (
        ColumnProfile("CustomerId", "Edm.String", 0, "a", "c"),
        ColumnProfile("id", "Edm.String", 0, "a", "c"),
        ColumnProfile("n", "Edm.Int32", 1, 1, 3),
        ColumnProfile("d", "Edm.Double", 1, 1.5, 1.5),
        ColumnProfile("t", "Edm.DateTimeOffset", 1, "2026-01-01T00:00:00.500000Z", "2026-01-02T00:00:00Z"),
        ColumnProfile("s", "Edm.String", 2, None, None),
    )
    assert json.loads(found.large.values[manifest_path("T1")])["v"] == 1


async def test_a_rebuilding_stops_after_a_row_group_and_goes_on_from_there() -> None:
    files = {"out/a.csv": csv("id,n", *(f"k{n},{n}" for n in range(7)))}
    found = await Imported(files).all(groups=replace(GROUP_SIZE, batch=2, rows=2))
    rows = MemoryRows()
    way = [await rebuild_from(found.snapshot, rows, found.large, is_over=lambda: True)]
    while (after := way[-1].next) is not None:
        way.append(await rebuild_from(found.snapshot, rows, found.large, start=after, is_over=lambda: True))

    assert [(step.rows, step.next) for step in way] == [(2, 1), (2, 2), (2, 3), (1, None)]
    assert rows.contents(found.table) == found.rows.contents(found.table)


@settings(max_examples=30)
@given(lost=st.sets(st.integers(0, 299)), together=st.booleans())
async def test_a_table_that_lost_some_rows_has_all_of_them_again(lost: set[int], together: bool) -> None:
    """Also where two rebuild it at once."""
    found = await Imported({"out/a.csv": csv("id,n", *(f"k{n},{n}" for n in range(300)))}).all()
    rows = MemoryRows()
    await rebuild_table(found.snapshot, rows, found.large)
    kept = rows.tables["T1"]
    rows.tables["T1"] = {place: row for place, row in kept.items() if int(place[1][1:]) not in lost}

    await asyncio.gather(*(rebuild_table(found.snapshot, rows, found.large) for _ in range(1 + together)))

    assert rows.contents(found.table) == found.rows.contents(found.table)


async def test_a_row_of_a_later_origin_makes_room_for_the_one_that_won() -> None:
    found = await Imported({"out/a.csv": csv("id,n", "a,1", "b,2")}).all()
    rows = MemoryRows()
    await rebuild_table(found.snapshot, rows, found.large)
    place, (row, version) = next(iter(rows.tables["T1"].items()))
    rows.tables["T1"][place] = (row._replace(origin=Origin(9, 9), values={**row.values, "n": 7}), version)

    await rebuild_table(found.snapshot, rows, found.large)

    assert rows.contents(found.table) == found.rows.contents(found.table)


@settings(max_examples=30)
@given(values=st.lists(VALUES, min_size=1, max_size=8))
async def test_a_lost_table_comes_back_as_it_was(values: list[dict[str, Any]]) -> None:
    found = await Imported({"out/a.parquet": parquet([{"id": f"{i}/'|", **v} for i, v in enumerate(values)])}).all()
    rows = MemoryRows()

    count = await rebuild_table(found.snapshot, rows, found.large)
    again = await rebuild_table(found.snapshot, rows, found.large)

    assert count == again == len(values)
    assert {k: (r.origin, r.large) for k, r in rows.contents(found.table).items()} == {
        k: (r.origin, r.large) for k, r in found.rows.contents(found.table).items()
    }
    before, found.rows = comparable(found.in_table()), rows
    assert comparable(found.in_table()) == before
