"""Scanning CSV: whatever the chunks and parts, their records are those that csv.reader reads of the whole."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.entities.blocks import csv_blocks
from shared.entities.csvscan import CutSize, Scanned, scan_csv
from shared.entities.outputs import FileKind, OutputFile
from shared.entities.parts import Part
from shared.entities.records import Record, read_records
from shared.entities.schema import Wanted
from shared.entities.values import EdmType
from shared.errors import UnusableOutput
from tests.entities.fakes import MemoryOutput, chunked

WANTED = Wanted("id", "id", {})
FIELDS = st.text('ab,;"\r\n\té🙂 \x0b\u2028', max_size=6)
WRITTEN = st.lists(st.lists(FIELDS, min_size=1, max_size=3), max_size=12)


async def scan(data: bytes, chunk: int = 1 << 20, wanted: Wanted = WANTED, size: CutSize | None = None) -> Scanned:
    return await scan_csv(chunked(data, chunk), file="f.csv", wanted=wanted, size=size)


def written(rows: list[list[str]], line_end: str, *, quote_all: bool) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL).writerows(rows)
    return text.getvalue()


def whole(text: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(text, newline="")) if row]


async def records(data: bytes, scanned: Scanned, chunk: int = 1 << 20) -> list[Record]:
    """Of all parts, read one by one."""
    output = MemoryOutput({"f.csv": data}, chunk)
    file = OutputFile(0, output.listed("f.csv"), FileKind.CSV, False, scanned.delimiter, scanned.header)
    found: list[Record] = []
    for number, cut in enumerate(scanned.cuts):
        part = Part(number, 0, cut.start, cut.end, cut.first_line, cut.records)
        some = [record async for batch in read_records(output, file, part) for record in batch]
        assert len(some) == cut.records
        found += some
    return found


@settings(max_examples=300)
@given(
    rows=WRITTEN,
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
    chunk=st.integers(1, 40),
    part=st.integers(1, 4),
)
async def test_parts_together_hold_the_records_of_the_whole(
    rows: list[list[str]], line_end: str, quote_all: bool, chunk: int, part: int
) -> None:
    text = written([["id"], *rows], line_end, quote_all=quote_all)
    data = text.encode()

    scanned = await scan(data, chunk, size=CutSize(records=part))
    found = await records(data, scanned, chunk)

    expected = whole(text)[1:]
    assert [list(record.texts) for record in found if not record.fault] == [row for row in expected if len(row) == 1]
    assert len(found) == len(expected)


@settings(max_examples=500)
@given(st.lists(st.text('ab,"\r\n', max_size=30)).map("\n".join), st.integers(1, 20))
@example('a"b,"c"d"\r\n"x""y",""\n', 1)
@example('"a"\r\r\n\r"b"', 1)
async def test_stray_quotes_and_line_ends_mean_what_csv_reader_says(text: str, chunk: int) -> None:
    try:
        expected = list(csv.reader(io.StringIO(text, newline=""), strict=False))
        blocks = [block async for block in csv_blocks(chunked(text.encode(), chunk), file="f", delimiter=",")]
    except UnusableOutput:
        assert text.count('"') > 0
        return

    assert "".join(block.text for block in blocks) == text
    found = [row for block in blocks for row in csv.reader(io.StringIO(block.text, newline=""))]
    assert [row for row in found if row] == [row for row in expected if row]


@given(
    st.lists(st.sampled_from(["x", '"a\nb"', '"\r\n"', "", '"c\rd"']), min_size=1),
    st.integers(1, 9),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
async def test_each_record_knows_its_line(fields: list[str], chunk: int, line_end: str) -> None:
    lines = ["id,n", *(f"{number},{field}" for number, field in enumerate(fields))]
    data = "".join(f"{line}{line_end}" for line in lines).encode()

    scanned = await scan(data, chunk, size=CutSize(records=2))
    found = await records(data, scanned)

    line, expected = 2, []
    for field in fields:
        expected.append(line)
        line += 2 if any(end in field for end in "\r\n") else 1
    assert [record.number for record in found] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: there is no header"),
        ("\n\n", "line 1: there is no header"),
        ("a,b\n1,2\n", r"f\.csv has no column 'id'; its columns are 'a', 'b'"),
        ("a;b\n1;2\n", "its columns are 'a', 'b'"),
        ('id,n\n1,a\n2,"b\n3,c\n', "line 3: the quote that opens there never closes"),
        ('id,n\n1,"a\nb"\n2,c,"d\n', "line 4: the quote that opens there never closes"),
        ('id,"n\n1,2\n', "line 1: the quote"),
    ],
)
async def test_what_cannot_be_read_fails_with_file_and_line(text: str, message: str) -> None:
    for chunk in (1, 3, 1000):
        with pytest.raises(UnusableOutput, match=message):
            await scan(text.encode(), chunk)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("id,n\n1,a\n2,ü\n".encode("latin-1"), r"f\.csv, line 3: the text is not UTF-8"),
        ('id,n\n1,"a\nü"\n'.encode("cp1252"), "line 3: the text is not UTF-8"),
        ("id,n\n1,a\n".encode("utf-16"), "line 1: the text is UTF-16"),
        ("ïd,n\n1,a\n".encode("latin-1"), "line 1: the text is not UTF-8"),
    ],
)
async def test_other_encodings_fail_with_file_and_line(data: bytes, message: str) -> None:
    with pytest.raises(UnusableOutput, match=message):
        await scan(data)


@pytest.mark.parametrize(
    ("text", "delimiter", "header"),
    [
        ("id,n\n", ",", ("id", "n")),
        ("id;n\n", ";", ("id", "n")),
        ("id\tn\n", "\t", ("id", "n")),
        ("\ufeffid,n\n", ",", ("id", "n")),
        ("\n\r\nid,n\n", ",", ("id", "n")),
        (' id , "n" \n', ",", ("id", '"n"')),
        ("id;a,b\n", ";", ("id", "a,b")),
        ("id", ",", ("id",)),
        ('"id","a\nb"\r\n', ",", ("id", "a\nb")),
    ],
)
async def test_header_and_delimiter(text: str, delimiter: str, header: tuple[str, ...]) -> None:
    scanned = await scan(text.encode())

    assert (scanned.delimiter, scanned.header) == (delimiter, header)


async def test_a_delimiter_that_is_ambiguous_is_refused() -> None:
    with pytest.raises(UnusableOutput, match="both semicolon and tab"):
        await scan(b"id;a\tid\n")


async def test_types_are_those_of_all_rows_that_fit() -> None:
    text = "id,a,b,c,d,e\n1,1,true,2026-01-01,,x\n2,2.5,false,,,1\n3,,,2026-01-02T03:04:05Z,,\n4,x,y\n"

    scanned = await scan(text.encode(), chunk=7)

    types = [column.type for column in scanned.columns[1:]]
    assert types == [EdmType.DOUBLE, EdmType.BOOLEAN, EdmType.DATE_TIME_OFFSET, None, EdmType.STRING]


async def test_a_part_has_at_most_the_records_and_bytes_asked_for() -> None:
    data = b"id,n\n" + b"".join(b"%d,xxxxxxxxxx\n" % number for number in range(200_000))

    scanned = await scan(data, size=CutSize(records=20_000, data=500_000))

    assert max(cut.records for cut in scanned.cuts) <= 20_000
    assert max(cut.end - cut.start for cut in scanned.cuts) <= 500_000
    assert sum(cut.records for cut in scanned.cuts) == 200_000
    assert all(one.end == other.start for one, other in zip(scanned.cuts, scanned.cuts[1:], strict=False))


async def test_a_quote_that_never_closes_fails_within_a_bound() -> None:
    read = 0

    async def endless() -> object:
        nonlocal read
        yield b'id,n\n1,"'
        while True:
            read += 1 << 16
            assert read < 40 * 2**20
            yield b"x" * (1 << 16)

    with pytest.raises(UnusableOutput, match="line 2: the quote that opens there never closes"):
        await scan_csv(endless(), file="f.csv", wanted=WANTED)  # type: ignore[arg-type]
