"""Reading a snapshot's Parquet gives what the rows in memory give: counts, filters, orders with a top, pages, CSV."""

import asyncio
import csv as csv_module
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cmp_to_key
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entities.arrow_values import csv_header, csv_lines
from shared.entities.columnar import Columnar, Query
from shared.entities.csvscan import CutSize
from shared.entities.ordering import Mark, Order
from shared.entities.part_file import GroupSize
from shared.errors import Gone
from tests.entities.snapshot_files import Imported, csv, files_of

TYPES = pa.schema(
    [
        ("id", pa.string()),
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("i", pa.int32()),
        ("d", pa.float64()),
        ("t", pa.timestamp("us", "UTC")),
    ]
)
EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 265_046_774_399_999_999).map(lambda us: EARLIEST + timedelta(microseconds=us))
VALUES = st.fixed_dictionaries(
    {
        "s": st.none() | st.sampled_from(["a", "b", "é", "🙂", "a,b", '"', "\r\n"]) | st.text(min_size=1, max_size=3),
        "b": st.none() | st.booleans(),
        "i": st.none() | st.integers(-2, 2) | st.integers(-(2**31), 2**31 - 1),
        "d": st.none() | st.sampled_from([float("nan"), 0.5, -1.0, 0.0, -0.0]) | st.floats(),
        "t": st.none() | TIMES,
    }
)
ROWS = st.lists(VALUES, max_size=20)
ORDERS = st.lists(st.tuples(st.sampled_from("sbidt"), st.booleans()), min_size=1, max_size=3)
COLUMNS = st.lists(st.sampled_from(["CustomerId", "id", *"sbidt"]), min_size=1, unique=True)
NAMES = ["CustomerId", *TYPES.names]
COLUMN_TYPES = {"CustomerId": pa.string(), **{field.name: field.type for field in TYPES}}
SMALL = GroupSize(batch=2, rows=4)


async def stored(values: Sequence[Mapping[str, Any]]) -> tuple[Columnar, list[dict[str, Any]]]:
    """A snapshot of several files and row groups, and its rows in the run's order."""
    rows: list[dict[str, Any]] = [{"id": str(number), **row} for number, row in enumerate(values)]
    files = {}
    for number in range(0, max(1, len(rows)), 7):
        data = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows[number : number + 7], TYPES), data)
        files[f"out/{number:03d}.parquet"] = data.getvalue()
    found = await Imported(files).all(groups=SMALL)
    return await found.columnar(), [{"CustomerId": row["id"], **row} for row in rows]


