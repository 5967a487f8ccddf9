"""Filters and rows at random: every one a filter that fits `SCHEMA`, as text, and rows that it may or may not match.

For tests that let two of our evaluations, or ours and another's, answer the same question.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from shared.entities.odata.binding import bind_filter
from shared.entities.odata.parsing import parse_filter
from shared.entities.schema import CUSTOMER_ID, Column, Schema
from shared.entities.values import EdmType
from shared.errors import BadRequest

TYPES = {
    "id": EdmType.STRING,
    "name": EdmType.STRING,
    "city": EdmType.STRING,
    "n": EdmType.INT32,
    "m": EdmType.INT32,
    "big": EdmType.INT64,
    "huge": EdmType.INT64,
    "x": EdmType.DOUBLE,
    "y": EdmType.DOUBLE,
    "flag": EdmType.BOOLEAN,
    "mark": EdmType.BOOLEAN,
    "at": EdmType.DATE_TIME_OFFSET,
    "since": EdmType.DATE_TIME_OFFSET,
}
SCHEMA = Schema(tuple(Column(name, name, 1, edm_type) for name, edm_type in TYPES.items()), "id", "id")

_CHARS = "abAB ßéÉ北🙂'%_\\.İſΣς\u00a0\u3000/&"
TEXTS = st.text(_CHARS, max_size=6) | st.sampled_from(["", "ab", "AB", "O'Neil", "Straße", "a b"])
_SMALL = st.integers(-3, 3)
_INT32 = _SMALL | st.sampled_from([2**31 - 1, -(2**31)]) | st.integers(-(2**31), 2**31 - 1)
_EDGES = st.sampled_from([2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53) - 1, 2**62, 3037000500, 2**32])
_INT64 = _SMALL | _EDGES | st.integers(-(2**63), 2**63 - 1)
_DOUBLES = _SMALL.map(lambda number: number / 2) | st.floats() | st.sampled_from([0.0, -0.0, float(2**53), 1e300])
_TIMES = st.sampled_from(
    [
        datetime(2026, 1, 31, tzinfo=UTC),
        datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(1601, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ]
) | st.integers(-11_644_473_600_000_000, 253_402_214_400_000_000).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)

_OF = {
    EdmType.STRING: TEXTS,
    EdmType.INT32: _INT32,
    EdmType.INT64: _INT64,
    EdmType.DOUBLE: _DOUBLES,
    EdmType.BOOLEAN: st.booleans(),
    EdmType.DATE_TIME_OFFSET: _TIMES,
}


def _row(values: dict[str, Any]) -> dict[str, Any]:
    return {CUSTOMER_ID: values["id"], **values}


def rows() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Up to eight rows, with nulls in every property but the key."""
    columns = {name: _OF[edm_type] if name == "id" else st.none() | _OF[edm_type] for name, edm_type in TYPES.items()}
    return st.lists(st.fixed_dictionaries(columns).map(_row), min_size=1, max_size=8)


