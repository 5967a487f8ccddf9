"""What filters mean, case by case, in Python and in Arrow; and which do not fit the entity."""

from datetime import UTC, datetime
from math import inf, nan
from typing import Any

import pyarrow as pa
import pytest

from shared.entities.odata.binding import bind_filter
from shared.entities.odata.columns import arrow_filter, arrow_type
from shared.entities.odata.customers import customer_ids
from shared.entities.odata.evaluation import in_order, matches
from shared.entities.odata.filters import Filter, properties
from shared.entities.odata.names import bind_orderby, bind_select
from shared.entities.odata.parsing import parse_filter, parse_names, parse_orderby
from shared.errors import BadRequest, NotSupported
from tests.support.filters import SCHEMA

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ROW: dict[str, Any] = {
    "CustomerId": "c1",
    "id": "c1",
    "name": "O'Neil",
    "city": None,
    "n": 5,
    "m": None,
    "big": 2**63 - 1,
    "huge": 2**53 + 1,
    "x": 2.5,
    "y": nan,
    "flag": True,
    "mark": None,
    "at": datetime(2026, 1, 31, 23, 30, 15, 123456, tzinfo=UTC),
    "since": None,
}


def bound(text: str) -> Filter:
    return bind_filter(parse_filter(text), SCHEMA, NOW)


def both(text: str, row: dict[str, Any]) -> bool:
    node = bound(text)
    schema = pa.schema([(name, arrow_type(edm)) for name, edm in SCHEMA.properties.items()])
    by_arrow = pa.Table.from_pylist([row], schema=schema).filter(arrow_filter(node)).num_rows == 1
    assert matches(node, row) is by_arrow
    return by_arrow


@pytest.mark.parametrize(
    "text",
    [
        "name eq 'O''Neil'",
        "NAME EQ 'O''Neil'",
        "'O''Neil' eq name",
        "5 lt n add 1",
        "n eq 5.0",
        "n in (1, 5, null)",
        "city in ('a', null)",
        "not (n in (1))",
        "not n in (1)",  # in binds closer than not
        "n eq 5 or n eq 6 and n eq 7",  # and binds closer than or
        "not contains(name, 'x') and flag",  # not binds closer than and
        "n add 2 mul 3 eq 11",
        "(n add 2) mul 3 eq 21",
        "n sub 1 sub 1 eq 3",
        "-n eq -5",
        "n div 2 eq 2",
        "-n div 2 eq -2",
        "n mod 3 eq 2 and -n mod 3 eq -2",
        "x div 2 eq 1.25",
        "x div 0 eq INF",
        "-x div 0 eq -INF",
        "n div 2.0 eq 2.5",
        # Null: equal to itself, neither more nor less than anything, and unknown in logic.
        "city eq null",
        "city ne 'a'",
        "not (city eq 'a')",
        "not (city gt 'a')",
        "city eq tolower(city)",
        "mark or flag",
        "not (mark and false)",
        "contains(city, 'a') eq null",
        "m add 1 eq null",
        "null eq null",
        # Whole numbers.
        "big add 1 eq null",
        "big mul 2 eq null",
        "n div 0 eq null and n mod 0 eq null",
        "huge ne 9007199254740992",
        "huge eq 9007199254740992.0",  # as Doubles they are the same
        # NaN equals nothing.
        "y ne NaN",
        "not (y eq y)",
        "not (y in (NaN))",
        "not (y lt 0) and not (y ge 0)",
        # Texts.
        "contains(tolower(name), tolower('NEIL'))",
        "startswith(name, '') and endswith(name, 'il')",
        "length(concat(name, '🙂é')) eq 8",
        "indexof(concat('é🙂', name), 'N') eq 4 and indexof(name, 'z') eq -1",
        "substring(name, 2) eq 'Neil' and substring(name, 2, 2) eq 'Ne' and substring(name, 99) eq ''",
        "trim(concat(concat(' \u3000', name), '\u00a0')) eq name",
        "toupper(name) eq 'O''NEIL'",
        "name gt 'N' and name lt 'a'",  # by code point
        # Times.
        "at eq 2026-01-31T23:30:15.123456Z",
        "at eq 2026-02-01T01:30:15.123456+02:00",
        "at eq 2026-02-01T01:30:15.123456 02:00",  # a + that became a space
        "at gt 2026-01-31 and date(at) eq 2026-01-31",
        "year(at) eq 2026 and month(at) eq 1 and day(at) eq 31",
        "hour(at) eq 23 and minute(at) eq 30 and second(at) eq 15",
        "now() gt at and now() eq 2026-11-21T12:00:00Z",
        # Rounding, halves away from 0.
        "round(x) eq 3 and round(-x) eq -3 and floor(x) eq 2 and ceiling(x) eq 3 and round(n) eq 5",
        "id eq 12345678-1234-1234-1234-123456789abc or true",
    ],
)
def test_the_row_matches(text: str) -> None:
    assert both(text, ROW)


