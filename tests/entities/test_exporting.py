"""Exporting: what is written, that an import reads it back, and how little is held meanwhile."""

import csv
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from copy import replace
from datetime import UTC, datetime
from math import inf, isnan, nan
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entities.exporting import Format, InputKind, export_csv, export_entity, export_parquet, ml_table
from shared.entities.importing import ImportStores, import_part
from shared.entities.keys import partition_key, row_key
from shared.entities.parts import plan_import
from shared.entities.reading import DataStores
from shared.entities.rows import Origin, Page, Row, RowStore, SnapshotTable, large_name
from shared.entities.schema import Column, Schema, Wanted
from shared.entities.snapshots import Entity, Snapshot
from shared.entities.values import EdmType, Value
from shared.errors import Conflict, Gone, NotFound
from tests.entities.fakes import MemoryEntities, MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows

NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
TYPES = {
    "id": EdmType.STRING,
    "text": EdmType.STRING,
    "flag": EdmType.BOOLEAN,
    "small": EdmType.INT32,
    "long": EdmType.INT64,
    "score": EdmType.DOUBLE,
    "at": EdmType.DATE_TIME_OFFSET,
}
SCHEMA = Schema(tuple(Column(name, name, 1, kind) for name, kind in TYPES.items()), "id", "id")
SNAPSHOT = Snapshot("T1", "run", SCHEMA, 4, 0, 0, NOW)


class Published:
    """A snapshot's rows, by key."""

    def __init__(self, rows: Mapping[str, Mapping[str, Value]]) -> None:
        self.rows = MemoryRows()
        self.large = MemoryLarge()
        self.expected = {key: {"CustomerId": key, "id": key, **values} for key, values in rows.items()}
        stored = [
            Row(partition_key(key, 4), row_key(key, None), Origin(0, line), values)
            for line, (key, values) in enumerate(self.expected.items(), 2)
        ]
        self.rows.tables["T1"] = {(row.partition, row.key): (row, "1") for row in stored}

    def set_apart(self, key: str, name: str) -> str:
        """Makes a value one that lies in a blob; the blob's name."""
        place = (partition_key(key, 4), row_key(key, None))
        row, version = self.rows.tables["T1"][place]
        index = list(TYPES).index(name)
        values = dict(row.values)
        blob = large_name("T1", row.origin, index)
        self.large.values[blob] = str(values.pop(name)).encode()
        self.rows.tables["T1"][place] = (replace(row, values=values, large=(index,)), version)
        return blob

    async def csv(self) -> bytes:
        return b"".join([chunk async for chunk in export_csv(SNAPSHOT, self.rows, self.large)])

    async def parquet(self) -> bytes:
        return b"".join([chunk async for chunk in export_parquet(SNAPSHOT, self.rows, self.large)])


async def imported(name: str, data: bytes) -> dict[str, Mapping[str, Value]]:
    """What our own import makes of a file, by customer."""
    rows, rejects = MemoryRows(), MemoryRejects()
    stores = ImportStores(MemoryOutput({name: data}), rows, rejects, MemoryLarge())
    declared = TYPES if name.endswith(".csv") else {}
    plan = await plan_import(stores.output, name, Wanted("id", "CustomerId", declared))
    table = SnapshotTable("T2", plan.schema, 4)
    await rows.create(table)
    for part in plan.parts:
        await import_part(part, plan, table, stores)
    assert rejects.rejects == {}
    return {str(row.values["id"]): row.values for row in rows.contents(table).values()}


def comparable(rows: Mapping[str, Mapping[str, Value]], *, without_empty: bool) -> dict[str, dict[str, object]]:
    """NaN is not itself; and an import of CSV makes no value of the empty text."""
    return {
        key: {
            name: "NaN" if isinstance(value, float) and isnan(value) else value
            for name, value in values.items()
            if not (without_empty and value == "")
        }
        for key, values in rows.items()
    }


async def test_each_type_has_its_text() -> None:
    published = Published(
        {
            "00001": {
                "text": 'a "b", c\r\nd',
                "flag": True,
                "small": -(2**31),
                "long": 2**63 - 1,
                "score": 0.1,
                "at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
            },
        }
    )

    assert await published.csv() == (
        b"CustomerId,id,text,flag,small,long,score,at\r\n"
        b'00001,00001,"a ""b"", c\r\nd",true,-2147483648,9223372036854775807,0.1,2026-01-02T03:04:05.000678Z\r\n'
    )


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "1,1,,,,,,"),
        ({"text": ""}, '1,1,"",,,,,'),
        ({"text": "=1+1", "flag": False}, "1,1,=1+1,false,,,,"),
        ({"text": "+49;\t|' ü🙂"}, "1,1,+49;\t|' ü🙂,,,,,"),
        ({"text": "\r"}, '1,1,"\r",,,,,'),
        ({"score": nan}, "1,1,,,,,NaN,"),
        ({"score": inf}, "1,1,,,,,INF,"),
        ({"score": -inf}, "1,1,,,,,-INF,"),
        ({"score": -0.0}, "1,1,,,,,-0.0,"),
        ({"score": 5e-324}, "1,1,,,,,5e-324,"),
        ({"at": datetime(1601, 1, 1, tzinfo=UTC)}, "1,1,,,,,,1601-01-01T00:00:00Z"),
    ],
)
async def test_values_as_they_stand_in_a_csv_file(values: Mapping[str, Value], line: str) -> None:
    data = await Published({"1": values}).csv()

    assert data.decode().split("\r\n", 1)[1] == f"{line}\r\n"