def literal(value: Any) -> str:
    """A value as OData writes it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case float() if value != value:
            return "NaN"
        case float() if value in (float("inf"), float("-inf")):
            return "INF" if value > 0 else "-INF"
        case float():
            mantissa, _, exponent = repr(value).partition("e")
            return (mantissa if "." in mantissa else f"{mantissa}.0") + (f"e{exponent}" if exponent else "")
    return str(value)


def _names(*types: EdmType) -> st.SearchStrategy[str]:
    names = [name for name, edm_type in TYPES.items() if edm_type in types]
    return st.sampled_from(names + [name.upper() for name in names])


def _called(function: str, *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*arguments).map(lambda given: f"{function}({', '.join(given)})")


def _joined(left: st.SearchStrategy[str], operators: list[str], right: st.SearchStrategy[str]) -> Any:
    return st.tuples(left, st.sampled_from(operators), right).map(lambda given: f"({' '.join(given)})")


_TEXT_LITERALS = TEXTS.map(literal)
_PLACES = st.integers(0, 7).map(str)


def _longer_texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.sampled_from(["tolower", "toupper", "trim"]).flatmap(lambda name: _called(name, inner))
        | _called("concat", inner, inner)
        | _called("substring", inner, _PLACES)
        | _called("substring", inner, _PLACES, _PLACES)
    )


_TEXT = st.recursive(_names(EdmType.STRING) | _TEXT_LITERALS, _longer_texts, max_leaves=3)
_TIME_LITERALS = _TIMES.map(literal) | _TIMES.map(lambda time: time.date().isoformat())
_TIME_NAMES = _names(EdmType.DATE_TIME_OFFSET)
_TIME = _TIME_NAMES | _TIME_LITERALS | _called("date", _TIME_NAMES) | st.just("now()")

_WHOLE = st.recursive(
    _names(EdmType.INT32, EdmType.INT64)
    | _INT64.map(literal)
    | _called("length", _TEXT)
    | _called("indexof", _TEXT, _TEXT_LITERALS)
    | st.sampled_from(["year", "month", "day", "hour", "minute", "second"]).flatmap(lambda name: _called(name, _TIME)),
    lambda inner: (
        _joined(inner, ["add", "sub", "mul", "div", "mod"], inner)
        | inner.map(lambda one: f"(-({one}))")
        | st.sampled_from(["round", "floor", "ceiling"]).flatmap(lambda name: _called(name, inner))
    ),
    max_leaves=4,
)
_NUMBER = st.recursive(
    _names(EdmType.DOUBLE) | _DOUBLES.map(literal) | _WHOLE,
    lambda inner: (
        _joined(inner, ["add", "sub", "mul", "div"], inner)
        | st.sampled_from(["round", "floor", "ceiling"]).flatmap(lambda name: _called(name, inner))
    ),
    max_leaves=4,
)
_ANY_COMPARISON = ["eq", "ne", "gt", "ge", "lt", "le"]


def _listed(operand: st.SearchStrategy[str], items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    listed = st.lists(items | st.just("null"), min_size=1, max_size=4).map(", ".join)
    return st.tuples(operand, listed).map(lambda given: f"{given[0]} in ({given[1]})")


_CONDITION = (
    _names(EdmType.BOOLEAN)
    | st.sampled_from(["true", "false", "null"])
    | st.one_of(
        *(_joined(kind | st.just("null"), _ANY_COMPARISON, kind | st.just("null")) for kind in (_TEXT, _NUMBER, _TIME))
    )
    | _joined(_names(EdmType.BOOLEAN), ["eq", "ne", "gt", "le"], st.sampled_from(["true", "false", "null", "mark"]))
    | st.sampled_from(["contains", "startswith", "endswith"]).flatmap(
        lambda name: _called(name, _TEXT, _TEXT_LITERALS | st.just("null"))
    )
    | _listed(_TEXT, _TEXT_LITERALS)
    | _listed(_NUMBER, _INT64.map(literal) | _DOUBLES.map(literal))
    | _listed(_TIME, _TIME_LITERALS)
)


def filters() -> st.SearchStrategy[str]:
    """Texts of filters, with parentheses that do not rest on precedence; none of those refused for their weight."""
    return _any_filters().filter(_is_light)


def _is_light(text: str) -> bool:
    try:
        bind_filter(parse_filter(text), SCHEMA, datetime(2026, 1, 1, tzinfo=UTC))
    except BadRequest as refused:
        if "stand within one another" in refused.message:
            return False
        raise
    return True


def _any_filters() -> st.SearchStrategy[str]:
    return st.recursive(
        _CONDITION,
        lambda inner: (
            st.lists(inner, min_size=2, max_size=3).map(lambda all_: f"({' and '.join(all_)})")
            | st.lists(inner, min_size=2, max_size=3).map(lambda all_: f"({' or '.join(all_)})")
            | inner.map(lambda one: f"not ({one})")
            | _joined(inner, ["eq", "ne"], inner)
        ),
        max_leaves=5,
    )
