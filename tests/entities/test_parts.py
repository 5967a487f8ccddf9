"""Planning: which files of an output hold rows, and how they are cut."""

import gzip
import io
import json
from collections.abc import AsyncIterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.blocks import gunzipped
from shared.entities.csvscan import CutSize
from shared.entities.parts import Plan, parse_plan, plan_import
from shared.entities.schema import Wanted
from shared.errors import UnusableOutput
from tests.entities.fakes import MemoryOutput, chunked

WANTED = Wanted("id", "id", {})
CSV = b"id,n\n1,a\n2,b\n"


def parquet(rows: int = 3, group: int = 2) -> bytes:
    data = io.BytesIO()
    pq.write_table(pa.table({"id": [str(n) for n in range(rows)], "n": list(range(rows))}), data, row_group_size=group)
    return data.getvalue()


async def plan(files: dict[str, bytes], path: str = "out", size: CutSize | None = None) -> Plan:
    return await plan_import(MemoryOutput(files), path, WANTED, size)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["out"], None),
        (["out.csv", "out/a.csv"], ["out/a.csv"]),
        (["out/b.csv", "out/a.CSV", "out/sub/c.csv"], ["out/a.CSV", "out/b.csv", "out/sub/c.csv"]),
        (["out/part-0.csv", "out/_SUCCESS", "out/.part-0.csv.crc", "out/_temporary/0/x.csv"], ["out/part-0.csv"]),
        (["out/a.csv", "out/model.pkl", "out/readme.md"], ["out/a.csv"]),
        (["output/a.csv", "out/a.csv"], ["out/a.csv"]),
    ],
)
async def test_the_files_that_hold_rows(names: list[str], found: list[str] | None) -> None:
    files = dict.fromkeys(names, CSV)

    if found is None:
        with pytest.raises(UnusableOutput, match=r"holds no file we can read, only out; let the pipeline write CSV"):
            await plan(files)
        return
    assert [file.path for file in (await plan(files)).files] == found


async def test_an_output_may_be_one_file() -> None:
    assert [file.path for file in (await plan({"out/a.csv": CSV, "out/a.csv2": CSV}, "out/a.csv")).files] == [
        "out/a.csv"
    ]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no file at out"),
        ({"output/x.csv": CSV}, "there is no file at out"),
        ({"out/_SUCCESS": b"", "out/a.csv": b""}, r"only empty or hidden files \(_SUCCESS, a\.csv\)"),
        ({"out/a.csv": CSV, "out/b.parquet": b"x"}, r"files of 2 formats \(a\.csv, b\.parquet\)"),
        ({"out/a.csv": CSV, "out/b.csv": b"x,y\n1,2\n"}, r"out/b\.csv has no column 'id'; its columns are 'x', 'y'"),
        ({"out/a.parquet": b"PAR1xxxxxxxxxxxx"}, r"out/a\.parquet is not Parquet"),
        ({"out/a.parquet": b"x" * 100_000}, r"out/a\.parquet is not Parquet"),
        ({"out/a.parquet": b"x" * 50 + (30).to_bytes(4, "little") + b"PAR1"}, r"out/a\.parquet is not Parquet"),
        ({"out/a.csv.gz": CSV}, r"out/a\.csv\.gz is not gzip"),
        ({"out/a.csv.gz": gzip.compress(CSV)[:-9]}, "ends in the middle"),
        ({"out/a.parquet.gz": b"x"}, "holds no file we can read"),
    ],
)
async def test_outputs_that_cannot_be_imported_say_why(files: dict[str, bytes], message: str) -> None:
    with pytest.raises(UnusableOutput, match=message):
        await plan(files)


async def test_parts_are_cut_where_the_format_allows() -> None:
    lines = b"".join(b'{"id": %d}\n' % number for number in range(50_000))
    many = b"id\n" + b"".join(b"%d\n" % number for number in range(50_000))
    array = b'[{"id": 1}, {"id": 2}]'
    size = CutSize(records=20_000)

    parts = {
        name: [
            (part.start, part.end is None, part.first_line, part.records)
            for part in (await plan(files, size=size)).parts
        ]
        for name, files in {
            "lines": {"out/a.jsonl": lines},
            "csv": {"out/a.csv": many},
            "gzip": {"out/a.csv.gz": gzip.compress(many)},
            "gzip lines": {"out/a.json.gz": gzip.compress(lines)},
            "array": {"out/a.json": array},
            "parquet": {"out/a.parquet": parquet(5, 2)},
        }.items()
    }

    assert len(parts["lines"]) > 2
    assert len(parts["csv"]) > 2
    assert parts["gzip"] == [(3, True, 2, 50_000)]
    assert parts["gzip lines"] == [(0, True, 1, 50_000)]
    assert parts["array"] == [(0, True, 1, 2)]
    assert parts["parquet"] == [(0, True, 1, 2), (1, True, 3, 2), (2, True, 5, 1)]


async def test_a_file_with_a_header_alone_has_no_parts() -> None:
    found = await plan({"out/a.csv": b"id,n\n", "out/b.csv": CSV})

    assert [part.file for part in found.parts] == [1]
    assert found.records == 2


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.json", "a.parquet"])
async def test_a_plan_survives_as_json(name: str) -> None:
    data = {"a.csv": CSV, "a.csv.gz": gzip.compress(CSV), "a.json": b'[{"id": 1}]', "a.parquet": parquet()}[name]

    found = await plan({f"out/{name}": data})

    assert parse_plan(json.loads(json.dumps(found.document()))) == found


async def test_a_parquet_files_rows_are_not_fetched_to_plan_it() -> None:
    output = MemoryOutput({"out/a.parquet": parquet(300_000, 300_000)})

    found = await plan_import(output, "out", WANTED)

    assert found.records == 300_000
    assert output.read_bytes < 100_000 < len(output.files["out/a.parquet"])


async def test_a_parquet_footer_larger_than_the_first_fetch_is_read() -> None:
    data = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"]}).replace_schema_metadata({"x": "y" * 200_000}), data)

    assert (await plan({"out/a.parquet": data.getvalue()})).records == 1


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(1, 50))
async def test_gzip_of_several_members_in_any_chunks(one: bytes, other: bytes, chunk: int) -> None:
    data = gzip.compress(one) + gzip.compress(other)

    async def chunks() -> AsyncIterator[bytes]:
        async for some in chunked(data, chunk):
            yield some
            yield b""

    found = b"".join([some async for some in gunzipped(chunks(), "f.gz")])

    assert found == one + other


async def test_gzip_that_inflates_a_thousandfold_is_read_in_bounded_pieces() -> None:
    data = gzip.compress(b"x" * 50_000_000)

    sizes = [len(some) async for some in gunzipped(chunked(data), "f.gz")]

    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 1 << 20