async def test_an_entity_without_rows_has_its_columns() -> None:
    empty = Published({})

    table = pq.read_table(io.BytesIO(await empty.parquet()))

    assert await empty.csv() == b"CustomerId,id,text,flag,small,long,score,at\r\n"
    assert (table.num_rows, table.column_names) == (0, ["CustomerId", *TYPES])


async def test_parquet_has_the_types_of_the_properties() -> None:
    schema = pq.read_schema(io.BytesIO(await Published({"1": {"text": ""}}).parquet()))

    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "CustomerId": pa.string(),
        "id": pa.string(),
        "text": pa.string(),
        "flag": pa.bool_(),
        "small": pa.int32(),
        "long": pa.int64(),
        "score": pa.float64(),
        "at": pa.timestamp("us", "UTC"),
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROWS = st.dictionaries(
    TEXTS.filter(bool),
    st.fixed_dictionaries(
        {},
        optional={
            "text": TEXTS | st.sampled_from(["", '"', "a,b", "\r\n", "NaN", "null", "00001", "true", " x "]),
            "flag": st.booleans(),
            "small": st.integers(-(2**31), 2**31 - 1),
            "long": st.integers(-(2**63), 2**63 - 1),
            "score": st.floats(),
            "at": st.datetimes(datetime(1601, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants it so
        },
    ),
    max_size=5,
)


@settings(max_examples=200)
@given(rows=ROWS)
async def test_an_import_of_an_exported_csv_gives_the_same_rows(rows: dict[str, dict[str, Value]]) -> None:
    published = Published(rows)

    found = await imported("data.csv", await published.csv())

    assert comparable(found, without_empty=True) == comparable(published.expected, without_empty=True)


@settings(max_examples=60)
@given(rows=ROWS)
async def test_an_import_of_an_exported_parquet_gives_the_same_rows(rows: dict[str, dict[str, Value]]) -> None:
    published = Published(rows)

    found = await imported("data.parquet", await published.parquet())

    assert comparable(found, without_empty=False) == comparable(published.expected, without_empty=False)


async def test_large_values_come_back_whole() -> None:
    published = Published({str(number): {"text": f"{number}ü" * 40_000} for number in range(20)})
    for number in range(0, 20, 2):
        published.set_apart(str(number), "text")

    csv.field_size_limit(1_000_000)
    read = list(csv.DictReader(io.StringIO((await published.csv()).decode(), newline="")))
    table = pq.read_table(io.BytesIO(await published.parquet()))

    expected = {key: values["text"] for key, values in published.expected.items()}
    assert {row["id"]: row["text"] for row in read} == expected
    assert dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)) == expected


async def test_a_large_value_that_is_gone_leaves_no_gap() -> None:
    published = Published({"1": {"text": "x"}})
    del published.large.values[published.set_apart("1", "text")]

    with pytest.raises(Gone, match="was dropped while it was exported; run the workflow again"):
        await published.csv()


class CountedRows(MemoryRows):
    """Tells how many pages were read."""

    pages = 0

    async def page(self, table: SnapshotTable, **options: Any) -> Page:
        self.pages += 1
        return await super().page(table, **options)


def counted(rows: int, text: str) -> Published:
    published = Published({f"{number:06d}": {"text": text} for number in range(rows)})
    published.rows = CountedRows(published.rows.tables, page_size=500)
    return published


async def test_a_page_of_csv_is_handed_on_before_the_next_one_is_read() -> None:
    published = counted(3000, "x")
    assert isinstance(published.rows, CountedRows)

    read = [published.rows.pages async for _ in export_csv(SNAPSHOT, published.rows, published.large)]

    assert read == [0, 1, 2, 3, 4, 5, 6]


