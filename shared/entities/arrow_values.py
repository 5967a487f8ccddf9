"""Arrow columns as Python's values, and as the text of a CSV file. No time zone data is needed: all times are UTC."""

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING

from shared.entities.csv_text import FORMULA, QUOTED, number
from shared.entities.values import Value

if TYPE_CHECKING:
    import pyarrow as pa

type Rows = list[dict[str, Value | None]]


def rows_of(table: "pa.Table") -> Rows:
    """A row as its values by property, None where it has none."""
    names = table.column_names
    columns = [_values(column) for column in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: "pa.ChunkedArray") -> Sequence[Value | None]:
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        times = column.cast(pa.timestamp("us")).to_pylist()
        return [None if time is None else time.replace(tzinfo=UTC) for time in times]
    values: list[Value | None] = column.to_pylist()
    return values


def csv_header(names: Sequence[str]) -> bytes:
    return (",".join(names) + "\r\n").encode()


def csv_lines(table: "pa.Table") -> bytes:
    """RFC 4180 in UTF-8, without a header: byte for byte as `odata.rendering.as_csv` writes these rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(table):
        return b""
    columns = [pc.fill_null(_fields(column), "") for column in table.combine_chunks().columns]
    lines = pc.binary_join_element_wise(*columns, ",").combine_chunks()
    joined = pc.binary_join(pa.LargeListArray.from_arrays([0, len(lines)], lines), "\r\n")
    text: bytes = joined[0].as_buffer().to_pybytes()
    return text + b"\r\n"


def _fields(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return _texts(column)
    if pa.types.is_floating(column.type):
        return _numbers(column)
    if pa.types.is_timestamp(column.type):
        text = pc.cast(pc.cast(column, pa.timestamp("us")), pa.string())
        text = pc.replace_substring_regex(text, r"\.0+$", "")
        return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")
    return pc.cast(column, pa.string())


def _texts(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    return _quoted(_disarmed(column))


def _disarmed(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """With `'` in front of what a spreadsheet would take for a formula."""
    import pyarrow.compute as pc

    is_formula = pc.match_substring_regex(column, FORMULA)
    if not pc.any(is_formula).as_py():
        return column
    return pc.if_else(is_formula, pc.binary_join_element_wise("'", column, ""), column)


def _quoted(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow.compute as pc

    needs = pc.match_substring_regex(column, QUOTED)
    if not pc.any(needs).as_py():
        return column
    quoted = pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")
    return pc.if_else(needs, quoted, column)


def _numbers(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """As Python writes them: `1.0`, `1e-05`. Between these bounds Arrow writes the same digits, without `.0`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.cast(column, pa.string())
    size = pc.abs(column)
    is_alike = pc.or_(pc.equal(column, 0.0), pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e10)))
    whole = pc.binary_join_element_wise(text, ".0", "")
    text = pc.if_else(pc.match_substring(text, "."), text, whole)
    if pc.all(is_alike).as_py() is not False:
        return text
    is_other = pc.fill_null(pc.invert(is_alike), False).combine_chunks()
    others = [number(value) for value in column.filter(is_other).to_pylist()]
    return pa.chunked_array([pc.replace_with_mask(text.combine_chunks(), is_other, pa.array(others, pa.string()))])
