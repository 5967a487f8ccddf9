"""Does a row match? The meaning of a filter, in plain Python.

As OData 4.0 has it: comparisons are true or false, with null equal to null alone; functions and arithmetic of null are
null; `and`, `or` and `not` have three values, and a row matches where the whole is true. Beyond that:
- a whole number is compared and computed with a Double as the Double next to it; NaN equals nothing;
- whole numbers that overflow, or are divided by 0, are null; `div` and `mod` of them cut towards 0;
- texts compare by code point, case is mapped a character at a time, and a length is counted in code points;
- years, days and hours are those of UTC.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.entities.odata.filters import (
    Arithmetic,
    AsDouble,
    Call,
    Comparison,
    Constant,
    Filter,
    Junction,
    Kind,
    Member,
    Not,
    Property,
)
from shared.entities.odata.literals import LEAST_INT64, MOST_INT64
from shared.entities.values import Value

WHITESPACE = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What `trim` takes off: White_Space of Unicode."""

type Values = Mapping[str, Value | None]


def matches(node: Filter, values: Values) -> bool:
    """Whether a row with these values (null where one is absent) is among those that the filter means."""
    return evaluate(node, values) is True


def evaluate(node: Filter, values: Values) -> Any:
    """What an expression yields for a row."""
    match node:
        case Property():
            return values.get(node.name)
        case Constant():
            return node.value
        case Comparison():
            return compare(node.operator, evaluate(node.left, values), evaluate(node.right, values))
        case Member():
            value = evaluate(node.operand, values)
            return node.has_null if value is None else value in node.known
        case Junction():
            return _junction(node, values)
        case Not():
            return None if (value := evaluate(node.operand, values)) is None else not value
        case AsDouble():
            value = evaluate(node.operand, values)
            return None if value is None else float(value)
        case Arithmetic():
            return _computed(node, evaluate(node.left, values), evaluate(node.right, values))
        case Call():
            arguments = [evaluate(argument, values) for argument in node.arguments]
            return None if None in arguments else _FUNCTIONS[node.function](*arguments)


def compare(operator: str, left: Any, right: Any) -> bool:
    if left is not None and right is not None:
        return _COMPARISONS[operator](left, right)
    is_same = left is right
    return is_same if operator == "eq" else not is_same and operator == "ne"


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: left == right,
    "ne": lambda left, right: left != right,
    "gt": lambda left, right: left > right,
    "ge": lambda left, right: left >= right,
    "lt": lambda left, right: left < right,
    "le": lambda left, right: left <= right,
}


def _junction(node: Junction, values: Values) -> bool | None:
    """What decides is false for `and` and true for `or`."""
    decisive, is_known = node.operator == "or", True
    for operand in node.operands:
        value: bool | None = evaluate(operand, values)
        if value is decisive:
            return decisive
        is_known = is_known and value is not None
    return not decisive if is_known else None


def _computed(node: Arithmetic, left: Any, right: Any) -> int | float | None:
    if left is None or right is None:
        return None
    if node.kind is Kind.DOUBLE:
        return _DOUBLES[node.operator](left, right)
    if right == 0 and node.operator in ("div", "mod"):
        return None
    found = _INTEGERS[node.operator](left, right)
    return found if LEAST_INT64 <= found <= MOST_INT64 else None


def _quotient(left: int, right: int) -> int:
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _ratio(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


_DOUBLES: dict[str, Callable[[float, float], float]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": _ratio,
}
_INTEGERS: dict[str, Callable[[int, int], int]] = {
    "add": lambda left, right: left + right,
    "sub": lambda left, right: left - right,
    "mul": lambda left, right: left * right,
    "div": _quotient,
    "mod": lambda left, right: left - right * _quotient(left, right),
}


def _lower(char: str) -> str:
    return found if len(found := char.lower()) == 1 else found[0]


def _upper(char: str) -> str:
    """Where a capital would be several letters, its title case if that is one: ᾳ becomes ᾼ, ß becomes ẞ, ŉ stays."""
    found = char.upper()
    if len(found) > 1:
        found = "ẞ" if char == "ß" else char.title()
    return found if len(found) == 1 else char


def _by_char(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(map(change, text))


def _round(number: float) -> float:
    """Halves away from 0."""
    whole = math.trunc(number)
    return float(whole) if abs(number - whole) < 0.5 else float(whole + (1 if number > 0 else -1))


def _substring(text: str, start: int, length: int | None = None) -> str:
    return text[start:] if length is None else text[start : start + length]


def _of_double(change: Callable[[float], float]) -> Callable[[Any], Any]:
    """Whole numbers stay as they are."""
    return lambda number: change(number) if isinstance(number, float) and math.isfinite(number) else number


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
    "indexof": lambda text, part: text.find(part),
    "substring": _substring,
    "length": len,
    "tolower": _by_char(_lower),
    "toupper": _by_char(_upper),
    "trim": lambda text: text.strip(WHITESPACE),
    "concat": lambda one, other: one + other,
    "year": lambda time: time.year,
    "month": lambda time: time.month,
    "day": lambda time: time.day,
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
    "second": lambda time: time.second,
    "date": lambda time: datetime(time.year, time.month, time.day, tzinfo=time.tzinfo),
    "round": _of_double(_round),
    "floor": _of_double(lambda number: float(math.floor(number))),
    "ceiling": _of_double(lambda number: float(math.ceil(number))),
}


def sort_key(value: Value | None) -> tuple[int, Any]:
    """Null before all, NaN before all numbers; in a descending order they come last."""
    if value is None:
        return (0, 0)
    return (1, 0) if value != value else (2, value)


def in_order[R](rows: Sequence[R], orders: Sequence[tuple[str, bool]], values: Callable[[R], Values]) -> list[R]:
    """By properties, each ascending or (True) descending; what is equal stays as it came."""
    found = list(rows)
    for name, descending in reversed(orders):
        found.sort(key=lambda row: sort_key(values(row).get(name)), reverse=descending)
    return found
