"""Rows that come as columns, as Table storage's REST takes them: byte for byte what `RowCodec.encode` writes of each.

Joined in Arrow from columns of JSON. pyarrow is imported where it is used: it costs a cold start 100 ms.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isfinite
from typing import TYPE_CHECKING

import orjson

from shared.entities.column_values import text_bytes
from shared.entities.csv_columns import one_array
from shared.entities.row_columns import LINE, RowColumns, origin_texts
from shared.entities.schema import ORIGIN, Schema
from shared.entities.values import EdmType
from shared.storage.row_bodies import ANNOTATED, not_finite

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROL = bytes(range(32))
_LEAST_ALIKE, _MOST_ALIKE = 1e-4, 1e10
"""Between them Arrow writes a Double's digits as orjson does."""

type _Piece = str | pa.Array
"""What is the same for all rows, or a text for each."""


def encode_columns(rows: RowColumns, schema: Schema) -> Sequence[bytes]:
    """Each row's JSON."""
    import pyarrow as pa
    import pyarrow.compute as pc

    body: pa.Array = pc.binary_join_element_wise(*_joined(_pieces(rows, schema)), "")
    bodies: list[bytes] = body.cast(pa.binary()).to_pylist()
    return bodies


def _joined(pieces: "Iterator[_Piece]") -> "Iterator[_Piece]":
    """Neighbouring constants as one: every piece costs each row."""
    for is_text, some in groupby(pieces, lambda piece: isinstance(piece, str)):
        if is_text:
            yield "".join(map(str, some))
        else:
            yield from some


def _pieces(rows: RowColumns, schema: Schema) -> "Iterator[_Piece]":
    import pyarrow as pa

    table = rows.table
    yield '{"PartitionKey":"'
    yield pa.array(rows.partitions, pa.string())
    yield '","RowKey":"'
    yield _escaped(rows.keys)
    yield f'","{ORIGIN}":"'
    yield one_array(origin_texts(rows.file, table[LINE]))
    yield '"'
    columns = {name: one_array(table[name]) for name in schema.properties}
    for name, kind in schema.properties.items():
        yield from _member(name, kind, columns[name])
    for name, kind in schema.properties.items():
        if kind in ANNOTATED:
            yield from _present(_annotation(name, ANNOTATED[kind]), columns[name])
    for name, kind in schema.properties.items():
        if kind is EdmType.DOUBLE and not _is_finite(columns[name]):
            yield _of_not_finite(_annotation(name, "Edm.Double"), columns[name])
    yield "}"


def _member(name: str, kind: EdmType, column: "pa.Array") -> "Iterator[_Piece]":
    """The property with its value; nothing where there is none."""
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return
    mark = "" if kind in (EdmType.BOOLEAN, EdmType.INT32, EdmType.DOUBLE) else '"'
    start, value = f",{_text(name)}:{mark}", _value(kind, column)
    if not column.null_count:
        yield from (start, value, mark)
    else:
        yield pc.fill_null(pc.binary_join_element_wise(start, value, mark, ""), "")


def _present(text: str, column: "pa.Array") -> "Iterator[_Piece]":
    """`text` where the column has a value."""
    import pyarrow.compute as pc

    if not column.null_count:
        yield text
    elif column.null_count < len(column):
        yield pc.if_else(pc.is_valid(column), text, "")


def _annotation(name: str, kind: str) -> str:
    return f',{_text(f"{name}@odata.type")}:"{kind}"'


def _text(text: str) -> str:
    return orjson.dumps(text).decode()


def _value(kind: EdmType, column: "pa.Array") -> "pa.Array":
    """As it stands in JSON, without the quotes of what is a text there."""
    import pyarrow as pa

    match kind:
        case EdmType.STRING:
            return _escaped(column)
        case EdmType.DOUBLE:
            return _doubles(column)
        case EdmType.DATE_TIME_OFFSET:
            return _times(column)
    return column.cast(pa.string())


def _escaped(texts: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    data = text_bytes(texts)
    if len(data.translate(None, _CONTROL)) < len(data):
        written = [None if text is None else _text(text)[1:-1] for text in texts.to_pylist()]
        return pa.array(written, pa.string())
    for mark in ("\\", '"'):
        if mark.encode() in data:
            texts = pc.replace_substring(texts, mark, f"\\{mark}")
    return texts


def _doubles(column: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    text = column.cast(pa.string())
    size = pc.abs(column)
    is_alike = pc.or_(pc.equal(size, 0.0), pc.and_(pc.greater_equal(size, _LEAST_ALIKE), pc.less(size, _MOST_ALIKE)))
    has_point = pc.match_substring(text, ".")
    if not pc.all(has_point).as_py():
        text = pc.if_else(has_point, text, pc.binary_join_element_wise(text, ".0", ""))
    if pc.all(is_alike).as_py() is not False:
        return text
    is_other = pc.fill_null(pc.invert(is_alike), False)
    others = [_number(number) for number in column.filter(is_other).to_pylist()]
    return pc.replace_with_mask(text, is_other, pa.array(others, pa.string()))


def _number(number: float) -> str:
    return orjson.dumps(number if isfinite(number) else not_finite(number)).decode()


def _times(column: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = column.view(pa.timestamp("us"))
    try:
        text = plain.cast(pa.timestamp("s")).cast(pa.string())
    except pa.ArrowInvalid:  # some have microseconds
        text = pc.replace_substring(plain.cast(pa.string()), ".000000", "")
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


def _is_finite(column: "pa.Array") -> bool:
    import pyarrow.compute as pc

    return pc.all(pc.is_finite(column)).as_py() is not False


def _of_not_finite(text: str, column: "pa.Array") -> "pa.Array":
    import pyarrow.compute as pc

    return pc.if_else(pc.fill_null(pc.is_finite(column), True), "", text)
