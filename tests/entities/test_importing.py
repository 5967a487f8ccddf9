"""Importing: rows, rejects and large values, whatever the order of parts and wherever a process dies."""

import asyncio
import gzip
import io
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entities.csvscan import CutSize
from shared.entities.importing import ImportStores, import_part
from shared.entities.outputs import Listed
from shared.entities.parts import Part, Plan, plan_import
from shared.entities.rows import Existing, Origin, Row, SnapshotTable, Write, large_name
from shared.entities.schema import Wanted
from shared.entities.transactions import settle
from shared.entities.values import EdmType
from shared.errors import StorageUnavailable, UnusableOutput
from tests.entities.fakes import MemoryLarge, MemoryOutput, MemoryRejects, MemoryRows

type Rows = dict[tuple[str, str], Row]
WANTED = Wanted("id", "id", {})


class Imported:
    """An output on its way into a snapshot."""

    def __init__(self, files: dict[str, bytes], **members: Any) -> None:
        self.rows = MemoryRows()
        self.rejects = MemoryRejects()
        self.large = MemoryLarge()
        self.stores = ImportStores(MemoryOutput(files), self.rows, self.rejects, self.large)
        self.buckets = members.get("buckets", 4)

    async def plan(self, wanted: Wanted = WANTED, size: CutSize | None = None) -> Plan:
        self.planned = await plan_import(self.stores.output, "out", wanted, size)
        self.table = SnapshotTable("T1", self.planned.schema, self.buckets)
        await self.rows.create(self.table)
        return self.planned

    async def part(self, part: Part) -> tuple[int, int]:
        result = await import_part(part, self.planned, self.table, self.stores)
        return result.records, result.misfits

    async def all(self, wanted: Wanted = WANTED) -> "Imported":
        for part in (await self.plan(wanted)).parts:
            await self.part(part)
        return self

    @property
    def values(self) -> dict[str, Mapping[str, Any]]:
        return {
            key: row.values for (_, key), row in sorted(self.rows.contents(self.table).items(), key=lambda e: e[0][1])
        }

    @property
    def reasons(self) -> list[tuple[str, int, str]]:
        found = sorted(self.rejects.rejects.get("T1", {}).items())
        return [(reject.file, reject.origin.line, reject.reason) for _, reject in found]


def csv(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


async def test_rows_that_do_not_fit_are_rejects_with_file_line_and_reason() -> None:
    text = csv(
        "id,n,t", "1,1,a", "2", "3,x,b", ",4,c", f"{'9' * 600},5,d", '"6', '6",6,e', "1,7,f", "", "8,8,g,h", "9,9,i"
    )

    found = await Imported({"out/a.csv": text}).all(Wanted("id", "id", {"n": EdmType.INT32}))

    assert list(found.values) == ["1", "6~000A6", "9"]
    assert found.reasons == [
        ("out/a.csv", 3, "has 1 fields, and the header 3"),
        ("out/a.csv", 4, "has a value in the column 'n' that is no Edm.Int32"),
        ("out/a.csv", 5, "has no value in the key column 'id'"),
        ("out/a.csv", 6, "customer id and primary key are too long: with escapes more than 512 UTF-16 units"),
        ("out/a.csv", 9, "has a key that occurs more than once; the first occurrence is kept"),
        ("out/a.csv", 11, "has 4 fields, and the header 3"),
    ]


async def test_every_record_is_a_row_or_a_reject() -> None:
    found = await Imported({"out/a.csv": csv("id,n", "1,1", "1,2", ",3", "2,4")}).all()

    assert found.planned.records == len(found.values) + len(found.reasons) == 4


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.jsonl", lambda rows: "\n".join(json.dumps(row) for row in rows).encode()),
        ("a.json", lambda rows: json.dumps(rows, indent=1).encode()),
        ("a.json.gz", lambda rows: gzip.compress("\n".join(json.dumps(row) for row in rows).encode())),
    ],
)
async def test_json_brings_its_values(name: str, make: Any) -> None:
    rows = [
        {"id": 1, "b": True, "n": 2**40, "x": 1.5, "t": "", "o": {"k": [1, 2.5]}, "big": 2**70, "at": "2026-01-02"},
        {"id": "00002", "x": 2, "t": "5", "b": None, "big": 1},
    ]

    found = await Imported({f"out/{name}": make(rows)}).all()

    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert found.values == {
        "00002": {"CustomerId": "00002", "id": "00002", "x": 2.0, "t": "5", "big": "1"},
        "1": {
            "CustomerId": "1",
            "id": "1",
            "b": True,
            "n": 2**40,
            "x": 1.5,
            "t": "",
            "o": '{"k":[1,2.5]}',
            "big": str(2**70),
            "at": at,
        },
    }


