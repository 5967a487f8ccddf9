"""A file's bytes, cut into blocks of whole records, each with its first line: constant memory, whatever the file's size.

Nothing is guessed from the middle of a file: a block ends where the quotes since the file's first byte prove that a
record ends. The rules are those of Python's `csv.reader`: a quote opens a field only as its first character, `""`
inside is a quote, and a record ends with LF, CRLF or CR.
"""

import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache

from shared.errors import UnusableOutput

LONGEST_RECORD = 8 * 1024 * 1024
"""Bytes; some ten times as much is held while such a record is read."""
_SLICE = 64 * 1024
"""Bytes looked at in one go. A block has no more records than this has characters, so a part of 50,000 rows can be met."""
_INFLATED = 1024 * 1024
"""Bytes taken out of a gzip file in one go."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole records."""

    data: bytes
    text: str
    first_line: int
    lines: int
    """One is counted for a last one without its end."""
    start: int
    end: int
    """Byte offsets in the file (`end` not included)."""


async def csv_blocks(
    chunks: AsyncIterator[bytes], *, file: str, delimiter: str, start: int = 0, first_line: int = 1
) -> AsyncIterator[Block]:
    """The records of a CSV file from a record's start on. Raises UnusableOutput: a quote that never closes, other
    encodings than UTF-8, a record that is too long, each with file and line."""
    cutter = _Cutter(file, delimiter, start, first_line)
    async for block in _cut(cutter, chunks):
        yield block
    if cutter.rest:
        cutter.check_quotes()
        yield cutter.take(len(cutter.rest))


async def line_blocks(
    chunks: AsyncIterator[bytes], *, file: str, start: int = 0, first_line: int = 1
) -> AsyncIterator[Block]:
    """The lines of a text file from a line's start on. Raises UnusableOutput: other encodings, a line that is too long."""
    cutter = _Cutter(file, None, start, first_line)
    async for block in _cut(cutter, chunks):
        yield block
    if cutter.rest:
        yield cutter.take(len(cutter.rest))


async def _cut(cutter: "_Cutter", chunks: AsyncIterator[bytes]) -> AsyncIterator[Block]:
    async for chunk in chunks:
        for begin in range(0, len(chunk), _SLICE):
            block = cutter.feed(chunk[begin : begin + _SLICE])
            if block is not None:
                yield block


class _Cutter:
    """Holds back what is not yet a whole record. Without a delimiter, records are lines."""

    def __init__(self, file: str, delimiter: str | None, start: int, first_line: int) -> None:
        self._file = file
        self._delimiter = delimiter
        self._held = bytearray()
        self._offset = start
        self._line = first_line

    @property
    def rest(self) -> bytes:
        return bytes(self._held)

    def feed(self, data: bytes) -> Block | None:
        self._held += data
        end = self._end() if _may_end_record(data, len(self._held)) else 0
        if end:
            return self.take(end)
        if len(self._held) > LONGEST_RECORD:
            self.check_quotes()
            raise UnusableOutput(
                f"{self._file}, line {self._line}: the record that starts there is longer than {LONGEST_RECORD} bytes"
            )
        return None

    def _end(self) -> int:
        if self._delimiter is None:
            return self._held.rfind(b"\n") + 1
        return record_end(bytes(self._held), self._delimiter)

    def take(self, end: int) -> Block:
        data = bytes(self._held[:end])
        text, ends = decode(data, self._file, self._line), count_lines(data)
        lines = ends if data.endswith((b"\n", b"\r")) else ends + 1
        block = Block(data, text, self._line, lines, self._offset, self._offset + end)
        del self._held[:end]
        self._offset += end
        self._line += ends
        return block

    def check_quotes(self) -> None:
        """Raises UnusableOutput for a quote that opens in what is held and does not close."""
        opened = unclosed_quote(self.rest, self._delimiter) if self._delimiter else None
        if opened is not None:
            raise UnusableOutput(
                f"{self._file}, line {self._line + count_lines(self.rest[:opened])}: the quote that opens there never "
                'closes; let the pipeline write CSV in which a quote inside a quoted field is doubled ("")'
            )