@pytest.mark.parametrize(
    "text",
    [
        "city gt 'a'",
        "city le null",
        "not mark",
        "mark",
        "mark and true",
        "n ne 5",
        "y eq NaN",
        "null",
        "m lt 1",
        "m ge m",
    ],
)
def test_the_row_does_not_match(text: str) -> None:
    assert not both(text, ROW)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n eq '5'", "position 5: n is Edm.Int32 and is not compared with '5', Edm.String; write a number without"),
        ("CustomerId eq 00001", "position 14: CustomerId is Edm.String and is not compared with 00001, Edm.Int64"),
        ("at gt '2026-01-01'", "position 6: at is Edm.DateTimeOffset .* write a time such as"),
        ("n in (1,'2')", "position 8: n is Edm.Int32 and is not compared with '2'"),
        ("n eq name", "position 5: n is Edm.Int32 and is not compared with name, Edm.String$"),
        ("nam eq 'a'", "position 0: there is no property 'nam'; the nearest are: name"),
        ("not n eq 1", r"position 4: not takes a condition; n is Edm.Int32: write not \(…\)"),
        ("n", "position 0: .filter takes a condition; n is Edm.Int32"),
        ("n and flag", "position 0: and takes a condition"),
        ("name add 1 eq 2", "position 5: add takes numbers, not Edm.String"),
        ("length(n) eq 1", "position 7: length takes Edm.String as argument 1; n is Edm.Int32"),
        ("contains(name)", "position 0: contains takes 2 arguments, not 1"),
        ("substring(name) eq ''", "takes 2 or 3 arguments, not 1"),
        ("substring(name,-1) eq ''", "position 15: substring takes no negative number"),
        ("contians(name,'a')", "position 0: there is no function 'contians'; there are: contains"),
    ],
)
def test_what_does_not_fit_is_400_and_names_both_sides(text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        bound(text)


@pytest.mark.parametrize(
    "text",
    [
        "contains(name, city)",
        "at add at eq at",
        "x mod 2 eq 1",
        "cast(n,'Edm.String') eq '1'",
        "IsMemberOfSegment('X')",
    ],
)
def test_what_is_not_done_is_501(text: str) -> None:
    with pytest.raises(NotSupported, match="not supported"):
        bound(text)


@pytest.mark.parametrize(
    ("text", "ids", "rest"),
    [
        ("CustomerId eq 'a'", ("a",), set()),
        ("'a' eq ID", ("a",), set()),
        ("customerid in ('b','a','b')", ("b", "a"), set()),
        ("CustomerId eq 'a' or id eq 'b'", ("a", "b"), set()),
        ("n gt 1 and (CustomerId eq 'a' and x lt 2)", ("a",), {"n", "x"}),
        ("CustomerId eq 'a' and CustomerId eq 'b'", ("a",), {"CustomerId"}),
        ("CustomerId eq null", (), set()),
        ("CustomerId in (null)", (), set()),
    ],
)
def test_a_filter_that_names_customers_is_read_by_customer(text: str, ids: tuple[str, ...], rest: set[str]) -> None:
    found = customer_ids(bound(text), SCHEMA)

    assert found is not None
    assert found.ids == ids
    assert set(properties(found.rest) if found.rest else ()) == rest


@pytest.mark.parametrize(
    "text",
    [
        "CustomerId ne 'a'",
        "CustomerId eq 'a' or n eq 1",
        "not (CustomerId eq 'a')",
        "tolower(CustomerId) eq 'a'",
        "true",
    ],
)
def test_other_filters_may_mean_any_customer(text: str) -> None:
    assert customer_ids(bound(text), SCHEMA) is None


def test_names_are_found_in_any_case_and_once() -> None:
    assert bind_select(parse_names("N,name,n", "$select"), SCHEMA) == ("n", "name")
    assert bind_select(parse_names("n,*", "$select"), SCHEMA) == tuple(SCHEMA.properties)
    assert bind_orderby(parse_orderby("X desc,customerid"), SCHEMA) == (("x", True), ("CustomerId", False))


def test_nulls_then_nan_come_first_and_in_descending_order_last() -> None:
    rows = [{"x": value} for value in (1.0, None, inf, nan, -inf)]

    ascending, descending = (in_order(rows, [("x", each)], lambda row: row) for each in (False, True))

    assert [str(row["x"]) for row in ascending] == ["None", "nan", "-inf", "1.0", "inf"]
    assert [str(row["x"]) for row in descending] == ["inf", "1.0", "-inf", "nan", "None"]


def test_hundreds_of_alternatives_are_not_too_deep() -> None:
    assert both(" or ".join(f"n eq {number}" for number in range(600)), ROW)


def test_sixty_levels_are_not_too_deep() -> None:
    assert both("not (" * 30 + "flag" + ")" * 30, ROW)
    assert both("n" + " add 1.0" * 60 + " eq 65", ROW)
    assert both("n" + " add 1" * 6 + " eq 11", ROW)


@pytest.mark.parametrize(
    "text",
    [
        "n" + " add 1" * 60 + " eq 65",
        "(" * 12 + "n" + " mod big)" * 12 + " eq 1",
        "flag" + " eq mark" * 60,
        "(" * 30 + "flag" + " in (true, null))" * 30,
    ],
)
def test_what_would_grow_by_powers_in_arrow_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="stand within one another"):
        bound(text)