async def test_a_row_group_of_parquet_is_handed_on_before_the_next_one_is_read() -> None:
    published = counted(1500, "x" * 20_000)
    assert isinstance(published.rows, CountedRows)

    exported = export_parquet(SNAPSHOT, published.rows, published.large)
    read = [(published.rows.pages, chunk) async for chunk in exported]

    file = pq.ParquetFile(io.BytesIO(b"".join(chunk for _, chunk in read)))
    groups = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    assert ([pages for pages, _ in read], groups) == ([1, 2, 3, 3], [500, 500, 500])


async def test_small_rows_share_a_row_group() -> None:
    published = counted(3000, "x")

    data = await published.parquet()

    assert pq.read_metadata(io.BytesIO(data)).num_row_groups == 1


def test_parquet_is_imported_only_where_it_is_written() -> None:
    code = "import shared.entities.exporting, sys; assert 'pyarrow' not in sys.modules"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# For a pipeline's input


class Folder:
    """What was written where."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def write(self, path: str, chunks: AsyncIterator[bytes]) -> None:
        self.files[path] = b"".join([chunk async for chunk in chunks])


def stores(published: Published, snapshot: Snapshot | None = SNAPSHOT) -> DataStores:
    entities = MemoryEntities({"value": Entity("Value", "customer-value", current=snapshot)})
    rows: RowStore = published.rows
    return DataStores(entities, rows, published.large)


@pytest.mark.parametrize(
    ("form", "kind", "path", "written"),
    [
        ("csv", "uri_file", "in/r1/data.csv", ["in/r1/data.csv"]),
        ("csv", "uri_folder", "in/r1/", ["in/r1/data.csv"]),
        ("csv", "mltable", "in/r1/", ["in/r1/data.csv", "in/r1/MLTable"]),
        ("parquet", "uri_file", "in/r1/data.parquet", ["in/r1/data.parquet"]),
        ("parquet", "uri_folder", "in/r1/", ["in/r1/data.parquet"]),
        ("parquet", "mltable", "in/r1/", ["in/r1/data.parquet", "in/r1/MLTable"]),
    ],
)
async def test_an_input_gets_the_path_of_its_kind(form: Format, kind: InputKind, path: str, written: list[str]) -> None:
    folder, published = Folder(), Published({"1": {"score": 0.5}})

    found = await export_entity("value", stores(published), folder.write, "in/r1/", form=form, kind=kind)

    assert (found, list(folder.files)) == (path, written)
    assert await imported(written[0], folder.files[written[0]]) == published.expected


async def test_exporting_again_writes_the_same() -> None:
    first, second, published = Folder(), Folder(), Published({"1": {}, "2": {"text": "x"}})
    for folder in (first, second):
        for form in ("csv", "parquet"):
            await export_entity("value", stores(published), folder.write, "in", form=form, kind="mltable")

    assert first.files == second.files


async def test_an_entity_that_is_not_there_or_not_published_is_told() -> None:
    folder, published = Folder(), Published({})

    with pytest.raises(NotFound, match="no entity is called 'Other'; there are: Value"):
        await export_entity("Other", stores(published), folder.write, "in", form="csv", kind="uri_file")
    with pytest.raises(Conflict, match=r"Value has no rows yet.* has been published: run customer-value first"):
        await export_entity("Value", stores(published, None), folder.write, "in", form="csv", kind="uri_file")

    assert folder.files == {}


async def test_a_snapshot_that_goes_meanwhile_is_told() -> None:
    published = Published({"1": {}})
    del published.rows.tables["T1"]

    with pytest.raises(Gone):
        await export_entity("Value", stores(published), Folder().write, "in", form="csv", kind="uri_file")


def test_a_table_tells_the_types_of_its_columns() -> None:
    schema = Schema(tuple(Column(name, name, 1, TYPES[name]) for name in ("id", "score", "flag", "at")), "id", "id")

    assert ml_table("data.csv", schema, "csv") == (
        "type: mltable\n"
        "paths:\n"
        "  - file: ./data.csv\n"
        "transformations:\n"
        "  - read_delimited:\n"
        "      delimiter: ','\n"
        "      encoding: utf8\n"
        "      header: all_files_same_headers\n"
        "      support_multi_line: true\n"
        "      infer_column_types: false\n"
        "  - convert_column_types:\n"
        '      - columns: "score"\n'
        "        column_type: float\n"
        '      - columns: "flag"\n'
        "        column_type: {boolean: {mismatch_as: error, true_values: ['true'], false_values: ['false']}}\n"
        '      - columns: "at"\n'
        "        column_type: {datetime: {formats: ['%Y-%m-%dT%H:%M:%SZ', '%Y-%m-%dT%H:%M:%S.%fZ']}}\n"
    )
    assert ml_table("data.parquet", schema, "parquet") == (
        "type: mltable\npaths:\n  - file: ./data.parquet\ntransformations:\n  - read_parquet\n"
    )
