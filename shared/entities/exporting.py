"""An entity as files for a model: the rows that readers see, as CSV or Parquet, streamed.

This is data and not a sheet for people: nothing is changed for a spreadsheet's sake. An import reads back what is
written here, but for the empty text, which a CSV file cannot tell from no value.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from itertools import batched
from math import isfinite
from typing import Literal

from shared.entities.parquet_file import ParquetFile
from shared.entities.reading import PAGE, DataStores
from shared.entities.rows import LargeValues, Row, RowStore, large_name
from shared.entities.schema import Schema
from shared.entities.snapshots import Entity, Snapshot, find_entity
from shared.entities.values import EdmType, Value
from shared.errors import Conflict, Gone
from shared.times import rfc3339

type Format = Literal["csv", "parquet"]
type InputKind = Literal["uri_file", "uri_folder", "mltable"]
"""What kind of data a pipeline's input takes."""
type Sink = Callable[[str, AsyncIterator[bytes]], Awaitable[None]]
"""Writes a file, given its path and its bytes; it replaces the one that is there."""
type Values = Sequence[Value | None]
"""A row's, in the order of the schema's properties."""

_AT_ONCE = 8
"""Rows whose large values are held together: one may have some MB."""
_GROUP_ROWS = 20_000
_GROUP_CHARACTERS = 8 * 1024 * 1024
"""What a row group of Parquet holds at most; its texts may take some times that in memory."""
_MARKS = (",", '"', "\r", "\n")


async def export_entity(
    name: str, stores: DataStores, sink: Sink, folder: str, *, form: Format, kind: InputKind
) -> str:
    """Write the published rows into `folder`; the path to hand to an input of that kind: a folder has `/` at its end.

    May be repeated: the same files are written again. Raises NotFound; Conflict where nothing has been published yet;
    Gone where the snapshot is dropped meanwhile; StorageUnavailable; what `sink` raises.
    """
    entity = await find_entity(stores.entities, name)
    snapshot = _published(entity)
    place, file = folder.rstrip("/"), _file(form)
    export = export_csv if form == "csv" else export_parquet
    await sink(f"{place}/{file}", export(snapshot, stores.rows, stores.large))
    if kind == "mltable":
        await sink(f"{place}/MLTable", _once(ml_table(file, snapshot.schema, form)))
    return export_path(folder, form=form, kind=kind)


def export_path(folder: str, *, form: Format, kind: InputKind) -> str:
    """What an input of that kind is handed of an export into `folder`."""
    place = folder.rstrip("/")
    return f"{place}/{_file(form)}" if kind == "uri_file" else f"{place}/"


def _file(form: Format) -> str:
    return f"data.{form}"


def _published(entity: Entity) -> Snapshot:
    if entity.current is None:
        raise Conflict(
            f"the entity {entity.name} has no rows yet, since no run of its workflow has been published: "
            f"run {entity.workflow} first",
            target="entity",
        )
    return entity.current


async def _once(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def export_csv(snapshot: Snapshot, rows: RowStore, large: LargeValues) -> AsyncIterator[bytes]:
    """RFC 4180 in UTF-8, the properties' names first. No value is an empty field, the empty text is `""`.

    One page of rows is held. Raises Gone, StorageUnavailable.
    """
    yield _line(list(snapshot.schema.properties)).encode()
    async for some in _values(snapshot, rows, large):
        yield "".join(map(_line, some)).encode()


async def export_parquet(snapshot: Snapshot, rows: RowStore, large: LargeValues) -> AsyncIterator[bytes]:
    """One row group is held. Raises Gone, StorageUnavailable."""
    file = ParquetFile(snapshot.schema.properties)
    group: list[Values] = []
    characters = 0
    async for some in _values(snapshot, rows, large):
        group += some
        characters += sum(len(value) for values in some for value in values if isinstance(value, str))
        if len(group) >= _GROUP_ROWS or characters >= _GROUP_CHARACTERS:
            yield await asyncio.to_thread(file.add, group)
            group, characters = [], 0
    if group:
        yield await asyncio.to_thread(file.add, group)
    yield await asyncio.to_thread(file.finish)


async def _values(snapshot: Snapshot, rows: RowStore, large: LargeValues) -> AsyncIterator[list[Values]]:
    """All rows of the snapshot, some at a time."""
    token = None
    while True:
        page = await rows.page(snapshot.place, size=PAGE, token=token)
        for some in _batches(page.rows):
            yield list(await asyncio.gather(*(_whole(row, snapshot, large) for row in some)))
        token = page.token
        if token is None:
            return


def _batches(rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    """Rows to be rendered together: few where large values have to be fetched."""
    return list(batched(rows, _AT_ONCE, strict=False)) if any(row.large for row in rows) else [rows]


async def _whole(row: Row, snapshot: Snapshot, large: LargeValues) -> Values:
    if not row.large:
        return [row.values.get(name) for name in snapshot.schema.properties]
    fetched = {
        snapshot.schema.columns[index].name: await _large_value(large_name(snapshot.table, row.origin, index), large)
        for index in row.large
    }
    values: Mapping[str, Value] = {**row.values, **fetched}
    return [values.get(name) for name in snapshot.schema.properties]


async def _large_value(name: str, large: LargeValues) -> str:
    """A gap in what a model learns from would go unseen: so there is none."""
    value = await large.get(name)
    if value is None:
        raise Gone("a large value of the snapshot was dropped while it was exported; run the workflow again")
    return value.decode("utf-8", "surrogatepass")


def _line(values: Values) -> str:
    return ",".join(map(_field, values)) + "\r\n"


def _field(value: Value | None) -> str:
    match value:
        case None:
            return ""
        case str():
            return _quoted(value) if not value or any(mark in value for mark in _MARKS) else value
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value) if isfinite(value) else "NaN" if value != value else "INF" if value > 0 else "-INF"
        case datetime():
            return rfc3339(value)
    return str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def ml_table(file: str, schema: Schema, form: Format) -> str:
    """The text of a file `MLTable`. Types are told, since guessed ones would make 1 of the id `00001`.

    Source: Azure Machine Learning, MLTable YAML schema.
    """
    head = f"type: mltable\npaths:\n  - file: ./{file}\ntransformations:\n"
    if form == "parquet":
        return f"{head}  - read_parquet\n"
    return head + _READ_DELIMITED + _conversions(schema)


_READ_DELIMITED = """\
  - read_delimited:
      delimiter: ','
      encoding: utf8
      header: all_files_same_headers
      support_multi_line: true
      infer_column_types: false
"""
_COLUMN_TYPES = {
    EdmType.INT32: "int",
    EdmType.INT64: "int",
    EdmType.DOUBLE: "float",
    EdmType.BOOLEAN: "{boolean: {mismatch_as: error, true_values: ['true'], false_values: ['false']}}",
    EdmType.DATE_TIME_OFFSET: "{datetime: {formats: ['%Y-%m-%dT%H:%M:%SZ', '%Y-%m-%dT%H:%M:%S.%fZ']}}",
}


def _conversions(schema: Schema) -> str:
    typed = [(name, _COLUMN_TYPES[kind]) for name, kind in schema.properties.items() if kind in _COLUMN_TYPES]
    if not typed:
        return ""
    return "  - convert_column_types:\n" + "".join(
        f"      - columns: {json.dumps(name, ensure_ascii=False)}\n        column_type: {kind}\n"
        for name, kind in typed
    )
