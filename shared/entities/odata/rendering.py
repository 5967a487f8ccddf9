"""How does an answer look? Rows as OData JSON, with as much about themselves as asked for, or as CSV."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any
from urllib.parse import quote

from shared.entities.csv_text import FORMULA, QUOTED, not_finite, number
from shared.entities.odata.formats import Format, Metadata
from shared.entities.odata.metadata import NAMESPACE, key_of
from shared.entities.schema import Schema
from shared.entities.values import EdmType, Value
from shared.times import rfc3339

type Values = Mapping[str, Value | None]

_TYPED = (EdmType.INT32, EdmType.INT64, EdmType.DOUBLE, EdmType.DATE_TIME_OFFSET)
"""What JSON alone does not tell."""
_QUOTED = re.compile(QUOTED)
_FORMULA = re.compile(FORMULA)


@dataclass(frozen=True, slots=True)
class Shape:
    """What every row of an answer has in common."""

    root: str
    """The service's address, without a slash at its end."""
    entity: str
    schema: Schema
    select: tuple[str, ...]
    """The properties shown."""
    format: Format

    @property
    def context(self) -> str:
        names = "" if self.select == tuple(self.schema.properties) else f"({','.join(self.select)})"
        return f"{self.root}/$metadata#{self.entity}{names}"

    @property
    def needed(self) -> tuple[str, ...]:
        """The properties that have to be read."""
        is_full = self.format.metadata is Metadata.FULL and not self.format.is_csv
        return tuple(dict.fromkeys((*self.select, *(key_of(self.schema) if is_full else ()))))


def collection(shape: Shape, rows: Iterable[Values], count: int | None, link: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if shape.format.metadata is not Metadata.NONE:
        body["@odata.context"] = shape.context
    if count is not None:
        body["@odata.count"] = str(count) if shape.format.has_long_texts else count
    body["value"] = _entities(shape, rows)
    if link is not None:
        body["@odata.nextLink"] = link
    return body


def single(shape: Shape, row: Values) -> dict[str, Any]:
    is_bare = shape.format.metadata is Metadata.NONE
    return ({} if is_bare else {"@odata.context": f"{shape.context}/$entity"}) | _entities(shape, [row])[0]


def plain(schema: Schema, row: Values) -> dict[str, Any]:
    """All properties, and nothing about them."""
    return _entities(Shape("", "", schema, tuple(schema.properties), Format()), [row])[0]


def _entities(shape: Shape, rows: Iterable[Values]) -> list[dict[str, Any]]:
    writers = _writers(shape)
    if shape.format.metadata is Metadata.FULL:
        return [_full(shape, row, writers) for row in rows]
    found = []
    for row in rows:
        entity = dict(row) if tuple(row) == shape.select else {name: row.get(name) for name in shape.select}
        for name, write in writers.items():
            if (value := entity[name]) is not None:
                entity[name] = write(value)
        found.append(entity)
    return found


def _full(shape: Shape, row: Values, writers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"@odata.type": f"#{NAMESPACE}.{shape.entity}", "@odata.id": _address(shape, row)}
    for name in shape.select:
        if (edm_type := shape.schema.properties[name]) in _TYPED:
            found[f"{name}@odata.type"] = f"#{edm_type.removeprefix('Edm.')}"
        value = row.get(name)
        found[name] = writers[name](value) if name in writers and value is not None else value
    return found


def _writers(shape: Shape) -> dict[str, Callable[[Any], Any]]:
    """Of the properties whose values are not put into JSON as they are."""
    known: Mapping[EdmType, Callable[[Any], Any]] = _WRITERS
    if shape.format.has_long_texts:
        known = {**known, EdmType.INT64: str}
    types = shape.schema.properties
    return {name: known[types[name]] for name in shape.select if types[name] in known}


def _address(shape: Shape, row: Values) -> str:
    key = [(name, "'" + str(row.get(name)).replace("'", "''") + "'") for name in key_of(shape.schema)]
    inner = key[0][1] if len(key) == 1 else ",".join(f"{name}={text}" for name, text in key)
    return f"{shape.root}/{shape.entity}({quote(inner, safe="'=,", errors='replace')})"


def _finite(value: float) -> float | str:
    return value if isfinite(value) else not_finite(value)


def iso(time: datetime) -> str:
    return rfc3339(time)


_WRITERS: Mapping[EdmType, Callable[[Any], Any]] = {EdmType.DOUBLE: _finite, EdmType.DATE_TIME_OFFSET: iso}


def as_csv(shape: Shape, rows: Sequence[Values]) -> str:
    """RFC 4180, the first line naming the properties. A text that a spreadsheet would take for a formula has `'` in
    front of it; numbers stay numbers. Null is empty, an empty text is `""`."""
    lines = [shape.select, *([_cell(row.get(name)) for name in shape.select] for row in rows)]
    return "".join(f"{','.join(line)}\r\n" for line in lines)


def _cell(value: Value | None) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return number(value)
        case datetime():
            return iso(value)
        case int():
            return str(value)
    safe = f"'{value}" if _FORMULA.search(value) else value
    return f'"{safe.replace('"', '""')}"' if _QUOTED.search(safe) else safe