def same(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """NaN is equal to itself here, and an order of members is one."""
    return [[(n, repr(v)) for n, v in row.items()] for row in one] == [
        [(n, repr(v)) for n, v in row.items()] for row in other
    ]


def ordered(rows: list[dict[str, Any]], order: Order) -> list[dict[str, Any]]:
    """As the docs say: no value, NaN, then the others."""

    def compare(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
        for name, is_descending in order:
            a, b = one[name], other[name]
            ranks = [0 if value is None else 1 if value != value else 2 for value in (a, b)]
            result = ranks[0] - ranks[1] or (0 if ranks[0] < 2 or a == b else -1 if a < b else 1)
            if result:
                return -result if is_descending else result
        return 0

    return sorted(rows, key=cmp_to_key(compare))


def only(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in columns} for row in rows]


def positive(table: pa.Table) -> pa.ChunkedArray:
    return pc.greater(table["i"], 0)


@settings(max_examples=60)
@given(values=ROWS, order=ORDERS, columns=COLUMNS, skip=st.integers(0, 5), top=st.none() | st.integers(0, 25))
async def test_an_order_with_a_top_gives_the_first_of_all_sorted(
    values: list[dict[str, Any]], order: Order, columns: list[str], skip: int, top: int | None
) -> None:
    columnar, rows = await stored(values)
    end = None if top is None else skip + top

    every = await columnar.select(Query(columns, order=order, skip=skip, top=top))
    some = await columnar.select(Query(columns, mask=positive, needs=["i"], order=order, skip=skip, top=top))

    assert same(every.rows, only(ordered(rows, order)[skip:end], columns))
    wanted = [row for row in rows if row["i"] is not None and row["i"] > 0]
    assert same(some.rows, only(ordered(wanted, order)[skip:end], columns))


@settings(max_examples=80)
@given(
    values=ROWS,
    order=ORDERS,
    columns=COLUMNS,
    skip=st.integers(0, 9),
    size=st.integers(1, 9),
    held=st.sampled_from([1, 3, 100]),
    is_filtered=st.booleans(),
)
async def test_pages_of_an_order_give_every_row_once_however_few_are_held(
    values: list[dict[str, Any]],
    order: Order,
    columns: list[str],
    skip: int,
    size: int,
    held: int,
    is_filtered: bool,
) -> None:
    whole, rows = await stored(values)
    columnar = Columnar(whole.manifest, whole.files, held=held)
    mask = positive if is_filtered else None
    wanted = [row for row in ordered(rows, order) if not is_filtered or (row["i"] is not None and row["i"] > 0)]
    query = Query(columns, mask=mask, needs=["i"], order=order, top=size)

    page = await columnar.select(replace(query, skip=skip))
    found = list(page.rows)
    while page.next is not None:
        assert isinstance(page.next, Mark)
        by_number = await columnar.select(replace(query, start=page.next.passed))
        page = await columnar.select(replace(query, start=page.next))
        assert (same(page.rows, by_number.rows), repr(page.next)) == (True, repr(by_number.next))
        assert 0 < len(page.rows) <= size
        found += page.rows
    lines = b"".join([chunk async for chunk in columnar.csv(replace(query, skip=skip, top=None))])
    some = b"".join([chunk async for chunk in columnar.csv(replace(query, skip=skip))])

    assert same(found, only(wanted[skip:], columns))
    assert lines == csv_of(columns, wanted[skip:])
    assert some == csv_of(columns, wanted[skip : skip + size])


def csv_of(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    table = pa.Table.from_pylist(only(rows, columns), pa.schema([(name, COLUMN_TYPES[name]) for name in columns]))
    return csv_header(columns) + csv_lines(table)


@settings(max_examples=40)
@given(values=ROWS, columns=COLUMNS, skip=st.integers(0, 9), size=st.integers(1, 6), is_filtered=st.booleans())
async def test_pages_give_every_row_once_in_the_runs_order(
    values: list[dict[str, Any]], columns: list[str], skip: int, size: int, is_filtered: bool
) -> None:
    columnar, rows = await stored(values)
    mask: Callable[[pa.Table], pa.ChunkedArray] | None = positive if is_filtered else None
    wanted = [row for row in rows if not is_filtered or (row["i"] is not None and row["i"] > 0)]

    page = await columnar.select(Query(columns, mask=mask, needs=["i"], skip=skip, top=size))
    found = list(page.rows)
    while page.next is not None:
        page = await columnar.select(Query(columns, mask=mask, needs=["i"], top=size, start=page.next))
        assert len(page.rows) <= size
        found += page.rows

    assert same(found, only(wanted[skip:], columns))
    assert same((await columnar.select(Query(columns, mask=mask, needs=["i"]))).rows, only(wanted, columns))


@settings(max_examples=40)
@given(values=ROWS)
async def test_counts_are_of_the_rows_that_pass(values: list[dict[str, Any]]) -> None:
    columnar, rows = await stored(values)

    assert await columnar.count() == len(rows)
    assert await columnar.count(positive, ["i"]) == len([row for row in rows if row["i"] is not None and row["i"] > 0])
    assert await columnar.count(lambda table: pa.array([True] * len(table), pa.bool_())) == len(rows)


@settings(max_examples=40)
@given(values=ROWS)
async def test_csv_holds_the_same_values(values: list[dict[str, Any]]) -> None:
    columnar, rows = await stored(values)

    text = b"".join([chunk async for chunk in columnar.csv(Query(NAMES))]).decode()

    header, *lines = list(csv_module.reader(io.StringIO(text, newline="")))
    assert header == NAMES
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows, strict=True):
        for name, field in zip(NAMES, line, strict=True):
            assert field == plain(row[name])


def plain(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value != value:
            return "NaN"
        case float() if value in (float("inf"), float("-inf")):
            return "INF" if value > 0 else "-INF"
        case datetime():
            text = value.isoformat().replace("+00:00", "")
            return f"{text}Z"
        case str() if value[:1] in [*"=+-@\t\r"]:
            return f"'{value}"
    return str(value)


async def test_csv_tells_the_empty_text_from_no_value_and_takes_order_and_top() -> None:
    rows = '[{"id": "1", "s": "", "n": 1}, {"id": "2", "n": 3}, {"id": "3", "s": "a\\"b", "n": 2}]'
    found = await Imported({"out/a.json": rows.encode()}).all()
    columnar = await found.columnar()

    whole = b"".join([chunk async for chunk in columnar.csv(Query(["id", "s"]))])
    best = b"".join([chunk async for chunk in columnar.csv(Query(["n", "id"], order=[("n", True)], skip=1, top=1))])

    assert whole == b'id,s\r\n1,""\r\n2,\r\n3,"a""b"\r\n'
    assert best == b"n,id\r\n2,3\r\n"


async def test_only_the_columns_that_are_needed_are_fetched() -> None:
    lines = [f"{number},{number % 5003},{sha256(str(number).encode()).hexdigest()}" for number in range(20_000)]
    found = await Imported({"out/a.csv": csv("id,n,text", *lines)}).all(size=CutSize(records=10_000))
    columnar = await found.columnar()
    size = sum(file.size for file in columnar.manifest.files)

    found.large.read_bytes = 0
    await columnar.count(lambda table: pc.equal(table["n"], 5), ["n"])

    assert found.large.read_bytes < size / 3


async def test_a_reader_that_stops_leaves_no_task_behind() -> None:
    columnar, _ = await stored([{"i": 1}] * 20)

    await columnar.select(Query(["id"], top=1))
    chunks = columnar.csv(Query(["id"]))
    assert await anext(chunks)
    assert await anext(chunks)
    await chunks.aclose()

    assert len(asyncio.all_tasks()) == 1


async def test_a_snapshot_that_is_dropped_is_gone() -> None:
    found = await Imported(files_of([[("1", 1)]])).all()
    columnar = await found.columnar()
    await found.large.drop("snapshots/T1/")

    with pytest.raises(Gone):
        await columnar.select(Query(["n"]))
    with pytest.raises(Gone, match="has no Parquet"):
        await found.columnar()
