"""Columns of texts become columns of values: in Arrow where it is sure that each value is what `values.reader` gives.

Null is no value. pyarrow is imported where it is used: it costs a cold start 100 ms.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.entities.values import EdmType, read_all, reader

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_TIME_SHAPE = re.compile(rb"0000-00-00(?:[T ]00:00(?::00(?:\.0{1,6})?)?(Z|[+-]00:?00)?)?")
_EARLIEST = -11_644_473_600_000_000
"""1601-01-01 in microseconds since 1970: the first time of Table storage."""
_LATEST = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""
_NOT_PLAIN = r"^-?0[0-9]|^\+|^-\.|[0-9]{19}|[a-df-zA-DF-Z]"
"""Of a number that Arrow reads: what `values.classify` takes for a text, or has to look at."""


def arrow_type(kind: EdmType) -> "pa.DataType":
    import pyarrow as pa

    match kind:
        case EdmType.BOOLEAN:
            return pa.bool_()
        case EdmType.INT32:
            return pa.int32()
        case EdmType.INT64:
            return pa.int64()
        case EdmType.DOUBLE:
            return pa.float64()
        case EdmType.DATE_TIME_OFFSET:
            return pa.timestamp("us", "UTC")
        case EdmType.STRING:
            return pa.string()


def text_bytes(texts: "pa.Array") -> bytes:
    """All texts of a column, one behind the other, in UTF-8."""
    offsets = memoryview(texts.buffers()[1]).cast("i")
    start, end = offsets[texts.offset], offsets[texts.offset + len(texts)]
    data = texts.buffers()[2]
    return b"" if data is None else data.slice(start, end - start).to_pybytes()


def read_column(kind: EdmType, texts: "pa.Array") -> "pa.Array | None":
    """The texts' values; None where one of them does not fit the type."""
    found = _cast(kind, texts)
    return _read_each(kind, texts) if found is None else found


def is_column_of(kind: EdmType, texts: "pa.Array") -> bool:
    """Sure if True: `values.widen` would stay at this type."""
    import pyarrow.compute as pc

    found = _cast(kind, texts)
    if found is None:
        return False
    match kind:
        case EdmType.BOOLEAN:
            return not text_bytes(texts).translate(None, b"aeflrstuAEFLRSTU")
        case EdmType.INT32 | EdmType.INT64:
            return len(text_bytes(found.cast(texts.type))) == len(text_bytes(texts))  # no zeros in front
        case EdmType.DOUBLE:
            return not pc.any(pc.match_substring_regex(texts, _NOT_PLAIN)).as_py()
    return True


def _cast(kind: EdmType, texts: "pa.Array") -> "pa.Array | None":
    """None where Arrow might see it otherwise than we do."""
    import pyarrow as pa

    casts: dict[EdmType, Callable[[pa.Array], pa.Array | None]] = {
        EdmType.INT32: _integers(pa.int32()),
        EdmType.INT64: _integers(pa.int64()),
        EdmType.DOUBLE: _doubles,
        EdmType.DATE_TIME_OFFSET: _times,
        EdmType.BOOLEAN: lambda texts: texts.cast(pa.bool_()),
    }
    if kind is EdmType.STRING:
        return texts
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), arrow_type(kind))
    try:
        return casts[kind](texts)
    except pa.ArrowInvalid:
        return None


def _integers(arrow: "pa.DataType") -> "Callable[[pa.Array], pa.Array | None]":
    """Arrow reads hexadecimal numbers too."""
    return lambda texts: None if text_bytes(texts).translate(None, b"-0123456789") else texts.cast(arrow)


def _doubles(texts: "pa.Array") -> "pa.Array | None":
    import pyarrow as pa
    import pyarrow.compute as pc

    found = texts.cast(pa.float64())
    return found if pc.all(pc.is_finite(found)).as_py() else None


def _times(texts: "pa.Array") -> "pa.Array | None":
    """Where all are written alike."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shapes = text_bytes(texts).translate(_DIGITS)
    count = len(texts) - texts.null_count
    shape = shapes[: len(shapes) // count]
    known = _TIME_SHAPE.fullmatch(shape)
    if known is None or shapes != shape * count:
        return None
    utc = pa.timestamp("us", "UTC")
    found = texts.cast(utc) if known[1] else texts.cast(pa.timestamp("us")).view(utc)
    ends = pc.min_max(found.view(pa.int64()))
    return found if ends["min"].as_py() >= _EARLIEST and ends["max"].as_py() <= _LATEST else None


def _read_each(kind: EdmType, texts: "pa.Array") -> "pa.Array | None":
    import pyarrow as pa

    present = texts.drop_null().to_pylist()
    try:
        values = read_all(kind, present)
        found = iter(values if values is not None else list(map(reader(kind), present)))
    except ValueError:
        return None
    return pa.array([next(found) if is_there else None for is_there in texts.is_valid().to_pylist()], arrow_type(kind))
