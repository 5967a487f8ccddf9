"""Rows in memory and Arrow columns become the same CSV, byte for byte."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.entities.arrow_values import csv_header, csv_lines
from shared.entities.odata.formats import Format
from shared.entities.odata.rendering import Shape, as_csv
from shared.entities.schema import Column, Schema
from shared.entities.values import EdmType

ARROW = pa.schema(
    [
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("i", pa.int64()),
        ("d", pa.float64()),
        ("t", pa.timestamp("us", "UTC")),
    ]
)
SCHEMA = Schema(
    (
        Column("s", "s", 1, EdmType.STRING),
        Column("b", "b", 1, EdmType.BOOLEAN),
        Column("i", "i", 1, EdmType.INT64),
        Column("d", "d", 1, EdmType.DOUBLE),
        Column("t", "t", 1, EdmType.DATE_TIME_OFFSET),
    ),
    "s",
    "s",
)
SHAPE = Shape("https://bridge.example", "Value", SCHEMA, tuple(ARROW.names), Format(is_csv=True))
EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
TIMES = st.integers(0, 265_046_774_399_999_999).map(lambda us: EARLIEST + timedelta(microseconds=us))
TEXTS = st.text(st.sampled_from("=+-@\t\r\n \"',a0é\x0b\x0c\x1c\x85\u2028"), max_size=4) | st.text(max_size=5)
DOUBLES = (
    st.floats()
    | st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack("<d", struct.pack("<Q", bits))[0])
    | st.builds(lambda digits, power: float(f"{digits}e{power}"), st.integers(-(10**17), 10**17), st.integers(-25, 5))
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "s": st.none() | TEXTS,
            "b": st.none() | st.booleans(),
            "i": st.none() | st.integers(-(2**63), 2**63 - 1),
            "d": st.none() | DOUBLES,
            "t": st.none() | TIMES,
        }
    ),
    max_size=8,
)
BOUNDS = [1e-4, 0.00009999999999999999, 1e10, 9999999999.999998, 1e15, 1e16, -0.0, 5e-324, 1.0, 1e22, float("-inf")]


def from_arrow(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return csv_header(ARROW.names) + csv_lines(pa.Table.from_pylist(rows, ARROW))


@given(rows=ROWS)
@example(rows=[{"d": value} for value in BOUNDS])
@example(rows=[{"d": 1e16}])
@example(rows=[{"d": None}, {"d": float("nan")}])
def test_both_writers_write_the_same_bytes(rows: list[dict[str, Any]]) -> None:
    assert from_arrow(rows) == as_csv(SHAPE, rows).encode()


@given(rows=ROWS, names=st.lists(st.sampled_from(ARROW.names), min_size=1, unique=True))
@example(rows=[{"d": float("nan")}], names=["d"])
def test_so_they_do_of_any_properties(rows: list[dict[str, Any]], names: list[str]) -> None:
    table = pa.Table.from_pylist(rows, ARROW).select(names)

    assert csv_header(names) + csv_lines(table) == as_csv(replace(SHAPE, select=tuple(names)), rows).encode()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("=1+1", b"'=1+1"),
        ('=HYPERLINK("x","y")', b'"\'=HYPERLINK(""x"",""y"")"'),
        ("-5", b"'-5"),
        ("@x", b"'@x"),
        ("\tx", b"'\tx"),
        ("\r=x", b'"\'\r=x"'),
        ("", b'""'),
        (" x", b'" x"'),
        ("x=1", b"x=1"),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str, field: bytes) -> None:
    assert from_arrow([{"s": text}]) == b"s,b,i,d,t\r\n" + field + b",,,,\r\n"


def test_a_negative_number_stays_a_number() -> None:
    assert from_arrow([{"i": -5, "d": -1.5}]) == b"s,b,i,d,t\r\n,,-5,-1.5,\r\n"
