"""One pass over a CSV file: its columns and their types, and where it may be cut into parts.

The delimiter is a comma, unless only a semicolon or only a tab makes the header have the key columns.
"""

import csv
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from shared.entities.blocks import LONGEST_RECORD, Block, count_lines, csv_blocks, decode, first_record
from shared.entities.column_values import is_column_of
from shared.entities.csv_columns import csv_columns, gathered
from shared.entities.schema import FoundColumn, Wanted, check_keys
from shared.entities.values import EdmType, widen
from shared.errors import UnusableOutput

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

    import pyarrow as pa

_DELIMITERS = (",", ";", "\t")
_BOM = b"\xef\xbb\xbf"
_LONGEST_HEADER = 1024 * 1024
_FIRST = 100


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of a file that may become a part: whole records."""

    start: int
    end: int
    """Byte offsets (`end` not included)."""
    first_line: int
    records: int


@dataclass(frozen=True, slots=True)
class CutSize:
    """How large a part may become; one block of 64 KiB, or one record, is the least."""

    records: int = 50_000
    data: int = 8 * 1024 * 1024
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """What one pass over a text file found."""

    columns: tuple[FoundColumn, ...]
    cuts: tuple[Cut, ...]
    delimiter: str = ","

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(column.source for column in self.columns)


async def scan_csv(chunks: AsyncIterator[bytes], *, file: str, wanted: Wanted, size: CutSize | None = None) -> Scanned:
    """Raises UnusableOutput: no header, no key columns, a quote that never closes, other encodings than UTF-8."""
    header, following = await _read_header(chunks, file, wanted)
    types = ColumnTypes(len(header.names))
    cutter = Cutter(size or CutSize())
    blocks = csv_blocks(following, file=file, delimiter=header.delimiter, start=header.end, first_line=header.next_line)
    async for some in gathered(blocks):
        for block, records in zip(some, types.observe(some, header.delimiter), strict=True):
            cutter.add(block, records)
    columns = zip(header.names, occurrences(header.names), types.types, strict=True)
    return Scanned(tuple(FoundColumn(*column) for column in columns), cutter.cuts(), header.delimiter)


def csv_rows(text: str, delimiter: str) -> "CsvReader":
    """The one reader of CSV here, so that all readings agree."""
    # The library's own limit is 128 KiB a field, for the whole process; ours is a record's.
    csv.field_size_limit(LONGEST_RECORD)
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter)


def occurrences(names: Sequence[str]) -> Iterator[int]:
    """For each name how many times it has occurred so far, itself included."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        yield seen[name]


class ColumnTypes:
    """The types of a file's columns, as its rows come by."""

    def __init__(self, count: int) -> None:
        self.types: list[EdmType | None] = [None] * count

    def observe(self, blocks: Sequence[Block], delimiter: str) -> list[int]:
        """How many records each block has."""
        pending = [index for index, known in enumerate(self.types) if known is not EdmType.STRING]
        columns = csv_columns(blocks, delimiter, len(self.types), pending)
        if columns is None and len(blocks) > 1:
            return [records for block in blocks for records in self.observe([block], delimiter)]
        if columns is None:
            return [self._observe_rows([row for row in csv_rows(block.text, delimiter) if row]) for block in blocks]
        for index, texts in zip(pending, columns, strict=True):
            self.types[index] = _widen_column(self.types[index], texts)
        return [block.lines for block in blocks]

    def _observe_rows(self, rows: Sequence[Sequence[str]]) -> int:
        """Rows with a wrong number of fields do not count: they will be rejects."""
        count, records = len(self.types), len(rows)
        if any(len(row) != count for row in rows):
            rows = [row for row in rows if len(row) == count]
        for index, texts in enumerate(zip(*rows, strict=True)):
            self.types[index] = widen(self.types[index], texts)
        return records


def _widen_column(known: EdmType | None, texts: "pa.Array") -> EdmType | None:
    """The first values tell what all of them probably are; only if not are they looked at one by one."""
    present = texts.drop_null()
    probable = widen(known, present.slice(0, _FIRST).to_pylist())
    if probable is None or probable is EdmType.STRING or is_column_of(probable, present):
        return probable
    return widen(probable, present.to_pylist())


class Cutter:
    """Joins blocks into stretches of about the size wanted."""

    def __init__(self, size: CutSize) -> None:
        self._size = size
        self._cuts: list[Cut] = []

    def add(self, block: Block, records: int) -> None:
        last = self._cuts[-1] if self._cuts else None
        if last is None or last.records + records > self._size.records or block.end - last.start > self._size.data:
            self._cuts.append(Cut(block.start, block.end, block.first_line, records))
        else:
            self._cuts[-1] = Cut(last.start, block.end, last.first_line, last.records + records)

    def cuts(self) -> tuple[Cut, ...]:
        return tuple(cut for cut in self._cuts if cut.records)


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    delimiter: str
    end: int
    """Byte offset."""
    next_line: int


async def _read_header(chunks: AsyncIterator[bytes], file: str, wanted: Wanted) -> tuple[_Header, AsyncIterator[bytes]]:
    """The header, and the file's bytes behind it."""
    data = bytearray()
    is_last = True
    async for chunk in chunks:
        data += chunk
        if len(data) > _LONGEST_HEADER or all(_header_place(bytes(data), mark, False) for mark in _DELIMITERS):
            is_last = False
            break
    header = _choose_header(bytes(data), is_last, file, wanted)
    return header, _chain(bytes(data[header.end :]), chunks)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _choose_header(data: bytes, is_last: bool, file: str, wanted: Wanted) -> _Header:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnusableOutput(
            f"{file}, line 1: the text is UTF-16; let the pipeline write UTF-8 (pandas does by default)"
        )
    headers = [header for mark in _DELIMITERS if (header := _header(data, mark, is_last, file))]
    if not headers:
        raise UnusableOutput(f"{file}, line 1: there is no header; the first line must name the columns")
    fitting = [header for header in headers if all(key in header.names for key in wanted.keys)]
    if len(fitting) > 1 and fitting[0].delimiter != ",":
        raise UnusableOutput(f"{file}, line 1: both semicolon and tab could separate the columns; write it with commas")
    if not fitting:
        check_keys(file, max(headers, key=lambda header: len(header.names)).names, wanted)
    return fitting[0]


def _header(data: bytes, delimiter: str, is_last: bool, file: str) -> _Header | None:
    place = _header_place(data, delimiter, is_last)
    if place is None:
        return None
    start, end = place
    line = 1 + count_lines(data[:start])
    text = decode(data[start:end], file, line)
    names = next(csv_rows(text, delimiter), None)
    if not names:
        return None
    return _Header(tuple(name.strip() for name in names), delimiter, end, line + count_lines(data[start:end]))


def _header_place(data: bytes, delimiter: str, is_last: bool) -> tuple[int, int] | None:
    return first_record(data, delimiter, is_last, len(_BOM) if data.startswith(_BOM) else 0)
