"""JSON lines and JSON arrays: their objects one by one, the columns they have, and where lines may be cut.

Numbers keep their text: integers are read exactly, and others remember how they were written.
"""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from math import isfinite
from typing import Any

from shared.entities.blocks import LONGEST_RECORD, Block, line_blocks
from shared.entities.csvscan import Cut, CutSize, Cutter, Scanned
from shared.entities.schema import FoundColumn, Wanted, check_keys
from shared.entities.values import EdmType, JsonFloat, integer_type, is_time, widest
from shared.errors import UnusableOutput

_DECODER = json.JSONDecoder(parse_float=JsonFloat)
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """One object, or why a line is none."""

    number: int
    """Line, or place in the array, from 1."""
    members: dict[str, Any] | None
    fault: str = ""


class JsonColumns:
    """The columns of a file and their types, as its objects come by."""

    def __init__(self) -> None:
        self._types: dict[str, EdmType | None] = {}

    def observe(self, records: Iterable[JsonRecord]) -> None:
        for record in records:
            for name, value in (record.members or {}).items():
                known = self._types.get(name)
                self._types[name] = known if known is EdmType.STRING else widest(known, _type(value))

    def columns(self, file: str, wanted: Wanted) -> tuple[FoundColumn, ...]:
        """Raises UnusableOutput where the key columns are missing."""
        check_keys(file, list(self._types), wanted)
        return tuple(FoundColumn(name, 1, seen) for name, seen in self._types.items())


def _type(value: object) -> EdmType | None:
    """JSON tells texts from numbers; only times must be texts there."""
    match value:
        case None:
            return None
        case bool():
            return EdmType.BOOLEAN
        case str():
            return EdmType.DATE_TIME_OFFSET if is_time(value) else EdmType.STRING
        case int():
            return integer_type(value)
        case JsonFloat():
            return EdmType.DOUBLE if isfinite(value) else EdmType.STRING
        case float():  # NaN and Infinity, which Python writes
            return EdmType.DOUBLE
    return EdmType.STRING


async def scan_lines(
    chunks: AsyncIterator[bytes], *, file: str, wanted: Wanted, size: CutSize | None = None
) -> Scanned:
    """Raises UnusableOutput: no key columns, other encodings than UTF-8."""
    found, cutter = JsonColumns(), Cutter(size or CutSize())
    async for block in line_blocks(chunks, file=file):
        records = line_records(block)
        found.observe(records)
        cutter.add(block, len(records))
    return Scanned(found.columns(file, wanted), cutter.cuts())


def line_records(block: Block) -> list[JsonRecord]:
    """One record for each line that is not blank."""
    lines = enumerate(block.text.removeprefix("\ufeff" if block.start == 0 else "").split("\n"), block.first_line)
    return [_line_record(number, line) for number, line in lines if line and not line.isspace()]


def _line_record(number: int, line: str) -> JsonRecord:
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError):
        return JsonRecord(number, None, "is not JSON")
    return _record(number, value)


def _record(number: int, value: object) -> JsonRecord:
    return JsonRecord(number, value) if isinstance(value, dict) else JsonRecord(number, None, "is no JSON object")


async def scan_array(chunks: AsyncIterator[bytes], *, file: str, wanted: Wanted) -> Scanned:
    """An array cannot be cut: one stretch. Raises UnusableOutput: broken JSON, no key columns."""
    found, count = JsonColumns(), 0
    async for records in array_records(chunks, file=file):
        found.observe(records)
        count += len(records)
    return Scanned(found.columns(file, wanted), (Cut(0, 0, 1, count),))


async def array_records(chunks: AsyncIterator[bytes], *, file: str) -> AsyncIterator[list[JsonRecord]]:
    """The items of a JSON array, some at a time. Raises UnusableOutput, which names the item where the JSON breaks."""
    array = _Array(file)
    async for chunk in chunks:
        if records := array.feed(chunk):
            yield records
    array.finish()


class _State(Enum):
    """What an array's text may go on with."""

    START = auto()
    FIRST = auto()
    """An item, or the end."""
    ITEM = auto()
    NEXT = auto()
    """A comma, or the end."""
    END = auto()


_MARKS: dict[_State, dict[str, _State]] = {
    _State.START: {"[": _State.FIRST},
    _State.FIRST: {"]": _State.END},
    _State.ITEM: {},
    _State.NEXT: {",": _State.ITEM, "]": _State.END},
    _State.END: {},
}


class _Array:
    """Reads items as their bytes come, and holds no more than one that is not yet whole."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._bytes = bytearray()
        self._text = ""
        self._items = 0
        self._state = _State.START

    def feed(self, chunk: bytes) -> list[JsonRecord]:
        self._text += self._decode(chunk)
        found: list[JsonRecord] = []
        at = 0
        while (item := self._item(at)) is not None:
            record, at = item
            if record is not None:
                found.append(record)
        self._text = self._text[at:]
        if len(self._text) > LONGEST_RECORD:
            raise self._broken()
        return found

    def _decode(self, chunk: bytes) -> str:
        """All whole characters."""
        self._bytes += chunk
        try:
            text = self._bytes.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(self._bytes) - 3:
                raise UnusableOutput(f"{self._file} is not UTF-8; let the pipeline write UTF-8") from None
            text = self._bytes[: error.start].decode("utf-8")
            del self._bytes[: error.start]
            return text
        self._bytes.clear()
        return text

    def _item(self, at: int) -> tuple[JsonRecord | None, int] | None:
        """The mark or item at `at` and where it ends; None where the text does not reach so far."""
        at = _skip(self._text, at)
        if at == len(self._text):
            return None
        following = _MARKS[self._state].get(self._text[at])
        if following is not None:
            self._state = following
            return None, at + 1
        if self._state not in (_State.FIRST, _State.ITEM):
            raise self._broken()
        return self._value(at)

    def _value(self, at: int) -> tuple[JsonRecord | None, int] | None:
        try:
            value, end = _DECODER.raw_decode(self._text, at)
        except (ValueError, RecursionError):
            return None
        if end == len(self._text) and not isinstance(value, dict | list | str):
            return None  # a number may go on
        self._items += 1
        self._state = _State.NEXT
        return _record(self._items, value), end

    def finish(self) -> None:
        if self._state is not _State.END or self._text.strip() or self._bytes:
            raise self._broken()

    def _broken(self) -> UnusableOutput:
        return UnusableOutput(
            f"{self._file}: the JSON array breaks at row {self._items + 1}; let the pipeline write it anew, best as "
            "JSON lines"
        )


_SPACE = " \t\n\r\ufeff"


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


async def is_array(chunks: AsyncIterator[bytes]) -> bool:
    """Whether a `.json` file holds an array rather than lines."""
    async for chunk in chunks:
        text = chunk.removeprefix(_BOM).lstrip()
        if text:
            return text.startswith(b"[")
    return False