async def test_lines_that_are_no_objects_are_rejects() -> None:
    text = '{"id": 1}\nnonsense\n[2]\n{"id": "\\ud800é"}\n{"id": null}\n{"id": 6}'

    found = await Imported({"out/a.jsonl": text.encode()}).all()

    assert list(found.values) == ["1", "6"]
    assert [(line, reason) for _, line, reason in found.reasons] == [
        (2, "is not JSON"),
        (3, "is no JSON object"),
        (4, "has a text with half of a surrogate pair"),
        (5, "has no value in the key column 'id'"),
    ]


async def test_parquet_brings_its_types() -> None:
    utc = pa.timestamp("ns", tz="Europe/Berlin")
    table = pa.table(
        {
            "id": pa.array([1, 2]),
            "i8": pa.array([1, None], pa.int8()),
            "u32": pa.array([2**32 - 1, 0], pa.uint32()),
            "u64": pa.array([2**64 - 1, 0], pa.uint64()),
            "f": pa.array([1.5, float("inf")], pa.float32()),
            "short": pa.array([Decimal("1.10"), None], pa.decimal128(5, 2)),
            "long": pa.array([Decimal("12345678901234567890.10"), None], pa.decimal128(30, 2)),
            "at": pa.array([1_767_323_045_123_456_789, None], pa.int64()).cast(utc),
            "day": pa.array([datetime(2026, 1, 2, tzinfo=UTC).date(), None]),
            "cat": pa.array(["a", "b"]).dictionary_encode(),
            "raw": pa.array([b"\x00\xff", None]),
            "list": pa.array([[1, 2], None]),
            "nothing": pa.nulls(2),
        }
    )
    data = io.BytesIO()
    pq.write_table(table, data, row_group_size=1)

    found = await Imported({"out/a.parquet": data.getvalue()}).all()

    assert len(found.planned.parts) == 2
    assert found.values["1"] == {
        "CustomerId": "1",
        "id": "1",
        "i8": 1,
        "u32": 2**32 - 1,
        "u64": str(2**64 - 1),
        "f": 1.5,
        "short": 1.1,
        "long": "12345678901234567890.10",
        "at": datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
        "day": datetime(2026, 1, 2, tzinfo=UTC),
        "cat": "a",
        "raw": "AP8=",
        "list": "[1,2]",
    }
    assert found.values["2"] == {"CustomerId": "2", "id": "2", "u32": 0, "u64": "0", "f": float("inf"), "cat": "b"}
    assert {row.origin for row in found.rows.contents(found.table).values()} == {Origin(0, 1), Origin(0, 2)}


async def test_a_parquet_file_that_is_broken_in_its_middle_fails() -> None:
    data = io.BytesIO()
    pq.write_table(pa.table({"id": [str(number) for number in range(1000)]}), data)
    broken = data.getvalue()[:20] + b"\xff" * 200 + data.getvalue()[220:]
    imported = Imported({"out/a.parquet": broken})
    plan = await imported.plan()

    with pytest.raises(UnusableOutput, match=r"out/a\.parquet is not Parquet, or broken"):
        await imported.part(plan.parts[0])


async def test_files_may_have_their_columns_in_another_order_or_not_all() -> None:
    files = {"out/a.csv": csv("id,x,x", "1,a,b"), "out/b.csv": csv("y;id;x", "c;2;d")}

    found = await Imported(files).all()

    assert found.values == {
        "1": {"CustomerId": "1", "id": "1", "x": "a", "x_2": "b"},
        "2": {"CustomerId": "2", "id": "2", "x": "d", "y": "c"},
    }


async def test_values_too_large_for_a_property_come_to_lie_in_blobs() -> None:
    long, emoji = "x" * 40_000, "🙂" * 16_001
    text = csv("id,a,b,c", f"1,{long},{emoji},ok", f"2,{'y' * 32_000},,ok")

    found = await Imported({"out/a.csv": text}).all()

    rows = {row.key: row for row in found.rows.contents(found.table).values()}
    assert (rows["1"].large, rows["2"].large) == ((1, 2), ())
    assert dict(rows["1"].values) == {"CustomerId": "1", "id": "1", "c": "ok"}
    assert {name: value for name, value in found.large.values.items() if "/large/" in name} == {
        large_name("T1", Origin(0, 2), 1): long.encode(),
        large_name("T1", Origin(0, 2), 2): emoji.encode(),
    }


async def test_a_row_beyond_one_mib_sets_its_longest_texts_apart() -> None:
    texts = [chr(97 + index % 26) * (20_000 + index) for index in range(40)]
    header = ",".join(["id", *(f"c{index}" for index in range(40))])

    found = await Imported({"out/a.csv": csv(header, ",".join(["1", *texts]))}).all()

    row = next(iter(found.rows.contents(found.table).values()))
    kept = sum(2 * len(str(value)) for value in row.values.values())
    assert 800 * 1024 < kept < 900 * 1024
    assert row.large == tuple(range(min(row.large), 41))


async def test_a_file_that_changed_since_it_was_listed_fails() -> None:
    output = MemoryOutput({"out/a.csv": csv("id", "1")})
    imported = Imported(output.files)
    plan = await imported.plan()
    output.files["out/a.csv"] = csv("id", "2")

    with pytest.raises(UnusableOutput, match="has changed"):
        await imported.part(plan.parts[0])


