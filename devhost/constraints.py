"""The inline constraints of a route template: `{id:int:min(1)}`."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation

Check = Callable[[str], bool]

INTEGER = re.compile(r"\s*[+-]?\d+\s*")
NUMBER = re.compile(r"\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)\s*")
FLOAT = re.compile(r"\s*(?:[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:infinity|∞)|nan)\s*", re.IGNORECASE)
GUID = re.compile(r"[0-9a-f]{32}|(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})", re.IGNORECASE)
DATE_FORMATS = (
    "%m/%d/%Y",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d %B %Y",
    "%B %d, %Y",
)


def make_check(name: str, argument: str | None) -> Check:
    """The check that `name(argument)` stands for; ValueError if there is none."""
    kind = name.lower()
    if argument is None and kind in PLAIN:
        return PLAIN[kind]
    if argument is not None and kind == "regex":
        pattern = re.compile(argument, re.IGNORECASE)
        return lambda value: bool(pattern.search(value))
    if argument is not None and kind in BOUNDED:
        return bounded(kind, [int(part) for part in argument.split(",")])
    raise ValueError(f"the constraint '{name}' is not known or has not the arguments it needs")


def bounded(kind: str, bounds: list[int]) -> Check:
    match kind, bounds:
        case "min", [low]:
            return within(low, None)
        case "max", [high]:
            return within(None, high)
        case "range", [low, high]:
            return within(low, high)
        case "minlength", [low]:
            return lambda value: len(value) >= low
        case "maxlength", [high]:
            return lambda value: len(value) <= high
        case "length", [exact]:
            return lambda value: len(value) == exact
        case "length", [low, high]:
            return lambda value: low <= len(value) <= high
    raise ValueError(f"the constraint '{kind}' does not take {len(bounds)} arguments")


def within(low: int | None, high: int | None) -> Check:
    def check(value: str) -> bool:
        found = number(value)
        return found is not None and (low is None or low <= found) and (high is None or found <= high)

    return check


def is_int(value: str) -> bool:
    found = number(value)
    return found is not None and -(1 << 31) <= found < 1 << 31


def is_long(value: str) -> bool:
    return number(value) is not None


def number(value: str) -> int | None:
    """As a 64-bit integer; None if it is not one."""
    if not (value.isascii() and INTEGER.fullmatch(value)):
        return None
    sign = "-" if "-" in value else ""
    digits = value.strip(" \t\r\n\v\f+-").lstrip("0") or "0"
    found = int(sign + digits) if len(digits) < 20 else 1 << 63
    return found if -(1 << 63) <= found < 1 << 63 else None


def is_bool(value: str) -> bool:
    return value.strip().lower() in ("true", "false")


def is_alpha(value: str) -> bool:
    return re.fullmatch(r"[a-z]*", value, re.IGNORECASE) is not None and value.isascii()


def is_guid(value: str) -> bool:
    bare = value.strip()
    if bare[:1] + bare[-1:] in ("{}", "()"):
        bare = bare[1:-1]
        return "-" in bare and GUID.fullmatch(bare) is not None
    return GUID.fullmatch(bare) is not None


def is_decimal(value: str) -> bool:
    if not (value.isascii() and NUMBER.fullmatch(value)):
        return False
    try:
        return abs(Decimal(value.replace(",", "").strip())) < Decimal(2) ** 96
    except InvalidOperation:
        return False


def is_float(value: str) -> bool:
    return FLOAT.fullmatch(value) is not None


def is_datetime(value: str) -> bool:
    text = value.strip()
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return any(matches_format(text, each) for each in DATE_FORMATS)
    return "-" in text[:10]  # fromisoformat also takes 20240131, .NET does not


def matches_format(text: str, expected: str) -> bool:
    try:
        datetime.strptime(text, expected)  # noqa: DTZ007 - only whether it parses
    except ValueError:
        return False
    return True


PLAIN: dict[str, Check] = {
    "int": is_int,
    "long": is_long,
    "bool": is_bool,
    "alpha": is_alpha,
    "guid": is_guid,
    "decimal": is_decimal,
    "double": is_float,
    "float": is_float,
    "datetime": is_datetime,
    "required": bool,
}
BOUNDED = frozenset({"min", "max", "range", "length", "minlength", "maxlength"})
