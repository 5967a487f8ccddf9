"""Which type a text has, and what it reads as."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.entities.values import EdmType, JsonFloat, as_text, classify, reader, widen, widest

BOOLEAN, INT32, INT64, DOUBLE, TIME, STRING = EdmType

CLASSES = [
    ("true", BOOLEAN),
    ("FALSE", BOOLEAN),
    ("yes", STRING),
    ("0", INT32),
    ("-0", INT32),
    ("-2147483648", INT32),
    ("2147483647", INT32),
    ("2147483648", INT64),
    ("-9223372036854775808", INT64),
    ("9223372036854775807", INT64),
    ("9223372036854775808", STRING),
    ("12345678901234567890123", STRING),
    ("9" * 5000, STRING),
    ("007", STRING),
    ("00001.5", STRING),
    ("+49", STRING),
    ("1_000", STRING),
    (" 1", STRING),
    ("٣", STRING),
    ("1.", DOUBLE),
    (".5", DOUBLE),
    ("-1.5e-300", DOUBLE),
    ("1e999", STRING),
    ("1,5", STRING),
    ("nan", DOUBLE),
    ("-INF", DOUBLE),
    ("Infinity", DOUBLE),
    ("2026-01-31", TIME),
    ("2026-02-30", STRING),
    ("2026-01-31T10:00", TIME),
    ("2026-01-31 10:00:00.123456789", TIME),
    ("2026-01-31T10:00:00Z", TIME),
    ("2026-01-31T10:00:00+0530", TIME),
    ("2026-W01-1", STRING),
    ("20260131", INT32),
    ("1600-12-31", STRING),
    ("1601-01-01", TIME),
    ("9999-12-31T23:59:00-01:00", STRING),
    ("NULL", STRING),
    ("x", STRING),
]


@pytest.mark.parametrize(("text", "edm_type"), CLASSES)
def test_the_narrowest_type_without_loss(text: str, edm_type: EdmType) -> None:
    assert classify(text) is edm_type
    reader(edm_type)(text)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (None, INT32, INT32),
        (INT32, INT64, INT64),
        (DOUBLE, INT64, DOUBLE),
        (BOOLEAN, INT32, STRING),
        (DOUBLE, TIME, STRING),
        (TIME, TIME, TIME),
        (None, None, None),
    ],
)
def test_the_narrowest_type_that_holds_both(one: EdmType | None, other: EdmType | None, both: EdmType | None) -> None:
    assert widest(one, other) is both
    assert widest(other, one) is both


@given(st.lists(st.sampled_from([text for text, _ in CLASSES] + ["", "1\n2", "5", "1.5", "2026-01-02"]), max_size=8))
def test_looking_at_many_values_at_once_decides_as_one_by_one(texts: list[str]) -> None:
    slow: EdmType | None = None
    for text in filter(None, texts):
        slow = widest(slow, classify(text))

    known = widen(None, texts[:3])

    assert widen(known, texts[3:]) is slow


@given(st.sampled_from(EdmType), st.lists(st.text("0123456789-+.eE:TZ truefalsnNaIF\n", max_size=12), max_size=3))
def test_what_was_seen_to_fit_can_be_read(known: EdmType, texts: list[str]) -> None:
    found = widen(known, texts)

    assert found is not None
    for text in filter(None, texts):
        reader(found)(text)


@pytest.mark.parametrize(
    ("edm_type", "text", "value"),
    [
        (BOOLEAN, " Yes ", True),
        (BOOLEAN, "0", False),
        (INT32, "007", 7),
        (INT64, " +5 ", 5),
        (INT64, "5.0", 5),
        (INT32, "-7.00", -7),
        (DOUBLE, "1e3", 1000.0),
        (DOUBLE, "-inf", float("-inf")),
        (TIME, "2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        (TIME, "2026-01-31T10:00:00+02:00", datetime(2026, 1, 31, 8, tzinfo=UTC)),
        (TIME, "2026-01-31T10:00:00.123456789", datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)),
        (STRING, " as it is ", " as it is "),
    ],
)
def test_a_declared_type_reads_leniently(edm_type: EdmType, text: str, value: object) -> None:
    assert reader(edm_type)(text) == value


def test_nan_is_a_double() -> None:
    assert isnan(float(reader(DOUBLE)("NaN")))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edm_type", "text"),
    [
        (BOOLEAN, "2"),
        (INT32, "2147483648"),
        (INT32, "1.5"),
        (INT32, ".0"),
        (INT32, "1.0.0"),
        (INT64, "9223372036854775808"),
        (INT64, "1_0"),
        (INT64, "9" * 5000),
        (DOUBLE, "1e999"),
        (DOUBLE, "1_0.5"),
        (DOUBLE, "٣"),
        (TIME, "20260131"),
        (TIME, "1600-01-01"),
        (TIME, "yesterday"),
    ],
)
def test_what_does_not_fit_is_refused(edm_type: EdmType, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        reader(edm_type)(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("x", "x"),
        (True, "true"),
        (5, "5"),
        (10**30, "1" + "0" * 30),
        (JsonFloat("1.10"), "1.10"),
        (0.1, "0.1"),
        (Decimal("1.10"), "1.10"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, tzinfo=UTC), "2026-01-02T03:00:00+00:00"),
        (b"\x00\xff", "AP8="),
        ({"a": [1, JsonFloat("2.50"), None, "é"]}, '{"a":[1,2.5,null,"é"]}'),
        ([date(2026, 1, 2)], '["2026-01-02"]'),
    ],
)
def test_values_of_json_and_parquet_as_text(value: object, text: str | None) -> None:
    assert as_text(value) == text


@given(st.floats(allow_nan=False))
def test_a_double_survives_as_text(number: float) -> None:
    assert reader(DOUBLE)(str(as_text(number))) == number
    assert json.loads(str(as_text([number]))) == [number]
