"""Python and Arrow answer every filter alike, and order alike."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.entities.odata.binding import bind_filter
from shared.entities.odata.columns import arrow_filter, arrow_type
from shared.entities.odata.evaluation import evaluate, in_order, matches
from shared.entities.odata.filters import Call, Filter, Kind, Property
from shared.entities.odata.parsing import parse_filter
from shared.entities.odata.syntax import Binary, Literal, Name, Syntax
from shared.entities.ordering import POSITION, Best
from shared.entities.values import EdmType
from shared.errors import BadRequest, NotSupported
from tests.support.filters import SCHEMA, TYPES, filters, rows

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def bound(text: str) -> Filter:
    return bind_filter(parse_filter(text), SCHEMA, NOW)


def table_of(found: list[dict[str, Any]]) -> pa.Table:
    fields = [("row", pa.int64()), *((name, arrow_type(edm)) for name, edm in SCHEMA.properties.items())]
    return pa.Table.from_pylist([{"row": index, **row} for index, row in enumerate(found)], schema=pa.schema(fields))


def sorted_table(table: pa.Table, orders: list[tuple[str, bool]], most: int | None = None) -> pa.Table:
    """As queries order the rows of a snapshot."""
    best = Best(orders, most)
    best.add(best.reduced(table.append_column(POSITION, pa.array(range(len(table)), pa.int64()))))
    found = best.rows()
    return table.slice(0, 0) if found is None else found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filters(), rows())
def test_python_and_arrow_choose_the_same_rows(text: str, found: list[dict[str, Any]]) -> None:
    node = bound(text)

    by_python = [index for index, row in enumerate(found) if matches(node, row)]
    by_arrow = table_of(found).filter(arrow_filter(node))["row"].to_pylist()

    assert by_arrow == by_python


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(filters(), st.integers(0, 200), st.integers(0, 8), st.sampled_from(["", "'", "(", ")", " not ", "1", ","]))
def test_a_damaged_filter_is_refused_or_is_another_filter(text: str, at: int, gone: int, new: str) -> None:
    damaged = text[: at % len(text)] + new + text[at % len(text) + gone :]

    with suppress(BadRequest, NotSupported):
        node = bound(damaged)
        assert isinstance(matches(node, {}), bool)
        table_of([{}]).filter(arrow_filter(node))


@settings(max_examples=120, deadline=None)
@given(rows(), st.lists(st.tuples(st.sampled_from(sorted(TYPES)), st.booleans()), min_size=1, max_size=3))
def test_python_and_arrow_order_alike(found: list[dict[str, Any]], orders: list[tuple[str, bool]]) -> None:
    indexed = list(enumerate(found))

    by_python = [index for index, _ in in_order(indexed, orders, lambda pair: pair[1])]

    assert sorted_table(table_of(found), orders)["row"].to_pylist() == by_python
    assert sorted_table(table_of(found), orders, most=2)["row"].to_pylist() == by_python[:2]


def test_what_is_equal_stays_as_it_came_or_goes_by_its_ties() -> None:
    found = [{"id": key, "n": n} for key, n in (("c", 1), ("a", 2), ("b", 1), ("d", 2))]

    assert sorted_table(table_of(found), [("n", True)])["id"].to_pylist() == ["a", "d", "c", "b"]
    assert sorted_table(table_of(found), [("n", True), ("id", False)])["id"].to_pylist() == ["a", "d", "b", "c"]


@pytest.mark.parametrize("function", ["tolower", "toupper", "trim"])
def test_every_letter_that_python_knows_is_mapped_alike(function: str) -> None:
    import unicodedata

    chars = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cs", "Cn")]
    node = Call(function, (Property("name", EdmType.STRING),), Kind.TEXT)
    arrow = {"tolower": pc.utf8_lower, "toupper": pc.utf8_upper}.get(function)
    # Younger than Python's tables.
    ours = [evaluate(node, {"name": char}) for char in chars]
    theirs = arrow(pa.array(chars)).to_pylist() if arrow else ours

    differing = [
        char
        for char, one, other in zip(chars, ours, theirs, strict=True)
        if one != other and unicodedata.category(other) != "Cn"
    ]
    assert differing == []


_WORDS = st.sampled_from(["CustomerId", "not", "NOT", "null", "True", "INF", "inf", "and", "eq", "in", "né", "_a1"])
_SPACES = st.sampled_from([" ", "  ", "\t", "\u00a0", ""])
_TEXTS = st.sampled_from(["'x'", "''", "'O''Neil'", "'a b eq'", "'''", "'x' 'y'", "x", "'\u2028'", "'x' and a eq 'y'"])


@given(st.tuples(_SPACES, _WORDS, _SPACES, st.sampled_from(["eq", "EQ", "ne"]), _SPACES, _TEXTS, _SPACES).map("".join))
def test_one_property_and_a_text_say_the_same_with_and_without_parentheses(text: str) -> None:
    assert read(text) == read(f"({text})")


def read(text: str) -> Syntax | None:
    """None for what cannot be read."""
    try:
        return parse_filter(text)
    except (BadRequest, NotSupported):
        return None


def test_where_a_filter_stands_is_told_however_it_is_read() -> None:
    found = parse_filter(" id  eq 'x'")

    assert isinstance(found, Binary)
    assert isinstance(found.left, Name)
    assert isinstance(found.right, Literal)
    assert (found.left.at, found.at, found.right.at) == (1, 5, 8)
