"""Rows have the same bodies column by column as one by one, and come back from them as they were."""

from datetime import UTC, datetime, timedelta

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.entities.column_values import arrow_type
from shared.entities.row_columns import LINE, RowColumns
from shared.entities.rows import Row, Write
from shared.entities.schema import FoundColumn, Wanted, decide_schema
from shared.entities.values import EdmType
from shared.storage.column_bodies import encode_columns
from shared.storage.row_bodies import RowCodec, insertion, transaction

NAMES = {
    "id": EdmType.STRING,
    "customer": EdmType.STRING,
    "ja": EdmType.BOOLEAN,
    "klein": EdmType.INT32,
    "groß": EdmType.INT64,
    "d": EdmType.DOUBLE,
    "e": EdmType.DOUBLE,
    "at": EdmType.DATE_TIME_OFFSET,
    "text": EdmType.STRING,
}
SCHEMA = decide_schema(
    [[FoundColumn(name, 1, kind) for name, kind in NAMES.items()]],
    Wanted("id", "customer", {}),
)
EARLIEST = datetime(1601, 1, 1, tzinfo=UTC)
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="'%"), min_size=1, max_size=9)
DOUBLES = st.one_of(
    st.floats(),
    st.floats(-1e11, 1e11),
    st.floats(-2e-4, 2e-4),
    st.integers(-(10**17), 10**17).map(float),
    st.sampled_from([0.0, -0.0, 1e-4, 1e10, 9999999999.999998, 0.1 + 0.2, 5e-324, 1.7976931348623157e308]),
)
VALUES = {
    EdmType.STRING: st.text(st.characters(codec="utf-8"), max_size=9) | st.sampled_from(['"', "\\n", ":null", "Köln"]),
    EdmType.BOOLEAN: st.booleans(),
    EdmType.INT32: st.integers(-(2**31), 2**31 - 1),
    EdmType.INT64: st.integers(-(2**63), 2**63 - 1),
    EdmType.DOUBLE: DOUBLES,
    EdmType.DATE_TIME_OFFSET: st.one_of(
        st.integers(0, 265_046_774_399_999_999).map(lambda us: EARLIEST + timedelta(microseconds=us)),
        st.integers(0, 265_046_774_399).map(lambda seconds: EARLIEST + timedelta(seconds=seconds)),
    ),
}


@st.composite
def row_columns(draw: st.DrawFn) -> RowColumns:
    count = draw(st.integers(1, 4))
    first = draw(st.sampled_from([1, 8, 98, 10**11]))
    columns = {
        name: draw(st.lists(VALUES[kind] if draw(st.booleans()) else st.none() | VALUES[kind], min_size=count, max_size=count))
        for name, kind in SCHEMA.properties.items()
    }  # fmt: skip
    arrays = {name: pa.array(columns[name], arrow_type(kind)) for name, kind in SCHEMA.properties.items()}
    table = pa.table({**arrays, LINE: pa.array(range(first, first + count), pa.int64())})
    keys = draw(st.lists(KEYS, min_size=count, max_size=count))
    start = draw(st.integers(0, count - 1))
    whole = RowColumns(draw(st.sampled_from([0, 7, 123_456])), ["00ff"] * count, pa.array(keys, pa.string()), table)
    return [*whole.slices(start)][-1] if start else whole


@settings(max_examples=200)
@given(rows=row_columns())
def test_columns_have_the_bodies_of_their_rows(rows: RowColumns) -> None:
    codec, single = RowCodec(SCHEMA), list(rows.rows())

    bodies = encode_columns(rows, SCHEMA)

    assert bodies == [codec.encode(row) for row in single]
    assert [repr(codec.decode(orjson.loads(body))) for body in bodies] == [repr(in_order(row)) for row in single]


def in_order(row: Row) -> Row:
    return row._replace(values={name: row.values[name] for name in SCHEMA.properties if name in row.values})


@pytest.mark.parametrize("count", [1, 3])
def test_an_insertion_is_the_transaction_of_rows_that_replace_none(count: int) -> None:
    columns = {name: pa.array(["x"] * count) if kind is EdmType.STRING else pa.nulls(count, arrow_type(kind))
               for name, kind in SCHEMA.properties.items()}  # fmt: skip
    table = pa.table({**columns, LINE: pa.array(range(count), pa.int64())})
    rows = RowColumns(1, ["0001"] * count, pa.array(["k"] * count), table)
    url = "https://a.table.core.windows.net/T"

    body = insertion(encode_columns(rows, SCHEMA), url)

    assert body == transaction([Write(row) for row in rows.rows()], RowCodec(SCHEMA), url)