def _may_end_record(data: bytes, held: int) -> bool:
    """What was held before had no end; looking at all of it again pays only if the new bytes can bring one."""
    return held == len(data) or any(mark in data for mark in (b"\n", b"\r", b'"')) or held < 2 * _SLICE


def record_end(data: bytes, delimiter: str) -> int:
    """Where the last whole record in `data` ends, which begins with one; 0 for nowhere."""
    if b'"' in data:
        found = _records(delimiter).match(data)
        return found.end() if found else 0
    whole = len(data) - 1 if data.endswith(b"\r") else len(data)  # a CR at the very end may be half of a CRLF
    return max(data.rfind(b"\n", 0, whole), data.rfind(b"\r", 0, whole)) + 1


def first_record(data: bytes, delimiter: str, is_last: bool, start: int = 0) -> tuple[int, int] | None:
    """Where the first record that is not a blank line starts and ends; None if it is not whole yet."""
    while start < len(data) and data[start : start + 1] in (b"\r", b"\n"):
        start += 1
    found = _record(delimiter).match(data, start)
    if found and (found[1] or is_last):
        return start, found.end()
    return None


def unclosed_quote(data: bytes, delimiter: str) -> int | None:
    """Where in a file's last bytes, from a record's start on, the quote stands that never closes; None if all do."""
    fields, field = _patterns(delimiter)[2:]
    found = fields.match(data)
    end = found.end() if found else 0
    return end if field.match(data, end) is None else None


def count_lines(data: bytes) -> int:
    """Line ends in `data`, CRLF counted once."""
    lines = data.count(b"\n")
    return lines + data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else lines


def decode(data: bytes, file: str, first_line: int) -> str:
    """Raises UnusableOutput, with file and line, for other encodings than UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + count_lines(data[: error.start])
        raise UnusableOutput(
            f"{file}, line {line}: the text is not UTF-8; let the pipeline write UTF-8 (pandas does by default)"
        ) from None


@cache
def _patterns(delimiter: str) -> tuple[re.Pattern[bytes], ...]:
    """Records, one record, fields with what ends them, one field. Possessive throughout: a match takes time in
    proportion to what it reads."""
    mark = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"[^{mark}\r\n]*+|(?!")[^{mark}\r\n]*+)'
    record = rf"{field}(?:{mark}{field})*+"
    line_end = r"(?:\r\n|\n|\r(?=[^\n]))"
    patterns = (rf"(?:{record}{line_end})*+", rf"{record}({line_end}?+)", rf"(?:{field}(?:{mark}|\r\n|\n|\r))*+", field)
    return tuple(re.compile(pattern.encode()) for pattern in patterns)


def _records(delimiter: str) -> re.Pattern[bytes]:
    return _patterns(delimiter)[0]


def _record(delimiter: str) -> re.Pattern[bytes]:
    return _patterns(delimiter)[1]


async def gunzipped(chunks: AsyncIterator[bytes], file: str) -> AsyncIterator[bytes]:
    """The bytes inside a gzip file, which may have several members. Raises UnusableOutput."""
    gzip = zlib.decompressobj(wbits=31)
    try:
        async for chunk in chunks:
            data, is_pending = chunk, bool(chunk)
            while data or is_pending:
                if gzip.eof:
                    gzip = zlib.decompressobj(wbits=31)
                found = gzip.decompress(data, _INFLATED)
                yield found
                data = gzip.unused_data if gzip.eof else gzip.unconsumed_tail
                is_pending = len(found) == _INFLATED and not gzip.eof
    except zlib.error:
        raise UnusableOutput(f"{file} is not gzip, or broken; write it anew") from None
    if not gzip.eof:
        raise UnusableOutput(f"{file} ends in the middle of its gzip data; write it anew")
