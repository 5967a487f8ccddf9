"""The records of one part, whatever format its file has: a number and a text for each column."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from shared.entities.blocks import Block, csv_blocks, line_blocks
from shared.entities.csvscan import csv_rows
from shared.entities.jsontext import JsonRecord, array_records, line_records
from shared.entities.outputs import FileKind, OutputFile, OutputFiles
from shared.entities.parquet import group_rows
from shared.entities.parts import Part, open_text
from shared.entities.values import as_text

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

type Texts = Sequence[str | None]


class Record(NamedTuple):
    """One record of a file."""

    number: int
    """Its line, or its place among the file's rows where there are no lines."""
    texts: Texts
    """In the order of the file's header; empty where there is a fault."""
    fault: str = ""
    """Why the texts cannot be read."""


def read_records(output: OutputFiles, file: OutputFile, part: Part) -> AsyncIterator[Sequence[Record]]:
    """Some records at a time, in the file's order. Raises UnusableOutput, StorageUnavailable."""
    match file.kind:
        case FileKind.CSV:
            return _read_csv(output, file, part)
        case FileKind.JSON_LINES:
            return _read_lines(output, file, part)
        case FileKind.JSON_ARRAY:
            return _read_array(output, file)
        case FileKind.PARQUET:
            return _read_parquet(output, file, part)


async def _read_csv(output: OutputFiles, file: OutputFile, part: Part) -> AsyncIterator[Sequence[Record]]:
    async for block in part_blocks(output, file, part):
        yield csv_records(block, file.delimiter, len(file.header))


def part_blocks(output: OutputFiles, file: OutputFile, part: Part) -> AsyncIterator[Block]:
    """Of a CSV file. Raises UnusableOutput, StorageUnavailable."""
    chunks = _open(output, file, part)
    return csv_blocks(chunks, file=file.path, delimiter=file.delimiter, first_line=part.first_line)


def csv_records(block: Block, delimiter: str, count: int) -> list[Record]:
    """Nearly always each line is a whole row, which needs no look at one after the other."""
    rows = csv_rows(block.text, delimiter)
    texts = list(rows)
    if rows.line_num == len(texts) and set(map(len, texts)) == {count}:
        return list(map(Record, range(block.first_line, block.first_line + len(texts)), texts))
    return list(_numbered(csv_rows(block.text, delimiter), block.first_line, count))


def _numbered(rows: "CsvReader", first_line: int, count: int) -> Iterator[Record]:
    line = first_line
    for texts in rows:
        if len(texts) == count:
            yield Record(line, texts)
        elif texts:
            yield Record(line, (), f"has {len(texts)} fields, and the header {count}")
        line = first_line + rows.line_num


async def _read_lines(output: OutputFiles, file: OutputFile, part: Part) -> AsyncIterator[Sequence[Record]]:
    chunks = _open(output, file, part)
    async for block in line_blocks(chunks, file=file.path, start=part.start, first_line=part.first_line):
        yield [_from_json(record, file.header) for record in line_records(block)]


async def _read_array(output: OutputFiles, file: OutputFile) -> AsyncIterator[Sequence[Record]]:
    async for records in array_records(open_text(output, file), file=file.path):
        yield [_from_json(record, file.header) for record in records]


def _from_json(record: JsonRecord, header: Sequence[str]) -> Record:
    members = record.members
    if members is None:
        return Record(record.number, (), record.fault)
    texts = [as_text(members.get(name)) for name in header]
    if any(text and not _is_unicode(text) for text in texts):
        return Record(record.number, (), "has a text with half of a surrogate pair")
    return Record(record.number, texts)


def _is_unicode(text: str) -> bool:
    """JSON may escape what UTF-8, and so Table storage, cannot hold."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def _read_parquet(output: OutputFiles, file: OutputFile, part: Part) -> AsyncIterator[Sequence[Record]]:
    number = part.first_line
    async for rows in group_rows(output, file.listed, part.start):
        yield [Record(number + index, texts) for index, texts in enumerate(rows)]
        number += len(rows)


async def _open(output: OutputFiles, file: OutputFile, part: Part) -> AsyncIterator[bytes]:
    """The part's bytes; a gzip file is read from its start, and what comes before the part is left out."""
    if not file.is_gzip:
        async for chunk in output.read(file.listed, part.start, part.end):
            yield chunk
        return
    ahead = part.start
    async for chunk in open_text(output, file):
        if ahead < len(chunk):
            yield chunk[ahead:]
        ahead = max(0, ahead - len(chunk))
