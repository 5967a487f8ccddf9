"""Rows as Table storage's REST takes and gives them: JSON entities, and the body of a transaction over them.

Source: Table service REST, "Performing entity group transactions" and "Payload format for Table service operations".
Written by hand because the SDK's way through `email` and `http.client` costs a hundred times as much a row.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from math import isfinite
from typing import Any
from urllib.parse import quote

import orjson

from shared.entities.rows import Row, Write, parse_origin
from shared.entities.schema import LARGE, ORIGIN, Schema
from shared.entities.values import EdmType, Value

BOUNDARY = "batch_b"
_CHANGES = "changeset_c"
CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY}"
LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a transaction."""
_OPEN = (f"--{BOUNDARY}\r\nContent-Type: multipart/mixed; boundary={_CHANGES}\r\n\r\n").encode()
_PART = f"--{_CHANGES}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_HEADERS = (
    " HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json;odata=minimalmetadata\r\n"
    "Prefer: return-no-content\r\nDataServiceVersion: 3.0;\r\n"
)
_CLOSE = f"--{_CHANGES}--\r\n--{BOUNDARY}--\r\n".encode()
_WRITTEN = b"\nHTTP/1.1 204 "
_STATUS = re.compile(rb"^HTTP/1\.1 (\d{3})", re.MULTILINE)
_ERROR = re.compile(rb"\{\s*\"odata\.error\".*\}", re.DOTALL)
_INDEX = re.compile(r"^(\d+):")
ANNOTATED = {EdmType.INT64: "Edm.Int64", EdmType.DATE_TIME_OFFSET: "Edm.DateTime"}
_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class RowCodec:
    """For the rows of one schema."""

    def __init__(self, schema: Schema) -> None:
        self._types = schema.properties

    @cached_property
    def _annotations(self) -> dict[str, tuple[str, str]]:
        """By property: the annotation, and the type that it tells."""
        return {
            name: (f"{name}@odata.type", ANNOTATED[kind]) for name, kind in self._types.items() if kind in ANNOTATED
        }

    @cached_property
    def _all_annotations(self) -> dict[str, str]:
        return dict(self._annotations.values())

    @cached_property
    def _wide(self) -> list[str]:
        """Int64 crosses the wire as text."""
        return [name for name, kind in self._types.items() if kind is EdmType.INT64]

    def encode(self, row: Row) -> bytes:
        """Source: "Property types in a JSON feed": what JSON has no type for is annotated."""
        entity: dict[str, Any] = {
            "PartitionKey": row.partition,
            "RowKey": row.key,
            ORIGIN: row.origin.text,
            **row.values,
        }
        if len(row.values) == len(self._types):
            entity |= self._all_annotations
        else:
            entity |= [annotation for name, annotation in self._annotations.items() if name in entity]
        for name in self._wide:
            if name in entity:
                entity[name] = str(entity[name])
        if row.large:
            entity[LARGE] = ",".join(map(str, row.large))
        body = orjson.dumps(entity, option=orjson.OPT_UTC_Z)
        # A row has no nulls: what orjson writes so is a number that JSON does not have.
        return body if b":null" not in body else _with_words(entity)

    @cached_property
    def _readers(self) -> list[tuple[str, Callable[[Any], Value]]]:
        """Of the properties whose values JSON does not give as they are."""
        return [(name, _READERS[kind]) for name, kind in self._types.items() if kind in _READERS]

    def decode(self, entity: Mapping[str, Any]) -> Row:
        large = entity.get(LARGE)
        values: dict[str, Value] = {name: entity[name] for name in self._types if name in entity}
        for name, read in self._readers:
            if name in values:
                values[name] = read(values[name])
        return Row(
            partition=entity["PartitionKey"],
            key=entity["RowKey"],
            origin=parse_origin(entity[ORIGIN]),
            values=values,
            large=tuple(map(int, large.split(","))) if large else (),
        )


