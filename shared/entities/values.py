"""Which Edm type is a text, and which value does it have in that type?

Recognised strictly, so that nothing is lost unasked: `007`, `+49…` and integers beyond Int64 are text. Read leniently,
so that a declared column takes them. No value is an empty field; every other text, `NULL` and `n/a` included, is text.
"""

import base64
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from math import isfinite

type Value = str | int | float | bool | datetime


class EdmType(StrEnum):
    """What a column holds; Table storage has no others that text can hold."""

    BOOLEAN = "Edm.Boolean"
    INT32 = "Edm.Int32"
    INT64 = "Edm.Int64"
    DOUBLE = "Edm.Double"
    DATE_TIME_OFFSET = "Edm.DateTimeOffset"
    STRING = "Edm.String"


NUMBERS = (EdmType.INT32, EdmType.INT64, EdmType.DOUBLE)
"""Each holds what those before it hold."""

_EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
"""Of Table storage."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_DECIMAL = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)")
_LONG_INTEGER = re.compile(r"-?[0-9]+")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_POINT_ZERO = re.compile(r"(?<=[0-9])\.0+\s*$")
"""pandas writes integers so where a column has gaps."""
_NOT_FINITE = {
    "nan": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "infinity": float("inf"),
    "-infinity": float("-inf"),
}
_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "y": True, "n": False, "1": True, "0": False}
"""All of them for a column declared Edm.Boolean; only the first two make a column one."""


def classify(text: str) -> EdmType:
    """The narrowest type that holds `text` (not empty) without loss of a digit."""
    if _INTEGER.fullmatch(text):
        return integer_type(int(text))
    if _DECIMAL.fullmatch(text) and not _LONG_INTEGER.fullmatch(text):
        return EdmType.DOUBLE if isfinite(float(text)) else EdmType.STRING
    word = text.lower()
    if word in _NOT_FINITE:
        return EdmType.DOUBLE
    if word in ("true", "false"):
        return EdmType.BOOLEAN
    return EdmType.DATE_TIME_OFFSET if is_time(text) else EdmType.STRING


def integer_type(number: int) -> EdmType:
    """String where no type holds it."""
    if -(2**31) <= number < 2**31:
        return EdmType.INT32
    return EdmType.INT64 if -(2**63) <= number < 2**63 else EdmType.STRING


def is_time(text: str) -> bool:
    if not text[:1].isdigit():
        return False
    try:
        _read_time(text)
    except ValueError:
        return False
    return True


def widest(one: EdmType | None, other: EdmType | None) -> EdmType | None:
    """The narrowest type that holds both; None stands for a column without a value."""
    if one is None or other is None or one is other:
        return one or other
    if one in NUMBERS and other in NUMBERS:
        return max(one, other, key=NUMBERS.index)
    return EdmType.STRING


def widen(known: EdmType | None, texts: Sequence[str]) -> EdmType | None:
    """`known` made wide enough for one column's next values; empty ones count as none."""
    if known is EdmType.STRING:
        return known
    if known is not None and _all_fit(known, texts):
        return known
    for text in texts:
        if text and (known := widest(known, classify(text))) is EdmType.STRING:
            break
    return known


def _all_fit(known: EdmType, texts: Sequence[str]) -> bool:
    """Sure if True. One match over all values is ten times faster than one each."""
    joined = "\n".join(texts)
    return _plain(known).fullmatch(joined) is not None and joined.count("\n") == len(texts) - 1


_PLAIN_TIME = (
    r"(?:1[7-9]|[2-8][0-9])[0-9]{2}-"
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?(?:Z|[+-](?:0[0-9]|1[0-4]):?[0-5][0-9])?)?"
)
_PLAIN = {
    EdmType.BOOLEAN: r"[Tt]rue|[Ff]alse|TRUE|FALSE",
    EdmType.INT32: r"-?(?:0|[1-9][0-9]{0,8}+(?![0-9])|1[0-9]{9}|20[0-9]{8})",
    EdmType.INT64: r"-?(?:0|[1-9][0-9]{0,17})",
    EdmType.DOUBLE: r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?|nan|NaN|-?inf|-?INF",
    EdmType.DATE_TIME_OFFSET: _PLAIN_TIME,
}
"""Texts that surely fit; the rare others are looked at one by one."""


@cache
def _plain(known: EdmType) -> re.Pattern[str]:
    one = f"(?>{_PLAIN[known]})?+"
    return re.compile(f"{one}(?:\n{one})*+")


def reader(edm_type: EdmType) -> Callable[[str], Value]:
    """What reads a text (not empty) as a value of that type; it raises ValueError for what does not fit."""
    return _READERS[edm_type]


def read_all(edm_type: EdmType, texts: Sequence[str]) -> Sequence[Value] | None:
    """What `reader` gives for each of one column's texts (none empty), several times as fast; None where one of them
    is not plain enough to be sure."""
    if edm_type is EdmType.STRING:
        return texts
    if not _all_fit(edm_type, texts):
        return None
    match edm_type:
        case EdmType.BOOLEAN:
            return [text[0] in "tT" for text in texts]
        case EdmType.INT32 | EdmType.INT64:
            return list(map(int, texts))
        case EdmType.DOUBLE:
            return list(map(float, texts))
        case EdmType.DATE_TIME_OFFSET:
            return list(map(_in_utc, map(datetime.fromisoformat, texts)))


def _read_boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise ValueError("no Boolean")
    return value


def _read_integer(text: str) -> int:
    if "_" in text or len(text) > 40 or not text.isascii():
        raise ValueError("no integer")
    return int(_POINT_ZERO.sub("", text))


def _read_int32(text: str) -> int:
    number = _read_integer(text)
    if not -(2**31) <= number < 2**31:
        raise ValueError("beyond Int32")
    return number


def _read_int64(text: str) -> int:
    number = _read_integer(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("beyond Int64")
    return number


def _read_double(text: str) -> float:
    if "_" in text or not text.isascii():
        raise ValueError("no number")
    number = float(text)
    if not isfinite(number) and text.strip().lower() not in _NOT_FINITE:
        raise ValueError("beyond Double")
    return number


def _read_time(text: str) -> datetime:
    """UTC; a time without a zone is taken as UTC, a date as its midnight, and digits below the microsecond are cut."""
    if not _TIME.fullmatch(text):
        raise ValueError("no time")
    try:
        time = _in_utc(datetime.fromisoformat(text))
    except OverflowError:
        raise ValueError("beyond the year 9999") from None
    if time < _EARLIEST:
        raise ValueError("before 1601")
    return time


def _in_utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


_READERS: dict[EdmType, Callable[[str], Value]] = {
    EdmType.BOOLEAN: _read_boolean,
    EdmType.INT32: _read_int32,
    EdmType.INT64: _read_int64,
    EdmType.DOUBLE: _read_double,
    EdmType.DATE_TIME_OFFSET: _read_time,
    EdmType.STRING: str,
}


class JsonFloat(float):
    """A JSON number with a fraction or exponent, which keeps its text: a key `1.10` stays so."""

    text: str

    def __new__(cls, text: str) -> "JsonFloat":
        number = super().__new__(cls, text)
        number.text = text
        return number


def as_text(value: object) -> str | None:
    """A value that a JSON or Parquet file brought, as the text a CSV file would have; nested ones as JSON."""
    match value:
        case None:
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case JsonFloat():
            return value.text
        case float():
            return repr(value)
        case datetime() | date():
            return value.isoformat()
        case int() | Decimal():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=as_text)
