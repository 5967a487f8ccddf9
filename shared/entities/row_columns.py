"""Rows of one file, column by column: what comes of records that are plain, without an object for each.

pyarrow is imported where it is used: it costs a cold start 100 ms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.entities.arrow_values import rows_of
from shared.entities.rows import Origin, Row

if TYPE_CHECKING:
    import pyarrow as pa

LINE = " line"
"""The column of the origins' lines."""
_LINE_DIGITS = 12


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Rows without large values."""

    file: int
    """Of their origins."""
    partitions: Sequence[str]
    keys: "pa.Array"
    """RowKeys."""
    table: "pa.Table"
    """The schema's properties in their order and types, null where a row has no value; then the lines, which rise."""

    def __len__(self) -> int:
        return len(self.partitions)

    def slices(self, size: int) -> Iterator["RowColumns"]:
        """At most `size` rows each."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            yield replace(
                self,
                partitions=self.partitions[start : start + size],
                keys=self.keys.slice(start, size),
                table=self.table.slice(start, size),
            )

    def origin(self, index: int) -> Origin:
        return Origin(self.file, self.table[LINE][index].as_py())

    def rows(self) -> Iterator[Row]:
        """One by one, for whoever has no faster way."""
        lines = self.table[LINE].to_pylist()
        values = rows_of(self.table.drop_columns([LINE]))
        for partition, key, line, row in zip(self.partitions, self.keys.to_pylist(), lines, values, strict=True):
            present = {name: value for name, value in row.items() if value is not None}
            yield Row(partition, key, Origin(self.file, line), present)


def origin_texts(file: int, lines: "pa.Array | pa.ChunkedArray") -> "pa.Array | pa.ChunkedArray":
    """As `Origin.text` has them; `lines` rise."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = lines.cast(pa.string())
    prefix = Origin(file, 0).text[:-_LINE_DIGITS]
    digits = {len(texts[index].as_py()) for index in (0, -1) if len(texts)}
    if len(digits) == 1:
        return pc.binary_join_element_wise(prefix + "0" * (_LINE_DIGITS - digits.pop()), texts, "")
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(texts, _LINE_DIGITS, "0"), "")
