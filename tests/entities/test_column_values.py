"""Columns in Arrow hold what is read text by text, and CSV read by Arrow what `csv.reader` reads."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.entities.blocks import Block, count_lines, csv_blocks
from shared.entities.column_values import arrow_type, is_column_of, read_column
from shared.entities.csv_columns import csv_columns, gathered
from shared.entities.values import EdmType, Value, reader, widen
from tests.entities.fakes import chunked

NUMBERS = st.one_of(
    st.integers(-(2**31) - 2, 2**31 + 2).map(str),
    st.integers(-(2**63) - 2, 2**63 + 2).map(str),
    st.floats().map(repr),
    st.floats(-1e6, 1e6).map(lambda number: f"{number:.3f}"),
    st.from_regex(r"\A[-+]?0{0,2}[0-9]{0,21}(\.[0-9]{0,3})?([eE][-+]?[0-9]{1,3})?\Z").filter(bool),
    st.sampled_from(
        ["nan", "NaN", "inf", "-Infinity", "0x1F", "1_0", " 5", "5 ", "5.0", "-0", "1e400", "-.5", "+.5", "."]
    ),
)
TIMES = st.one_of(
    st.datetimes().map(lambda time: time.isoformat()),
    st.datetimes().map(lambda time: f"{time.isoformat(' ', 'minutes')}Z"),
    st.datetimes().map(lambda time: f"{time.isoformat(timespec='milliseconds')}+02:00"),
    st.dates().map(lambda day: day.isoformat()),
    st.from_regex(
        r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}){0,2}(\.[0-9]{1,9})?(Z|[-+][0-9]{2}:?[0-9]{2})?)?\Z"
    ),
    st.sampled_from(
        ["1600-12-31", "1601-01-01T00:00+00:01", "9999-12-31T23:59:59-05:00", "2026-02-30", "2026-01-31T24:00"]
    ),
)
WORDS = st.sampled_from(["true", "False", "TRUE", "tRuE", "yes", "n", "1", "0", " true", "t", "é", "x" * 99, "NULL"])
TEXTS = st.one_of(NUMBERS, TIMES, WORDS)
ALIKE = st.one_of(*(st.lists(st.none() | some, max_size=5) for some in (NUMBERS, TIMES, WORDS, TEXTS)))


def one_by_one(kind: EdmType, texts: list[str | None]) -> list[Value | None] | None:
    try:
        return [None if text is None else reader(kind)(text) for text in texts]
    except ValueError:
        return None


@pytest.mark.parametrize("kind", EdmType)
@settings(max_examples=120)
@given(texts=ALIKE, start=st.integers(0, 2))
def test_a_column_holds_what_its_texts_are(kind: EdmType, texts: list[str | None], start: int) -> None:
    column = pa.array(texts, pa.string()).slice(start)
    wanted = one_by_one(kind, texts[start:])

    found = read_column(kind, column)

    if wanted is None:
        assert found is None
    else:
        assert found is not None
        assert found.type == arrow_type(kind)
        # Arrow compares bits: NaN is itself, -0.0 is not 0.0.
        assert list(map(repr, found.to_pylist())) == list(map(repr, pa.array(wanted, arrow_type(kind)).to_pylist()))


@pytest.mark.parametrize("kind", EdmType)
@settings(max_examples=120)
@given(texts=ALIKE)
def test_a_column_that_keeps_its_type_is_one_whose_texts_keep_it(kind: EdmType, texts: list[str | None]) -> None:
    if is_column_of(kind, pa.array(texts, pa.string())):
        assert widen(kind, [text for text in texts if text is not None]) is kind


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (EdmType.BOOLEAN, ["True", "false", None]),
        (EdmType.INT32, ["-7", "0", None, "2147483647"]),
        (EdmType.INT64, ["-9223372036854775808", "5"]),
        (EdmType.DOUBLE, ["1.5", "-0.25", "3", "1e-7", None]),
        (EdmType.DATE_TIME_OFFSET, ["2026-01-31", None]),
        (EdmType.DATE_TIME_OFFSET, ["2026-01-31T10:00:00.5Z", "2026-01-31T10:00:00.7Z"]),
    ],
)
def test_plain_columns_are_read_by_arrow(kind: EdmType, texts: list[str | None]) -> None:
    assert is_column_of(kind, pa.array(texts, pa.string()))


def block(text: str) -> Block:
    data = text.encode()
    ends = count_lines(data)
    return Block(data, text, 1, ends if data.endswith((b"\n", b"\r")) else ends + 1, 0, len(data))


@settings(max_examples=400)
@given(
    text=st.text(st.sampled_from("ab,;\"\r\n \\'é\0"), min_size=1, max_size=40),
    count=st.integers(1, 3),
    delimiter=st.sampled_from(",;\t"),
)
@example(text="a,b\n\nc,d\n", count=2, delimiter=",")
@example(text='"",\n"a ""b""" x,\'c\n', count=2, delimiter=",")
def test_csv_columns_are_what_the_reader_of_rows_reads(text: str, count: int, delimiter: str) -> None:
    if text.count('"') % 2:
        text += '"'
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))

    columns = csv_columns([block(text)], delimiter, count)
    last = csv_columns([block(text)], delimiter, count, [count - 1])
    none = csv_columns([block(text)], delimiter, count, [])

    if columns is not None:
        texts = list(zip(*(column.to_pylist() for column in columns), strict=True))
        assert texts == [tuple(field or None for field in row) for row in rows]
        assert last is not None
        assert last[0].equals(columns[-1])
        assert none == []
    else:
        is_plain = rows and '"' not in text and "\0" not in text and all(len(row) == count for row in rows)
        assert not is_plain


async def test_blocks_are_read_some_at_a_time() -> None:
    data = b"".join(b"%d,x\n" % number for number in range(400_000))

    groups = [some async for some in gathered(csv_blocks(chunked(data, 50_000), file="f", delimiter=","))]

    assert b"".join(block.data for some in groups for block in some) == data
    assert all(sum(len(block.data) for block in some) < 600_000 for some in groups)
    assert len(groups) == 7
    found = csv_columns(groups[0], ",", 2)
    assert found is not None
    assert found[0].to_pylist() == [str(number) for number in range(len(found[0]))]