@pytest.mark.parametrize(
    ("stored", "writes", "losers"),
    [
        (None, [None], []),
        (Origin(0, 5), [], []),
        (Origin(0, 4), [], [Origin(0, 5)]),
        (Origin(0, 6), ["v"], [Origin(0, 6)]),
        (Origin(1, 1), ["v"], [Origin(1, 1)]),
    ],
)
def test_of_two_rows_with_one_key_the_lower_origin_wins(
    stored: Origin | None, writes: list[str | None], losers: list[Origin]
) -> None:
    row = Row("0000", "k", Origin(0, 5), {})
    found = {"k": Existing(stored, "v")} if stored else {}

    assert settle([row], found) == ([Write(row, replaces) for replaces in writes], losers)


FILES = st.lists(
    st.lists(st.tuples(st.sampled_from(["1", "2", "3", "", "4"]), st.integers(0, 99)), max_size=6),
    min_size=1,
    max_size=3,
)


def written(files: Sequence[Sequence[tuple[str, int]]]) -> dict[str, bytes]:
    return {
        f"out/{index}.csv": csv("id,n", *(f"{key},{number}" for key, number in rows))
        for index, rows in enumerate(files)
    }


def expected(files: Sequence[Sequence[tuple[str, int]]]) -> dict[str, Origin]:
    """The first occurrence of each key, by file and line."""
    first: dict[str, Origin] = {}
    for index, rows in enumerate(files):
        for line, (key, _) in enumerate(rows, 2):
            if key:
                first.setdefault(key, Origin(index, line))
    return first


@settings(max_examples=60)
@given(files=FILES, order=st.randoms(use_true_random=False), dies=st.lists(st.integers(0, 5), max_size=3))
async def test_any_order_of_parts_and_any_death_between_writes_gives_the_same(
    files: list[list[tuple[str, int]]], order: Any, dies: list[int]
) -> None:
    found = Imported(written(files))
    parts = list((await found.plan(size=CutSize(records=2, data=20))).parts) * 2
    order.shuffle(parts)
    for part, dies_after in itertools.zip_longest(parts, dies[: len(parts)]):
        found.rows.dies_after = None if dies_after is None else found.rows.writes + dies_after
        try:
            await found.part(part)
        except SystemError:
            found.rows.dies_after = None
            await found.part(part)

    stored = found.rows.contents(found.table)
    first = expected(files)
    assert {row.key: row.origin for row in stored.values()} == first
    rejected = {(file, line) for file, line, _ in found.reasons}
    every = {(f"out/{index}.csv", line) for index, rows in enumerate(files) for line in range(2, len(rows) + 2)}
    assert rejected == every - {(f"out/{origin.file}.csv", origin.line) for origin in first.values()}


async def test_a_part_that_fails_leaves_no_task_behind() -> None:
    class Stuck(MemoryRows):
        """Writes never end."""

        async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
            await asyncio.Event().wait()
            return True

    class Breaking(MemoryOutput):
        """Reading fails after the first chunk, once it is planned."""

        is_planned = False

        async def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
            async for chunk in super().read(file, start, end):
                yield chunk
                if self.is_planned:
                    raise StorageUnavailable("away")

    found = Imported({})
    output = Breaking({"out/a.csv": csv("id,n", *(f"{number},x" for number in range(5000)))}, chunk=4_000)
    found.stores = ImportStores(output, Stuck(found.rows.tables), found.rejects, found.large)
    plan = await found.plan()
    output.is_planned = True

    with pytest.raises(StorageUnavailable):
        await found.part(plan.parts[0])

    assert len(asyncio.all_tasks()) == 1


async def test_two_processes_on_one_part_give_its_rows_once() -> None:
    found = Imported({"out/a.csv": csv("id,n", *(f"{number % 900},{number}" for number in range(1000)))}, buckets=2)
    part = (await found.plan()).parts[0]

    results = await asyncio.gather(*(found.part(part) for _ in range(3)))

    assert set(results) == {(1000, 0)}
    assert (len(found.values), len(found.reasons)) == (900, 100)


async def test_rows_that_wait_are_sent_before_they_are_too_many() -> None:
    """Hardly two of them are of one partition; some have a value that lies in a blob."""
    rows = [{"id": str(number), "t": "x" * (40_000 if number % 50 == 0 else 20_000)} for number in range(1_000)]
    plain = csv("id,t", *(f"{row['id']},{row['t']}" for row in rows))
    lines = "\n".join(json.dumps(row) for row in rows).encode()

    for files in ({"out/a.csv": plain}, {"out/a.jsonl": lines}):
        found = Imported(files, buckets=65_536)
        await found.all()

        stored = found.rows.contents(found.table).values()
        texts = {row.values["id"]: row.values.get("t") or found.large.values[large_name("T1", row.origin, 1)].decode()
                 for row in stored}  # fmt: skip
        assert texts == {row["id"]: row["t"] for row in rows}
