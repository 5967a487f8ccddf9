"""CSV as Arrow columns of texts: what is plain is read half a megabyte at a time, the rest as `csv.reader` reads it.

Arrow's rules for quotes are those of Python's `csv.reader`. pyarrow is imported where it is used: it costs a cold start 100 ms.
"""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from shared.entities.blocks import Block

if TYPE_CHECKING:
    import pyarrow as pa

_MARK = b"\xef\xbb\xbf"
_TOGETHER = 512 * 1024
"""Bytes that are read at once: a call of Arrow's costs as much as some hundred values."""


async def gathered(blocks: AsyncIterator[Block]) -> AsyncIterator[Sequence[Block]]:
    """Some blocks at a time, so many that reading them together pays."""
    some: list[Block] = []
    async for block in blocks:
        some.append(block)
        if block.end - some[0].start >= _TOGETHER:
            yield some
            some = []
    if some:
        yield some


def csv_columns(
    blocks: Sequence[Block], delimiter: str, count: int, wanted: Sequence[int] | None = None
) -> "list[pa.Array] | None":
    """The texts of each of `count` columns (or of those `wanted`), null where a field is empty; None unless each line
    is a record with all fields."""
    import pyarrow as pa
    from pyarrow import csv

    data = b"".join([block.data for block in blocks])
    if data.startswith(_MARK):  # Arrow takes it for a mark of the encoding, `csv.reader` for text
        return None
    names = [str(index) for index in range(count)]
    chosen = names if wanted is None else [names[index] for index in wanted or (0,)]
    try:
        table = csv.read_csv(
            pa.BufferReader(data),
            csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                include_columns=chosen,
                check_utf8=False,  # a block is known to be
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != sum(block.lines for block in blocks):
        return None
    return [one_array(column) for column in table.columns[: len(chosen if wanted is None else wanted)]]


def one_array(column: "pa.ChunkedArray") -> "pa.Array":
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
