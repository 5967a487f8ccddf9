"""Does a record fit the schema? If so it becomes a row: keys, typed values, and large values set apart."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from shared.entities.csvscan import occurrences
from shared.entities.keys import partition_key, row_key, row_keys, utf16_units
from shared.entities.outputs import FileKind, OutputFile
from shared.entities.records import Record, Texts
from shared.entities.rows import Origin, Row, SnapshotTable
from shared.entities.schema import CUSTOMER_ID, Schema
from shared.entities.values import EdmType, Value, read_all, reader

LARGEST_TEXT = 32_000
"""UTF-16 units of a property: Table storage holds 32 Ki; what is longer lies in a blob."""
LARGEST_ROW = 900 * 1024
"""Bytes, as Table storage counts them: it holds 1 MiB. Above that the longest texts lie in blobs too."""
_SMALL_ROW = 3_000
"""Characters; a row below that needs no look at its single values."""
_ROW_OVERHEAD = 500
"""Characters that a row's keys, origin and frame take in a request."""


class Misfit(ValueError):
    """Why a record does not become a row, for people, without its values."""


class FittedRow(NamedTuple):
    """A row, with what lies beside it."""

    row: Row
    large: Mapping[int, str]
    """Texts for blobs, by index of their column."""
    weight: int
    """Bytes it may take in a request."""


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where a file has a property's text, and how that becomes a value."""

    place: int
    name: str
    source: str
    type: EdmType
    read: Callable[[str], Value]


class _Columns(NamedTuple):
    """Some records that fit."""

    customer_ids: Sequence[str]
    keys: Sequence[str]
    values: Sequence[Sequence[Value | None]]
    """CustomerId's, then each cell's."""


class RowFitter:
    """Makes rows of one file's records."""

    def __init__(self, table: SnapshotTable, file: OutputFile) -> None:
        schema = table.schema
        found = {place: index for index, place in enumerate(zip(file.header, occurrences(file.header), strict=True))}
        self._cells = [
            _Cell(found[(column.source, column.nth)], column.name, column.source, column.type, reader(column.type))
            for column in schema.columns
            if (column.source, column.nth) in found
        ]
        places = {cell.name: cell.place for cell in self._cells}
        self._customer = places[schema.customer_id]
        self._primary = None if schema.is_one_column else places[schema.primary_key]
        self._empty_is_null = file.kind is FileKind.CSV
        self._table = table
        self._file = file

    def fit_all(self, records: Sequence[Record]) -> Sequence[FittedRow | Misfit]:
        """As `fit` does each: column by column, and one by one where a record needs a closer look."""
        columns = self._columns(records)
        return [self._fitted(record) for record in records] if columns is None else self._rows(records, columns)

    def _fitted(self, record: Record) -> FittedRow | Misfit:
        try:
            return self.fit(record)
        except Misfit as misfit:
            return misfit

    def _columns(self, records: Sequence[Record]) -> _Columns | None:
        """None unless all records are sure to fit."""
        if not records or any(record.fault for record in records):
            return None
        texts = list(zip(*(record.texts for record in records), strict=True))
        customer_ids = texts[self._customer]
        primary_keys = None if self._primary is None else texts[self._primary]
        keys = row_keys(customer_ids, primary_keys) if all(customer_ids) and all(primary_keys or ()) else None
        if keys is None:
            return None
        values: list[Sequence[Value | None]] = [customer_ids]
        for cell in self._cells:
            found = self._read(cell, texts[cell.place])
            if found is None:
                return None
            values.append(found)
        return _Columns(customer_ids, keys, values)

    def _read(self, cell: _Cell, texts: Sequence[str | None]) -> Sequence[Value | None] | None:
        """A column's values, None among them for what is absent; None if not all are sure to fit."""
        if all(texts):
            return read_all(cell.type, cast("Sequence[str]", texts))
        found = read_all(cell.type, list(filter(None, texts)))
        if found is None:
            return None
        present = iter(found)
        empty = "" if cell.type is EdmType.STRING and not self._empty_is_null else None
        return [next(present) if text else None if text is None else empty for text in texts]

    def _rows(self, records: Sequence[Record], columns: _Columns) -> list[FittedRow]:
        names = (CUSTOMER_ID, *(cell.name for cell in self._cells))
        most = _SMALL_ROW - _ROW_OVERHEAD - sum(map(len, names))
        file, buckets = self._file.index, self._table.buckets
        rows: list[FittedRow] = []
        for record, values, customer_id, key in zip(
            records, _dicts(names, columns.values), columns.customer_ids, columns.keys, strict=True
        ):
            length = sum(map(len, filter(None, record.texts)))
            if length > most:
                rows.append(self.fit(record))
                continue
            row = Row(partition_key(customer_id, buckets), key, Origin(file, record.number), values)
            rows.append(FittedRow(row, {}, 12 * (_SMALL_ROW - most + length)))
        return rows

    def fit(self, record: Record) -> FittedRow:
        """Raises Misfit."""
        if record.fault:
            raise Misfit(record.fault)
        customer_id = self._key(record.texts, self._customer)
        primary_key = None if self._primary is None else self._key(record.texts, self._primary)
        try:
            key = row_key(customer_id, primary_key)
        except ValueError as error:
            raise Misfit(str(error)) from None
        values: dict[str, Value] = {CUSTOMER_ID: customer_id}
        size = _ROW_OVERHEAD + self._fill(values, record.texts)
        large = set_apart(values, self._table.schema) if size > _SMALL_ROW else {}
        weight = _ROW_OVERHEAD + sum(map(_weight, values.values())) if size > _SMALL_ROW else 12 * size
        origin = Origin(self._file.index, record.number)
        partition = partition_key(customer_id, self._table.buckets)
        return FittedRow(Row(partition, key, origin, values, tuple(large)), large, weight)

    def _key(self, texts: Texts, place: int) -> str:
        text = texts[place]
        if not text:
            raise Misfit(f"has no value in the key column {self._file.header[place]!r}")
        return text

    def _fill(self, values: dict[str, Value], texts: Texts) -> int:
        """Adds the columns' values; how many characters they and their names have."""
        size = 0
        for cell in self._cells:
            text = texts[cell.place]
            if not text and (text is None or self._empty_is_null or cell.type is not EdmType.STRING):
                continue
            size += len(text) + len(cell.name)
            try:
                values[cell.name] = cell.read(text)
            except ValueError:
                raise Misfit(f"has a value in the column {cell.source!r} that is no {cell.type}") from None
        return size


