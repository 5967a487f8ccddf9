"""How is a run's output imported? Its files, its schema, and the parts it is cut into, decided before any row is written.

A part is done by one queue message, at most some 50,000 rows; gzip files and JSON arrays cannot be cut, Parquet is
cut at its row groups.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.entities.blocks import gunzipped
from shared.entities.csvscan import Cut, CutSize, Scanned, scan_csv
from shared.entities.jsontext import is_array, scan_array, scan_lines
from shared.entities.outputs import FileKind, OutputFile, OutputFiles, find_files, parse_file
from shared.entities.parquet import read_footer
from shared.entities.schema import FoundColumn, Schema, Wanted, check_keys, decide_schema, parse_schema
from shared.errors import UnusableOutput
from shared.versions import check_version

VERSION = 1
"""Of a plan."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one file."""

    number: int
    file: int
    """The file's index in the plan."""
    start: int
    end: int | None
    """Byte offsets (`end` not included; None: the whole file). Of Parquet, `start` is the row group."""
    first_line: int
    """Of its first row; of Parquet and JSON arrays, the number of that row in the file."""
    records: int
    """Rows in it, as the file has them."""

    def document(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "file": self.file,
            "start": self.start,
            "end": self.end,
            "firstLine": self.first_line,
            "records": self.records,
        }


def parse_part(document: Mapping[str, Any]) -> Part:
    return Part(
        number=document["number"],
        file=document["file"],
        start=document["start"],
        end=document["end"],
        first_line=document["firstLine"],
        records=document["records"],
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the parts of a run share, and the parts."""

    files: tuple[OutputFile, ...]
    schema: Schema
    parts: tuple[Part, ...]

    @property
    def records(self) -> int:
        """Rows in the output: each becomes a row of the entity or a reject."""
        return sum(part.records for part in self.parts)

    def document(self) -> dict[str, Any]:
        """As JSON; `parse_plan` reads it back. May be larger than a table's property: some 100 bytes a part."""
        return {
            "v": VERSION,
            "files": [file.document() for file in self.files],
            "schema": self.schema.document(),
            "parts": [part.document() for part in self.parts],
        }


def parse_plan(document: Mapping[str, Any]) -> Plan:
    """Raises NewerVersion, OlderVersion."""
    check_version(document.get("v"), VERSION, "the plan of an import")
    return Plan(
        tuple(parse_file(file) for file in document["files"]),
        parse_schema(document["schema"]),
        tuple(parse_part(part) for part in document["parts"]),
    )


async def plan_import(output: OutputFiles, path: str, wanted: Wanted, size: CutSize | None = None) -> Plan:
    """One pass over all files at `path`. Raises UnusableOutput with file and line, StorageUnavailable."""
    files: list[OutputFile] = []
    found: list[Sequence[FoundColumn]] = []
    cuts: list[tuple[int, Cut, bool]] = []
    for listed in await find_files(output, path):
        file, scanned = await _scan(output, listed, wanted, size or CutSize())
        files.append(replace(file, delimiter=scanned.delimiter, header=scanned.header))
        found.append(scanned.columns)
        cuts += [(file.index, cut, _is_cuttable(file)) for cut in scanned.cuts]
    schema = decide_schema(found, wanted)
    parts = tuple(
        Part(number, file, cut.start, cut.end if is_cut else None, cut.first_line, cut.records)
        for number, (file, cut, is_cut) in enumerate(cuts)
    )
    return Plan(tuple(files), schema, parts)


def _is_cuttable(file: OutputFile) -> bool:
    return file.kind in (FileKind.CSV, FileKind.JSON_LINES) and not file.is_gzip


async def _scan(output: OutputFiles, file: OutputFile, wanted: Wanted, size: CutSize) -> tuple[OutputFile, Scanned]:
    if file.kind is FileKind.PARQUET:
        return file, await _scan_parquet(output, file, wanted)
    if file.kind is FileKind.JSON_LINES and await is_array(open_text(output, file)):
        array = replace(file, kind=FileKind.JSON_ARRAY)
        return array, await scan_array(open_text(output, file), file=file.path, wanted=wanted)
    scan = scan_csv if file.kind is FileKind.CSV else scan_lines
    scanned = await scan(open_text(output, file), file=file.path, wanted=wanted, size=size)
    return file, _joined(scanned) if file.is_gzip else scanned


def _joined(scanned: Scanned) -> Scanned:
    """One stretch of all: a gzip file is read from its start."""
    if not scanned.cuts:
        return scanned
    first, last = scanned.cuts[0], scanned.cuts[-1]
    cut = Cut(first.start, last.end, first.first_line, sum(cut.records for cut in scanned.cuts))
    return replace(scanned, cuts=(cut,))


async def _scan_parquet(output: OutputFiles, file: OutputFile, wanted: Wanted) -> Scanned:
    footer = await read_footer(output, file.listed)
    names = [column.source for column in footer.columns]
    check_keys(file.path, names, wanted)
    if len(set(names)) < len(names):
        raise UnusableOutput(f"{file.path} has two columns of one name; rename one")
    cuts, first = [], 1
    for group, rows in enumerate(footer.group_rows):
        cuts.append(Cut(group, 0, first, rows))
        first += rows
    return Scanned(footer.columns, tuple(cut for cut in cuts if cut.records))


def open_text(output: OutputFiles, file: OutputFile, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
    """A file's bytes, out of gzip if it is in that."""
    chunks = output.read(file.listed, start, end)
    return gunzipped(chunks, file.path) if file.is_gzip else chunks