def _with_words(entity: Mapping[str, Any]) -> bytes:
    """Not finite numbers as the texts that the service knows for them."""
    written = dict(entity)
    for name, value in entity.items():
        if isinstance(value, float) and not isfinite(value):
            written[name] = not_finite(value)
            written[f"{name}@odata.type"] = "Edm.Double"
    return orjson.dumps(written, option=orjson.OPT_UTC_Z)


def not_finite(number: float) -> str:
    """The word for it."""
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"


def _double(stored: Any) -> Value:
    """A whole number comes without a point."""
    return _NOT_FINITE[stored] if isinstance(stored, str) else float(stored)


def _time(text: str) -> datetime:
    """Table storage counts in tenths of a microsecond; what we wrote has none."""
    return datetime.fromisoformat(text).astimezone(UTC)


_READERS: dict[EdmType, Callable[[Any], Value]] = {
    EdmType.INT64: int,
    EdmType.DOUBLE: _double,
    EdmType.DATE_TIME_OFFSET: _time,
}


def insertion(bodies: Sequence[bytes], table_url: str) -> bytes:
    """The body of `POST …/$batch` that inserts encoded rows."""
    parts = [b"\r\n" + _insert(table_url), b""] * len(bodies)
    parts[1::2] = bodies
    parts[0] = _OPEN + _insert(table_url)
    return b"".join([*parts, b"\r\n", _CLOSE])


def transaction(writes: Sequence[Write], codec: RowCodec, table_url: str) -> bytes:
    """The body of `POST …/$batch`: inserts, and updates where a row replaces a known one."""
    insert = _insert(table_url)
    parts = [_OPEN]
    for write in writes:
        parts.append(insert if write.replaces is None else _update(write, table_url))
        parts.append(codec.encode(write.row))
        parts.append(b"\r\n")
    parts.append(_CLOSE)
    return b"".join(parts)


def _insert(table_url: str) -> bytes:
    return f"{_PART}POST {table_url}{_HEADERS}\r\n".encode()


def _update(write: Write, table_url: str) -> bytes:
    return f"{_PART}PUT {table_url}{row_path(write.row.partition, write.row.key)}{_HEADERS}If-Match: {write.replaces}\r\n\r\n".encode()


def deletion(partition: str, keys: Sequence[str], table_url: str) -> bytes:
    """The body of `POST …/$batch` that removes rows, whatever they are by now."""
    parts = [f"{_PART}DELETE {table_url}{row_path(partition, key)}{_HEADERS}If-Match: *\r\n\r\n" for key in keys]
    return b"".join([_OPEN, *(f"{part}\r\n".encode() for part in parts), _CLOSE])


def row_path(partition: str, key: str) -> str:
    return f"(PartitionKey='{_quoted(partition)}',RowKey='{_quoted(key)}')"


def _quoted(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")


@dataclass(frozen=True, slots=True)
class Refused:
    """The operation that made storage refuse a transaction."""

    status: int
    code: str
    index: int | None


def read_answer(body: bytes, count: int) -> Refused | None:
    """None where each of `count` operations succeeded. Raises ValueError for an answer that tells less."""
    if body.count(_WRITTEN) == count:
        return None
    statuses = [int(found) for found in _STATUS.findall(body)]
    failed = next((status for status in statuses if status >= 300), None)
    if failed is not None:
        return _refusal(failed, body)
    if len(statuses) != count:
        raise ValueError(f"{len(statuses)} answers to {count} operations")
    return None


def _refusal(status: int, body: bytes) -> Refused:
    """The message begins with the operation's index: `1:The specified entity already exists.`"""
    found = _ERROR.search(body)
    try:
        error = orjson.loads(found[0])["odata.error"] if found else {}
        code, message = str(error.get("code", "")), str((error.get("message") or {}).get("value", ""))
    except (ValueError, KeyError, AttributeError):
        code, message = "", ""
    index = _INDEX.match(message)
    return Refused(status, code, int(index[1]) if index else None)