def fit_again(values: dict[str, Value], origin: Origin, table: SnapshotTable) -> FittedRow:
    """The row that once had these values, large ones included, and that origin."""
    schema = table.schema
    customer_id = str(values[CUSTOMER_ID])
    primary_key = None if schema.is_one_column else str(values[schema.primary_key])
    weight = _ROW_OVERHEAD + sum(map(_weight, values.values()))
    large = set_apart(values, schema)
    partition = partition_key(customer_id, table.buckets)
    return FittedRow(Row(partition, row_key(customer_id, primary_key), origin, values, tuple(large)), large, weight)


def set_apart(values: dict[str, Value], schema: Schema) -> dict[int, str]:
    """Takes out of `values` what is too large to lie in the row; by index of the column."""
    keys = (schema.customer_id, schema.primary_key, CUSTOMER_ID)
    units = {name: utf16_units(value) for name, value in values.items() if isinstance(value, str) and name not in keys}
    room = LARGEST_ROW - sum(map(_stored_bytes, values, values.values()))
    indexes = {column.name: index for index, column in enumerate(schema.columns)}
    large: dict[int, str] = {}
    for name in sorted(units, key=lambda name: (-units[name], name)):
        if units[name] <= LARGEST_TEXT and room >= 0:
            break
        room += 2 * units[name]
        large[indexes[name]] = str(values.pop(name))
    return dict(sorted(large.items()))


def _dicts(names: Sequence[str], columns: Sequence[Sequence[Value | None]]) -> Iterator[dict[str, Value]]:
    """Each row's values by name, without nulls."""
    rows = (dict(zip(names, row, strict=False)) for row in zip(*columns, strict=True))
    if any(None in column for column in columns):
        rows = ({name: value for name, value in row.items() if value is not None} for row in rows)
    return cast("Iterator[dict[str, Value]]", rows)


def _stored_bytes(name: str, value: Value) -> int:
    """Source: Microsoft, "Understanding the Table service data model"."""
    return 8 + 2 * len(name) + (2 * utf16_units(value) + 4 if isinstance(value, str) else 16)


def _weight(value: Value) -> int:
    """Characters beyond ASCII may be written as two escapes of six bytes."""
    return 400 + ((2 if value.isascii() else 12) * len(value) if isinstance(value, str) else 50)
