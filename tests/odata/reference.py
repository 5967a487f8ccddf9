"""What does a filter mean, to somebody who has not read our code? `odata-query` parses it, and the sentences of
docs/data.md are followed here, on the values as they are, without types worked out beforehand.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cmp_to_key
from typing import Any

from odata_query import ast

from tests.odata.grammar import parse

type Values = Mapping[str, Any]

_MOST = 2**63 - 1
_NOW = "now()"
_UPPER = {"ß": "ẞ"}
_LOWER = {"İ": "i"}


def chosen(text: str | None, rows: Sequence[Values]) -> list[Values]:
    """The rows that match."""
    if text is None:
        return list(rows)
    node = parse(text)
    now = datetime.now(UTC)
    named = [{_NOW: now, **{name.lower(): value for name, value in row.items()}} for row in rows]
    return [row for row, values in zip(rows, named, strict=True) if _value(node, values) is True]


def ordered(rows: Sequence[Values], orders: Sequence[tuple[str, bool]]) -> list[Values]:
    """By properties, each with whether it descends; what is equal stays as it came."""

    def compare(one: Values, other: Values) -> int:
        for name, descends in orders:
            if found := _compare(one[name], other[name]):
                return -found if descends else found
        return 0

    return sorted(rows, key=cmp_to_key(compare))


def _compare(one: Any, other: Any) -> int:
    """Nulls come first, then NaN."""
    ranks = [0 if value is None else 1 if value != value else 2 for value in (one, other)]
    if ranks != [2, 2]:
        return ranks[0] - ranks[1]
    return int(one > other) - int(one < other)


def _value(node: Any, row: Values) -> Any:
    match node:
        case ast.Null():
            return None
        case ast.Identifier():
            return float(node.name) if node.name in ("NaN", "INF") else row[node.name.lower()]
        case ast.Boolean() | ast.Integer() | ast.Float() | ast.String() | ast.Date() | ast.DateTime():
            return _LITERALS[type(node)](node.val)
        case ast.Compare(ast.In(), left, ast.List(items)):
            return _is_in(_value(left, row), [_value(item, row) for item in items])
        case ast.Compare(comparator, left, right):
            return _compared(type(comparator), _value(left, row), _value(right, row))
        case ast.BoolOp(junction, left, right):
            return _joined(isinstance(junction, ast.Or), _value(left, row), _value(right, row))
        case ast.UnaryOp(ast.Not(), operand):
            return None if (value := _value(operand, row)) is None else not value
        case ast.UnaryOp(_, operand):
            return None if (value := _value(operand, row)) is None else _held(-value)
        case ast.BinOp(sign, left, right):
            return _computed(type(sign), _value(left, row), _value(right, row))
        case ast.Call(ast.Identifier("now"), _):
            return row[_NOW]
        case ast.Call(function, arguments):
            given = [_value(argument, row) for argument in arguments]
            return None if None in given else _FUNCTIONS[function.name.lower()](*given)
    raise AssertionError(f"the reference does not know {node}")


_LITERALS: dict[type, Callable[[str], Any]] = {
    ast.Boolean: lambda text: text.lower() == "true",
    ast.Integer: int,
    ast.Float: float,
    ast.String: str,
    ast.Date: lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC),
    ast.DateTime: datetime.fromisoformat,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _compared(comparator: type, left: Any, right: Any) -> bool:
    """`null` equals `null` alone, and is neither more nor less than anything; but `null ge null` would be `eq`, too."""
    if left is None or right is None:
        return (left is right) == (comparator is ast.Eq) and comparator in (ast.Eq, ast.NotEq)
    return _COMPARISONS[comparator](*_alike(left, right))


def _alike(*values: Any) -> list[Any]:
    """A whole number beside a Double is taken as the nearest Double."""
    if not any(isinstance(value, float) for value in values):
        return list(values)
    return [None if value is None else float(value) for value in values]


def _is_in(value: Any, items: Sequence[Any]) -> bool:
    first, *rest = _alike(value, *items)
    return any(_compared(ast.Eq, first, item) for item in rest)


def _joined(is_or: bool, *operands: Any) -> bool | None:
    if is_or in operands:
        return is_or
    return None if None in operands else not is_or


def _held(value: float) -> float | None:
    """Whole numbers that overflow are null."""
    return None if isinstance(value, int) and not -_MOST - 1 <= value <= _MOST else value


def _computed(sign: type, left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    left, right = _alike(left, right)
    match sign:
        case ast.Add:
            return _held(left + right)
        case ast.Sub:
            return _held(left - right)
        case ast.Mult:
            return _held(left * right)
        case ast.Div if isinstance(left, float):
            return _divided(left, right)
    if right == 0:
        return None
    quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
    return _held(quotient) if sign is ast.Div else left - right * quotient


def _divided(left: float, right: float) -> float:
    """As IEEE 754 has it."""
    if right:
        return left / right
    if not left or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.inf * math.copysign(1, left) * math.copysign(1, right)


def _rounded(change: Callable[[float], int]) -> Callable[[Any], Any]:
    """Whole numbers stay as they are."""

    def rounded(number: Any) -> Any:
        return float(change(number)) if isinstance(number, float) and math.isfinite(number) else number

    return rounded


def _half_away(number: float) -> int:
    whole = math.floor(abs(number))
    return int(math.copysign(whole + (abs(number) - whole >= 0.5), number))


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "indexof": str.find,
    "substring": lambda text, start, length=None: text[start:][:length],
    "length": len,
    "tolower": lambda text: "".join(_LOWER.get(char, char.lower()) for char in text),
    "toupper": lambda text: "".join(_UPPER.get(char, char.upper()) for char in text),
    "trim": str.strip,
    "concat": operator.add,
    "date": lambda time: time.replace(hour=0, minute=0, second=0, microsecond=0),
    "round": _rounded(_half_away),
    "floor": _rounded(math.floor),
    "ceiling": _rounded(math.ceil),
    **{part: operator.attrgetter(part) for part in ("year", "month", "day", "hour", "minute", "second")},
}
