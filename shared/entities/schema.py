"""Which properties does an entity have? Decided once a run, from the columns of all its files, before any row is written.

Primary key and customer id are always Edm.String, text as in the file; a declared type wins over what was seen.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.entities.values import EdmType, widest
from shared.errors import UnusableOutput

CUSTOMER_ID = "CustomerId"
"""The property by which every entity finds a customer's rows."""
ORIGIN = "_origin"
"""The property that holds where a row came from."""
LARGE = "_large"
"""The property that names the columns whose values lie in blobs."""

MOST_COLUMNS = 248
"""Table storage holds 252 properties of our own; CustomerId, `_origin`, `_large` and one to spare are not the file's."""
_LONGEST_NAME = 128
"""Of an OData identifier."""
_TAKEN = ("PartitionKey", "RowKey", "Timestamp", ORIGIN, LARGE)


@dataclass(frozen=True, slots=True)
class FoundColumn:
    """A column as one file has it."""

    source: str
    nth: int
    """1, or more for a name that the file has several times."""
    type: EdmType | None
    """None where the file has no value in it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an entity, and the property it became."""

    name: str
    """The property: an OData identifier, unique without regard to case."""
    source: str
    """What the files call it."""
    nth: int
    type: EdmType


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a workflow says of its output."""

    primary_key: str
    customer_id: str
    declared: Mapping[str, EdmType]

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that every file needs."""
        return tuple(dict.fromkeys((self.customer_id, self.primary_key)))


@dataclass(frozen=True)
class Schema:
    """Columns in the order in which the files have them. `primary_key` and `customer_id` are properties."""

    columns: tuple[Column, ...]
    primary_key: str
    customer_id: str

    @property
    def is_one_column(self) -> bool:
        """Whether primary key and customer id are the same column."""
        return self.primary_key == self.customer_id

    @cached_property
    def properties(self) -> dict[str, EdmType]:
        """What a reader sees: CustomerId, then the columns."""
        return {CUSTOMER_ID: EdmType.STRING, **{column.name: column.type for column in self.columns}}

    @cached_property
    def folded(self) -> dict[str, str]:
        """The properties by their names without regard to case."""
        return {name.casefold(): name for name in self.properties}

    @cached_property
    def _hash(self) -> int:
        return hash((self.columns, self.primary_key, self.customer_id))

    def __hash__(self) -> int:
        """Asked for at each read, and as long as there are columns: so taken once."""
        return self._hash

    def document(self) -> dict[str, Any]:
        """As JSON; `parse_schema` reads it back."""
        columns = [[column.name, column.source, column.nth, column.type.value] for column in self.columns]
        return {"columns": columns, "primaryKey": self.primary_key, "customerId": self.customer_id}


def parse_schema(document: Mapping[str, Any]) -> Schema:
    columns = tuple(Column(name, source, nth, EdmType(kind)) for name, source, nth, kind in document["columns"])
    return Schema(columns, document["primaryKey"], document["customerId"])


def check_keys(file: str, names: Sequence[str], wanted: Wanted) -> None:
    """Raises UnusableOutput for a file without its key columns."""
    missing = [key for key in wanted.keys if key not in names]
    if missing:
        raise UnusableOutput(
            f"{file} has no column {' and no column '.join(map(repr, missing))}; its columns are {_listed(names)}. "
            "Name one of these in the workflow, or have the pipeline write it"
        )


def decide_schema(files: Iterable[Sequence[FoundColumn]], wanted: Wanted) -> Schema:
    """The entity's properties: the columns of all files, each in the widest type seen. Raises UnusableOutput."""
    types: dict[tuple[str, int], EdmType | None] = {}
    for found in files:
        for column in found:
            place = (column.source, column.nth)
            types[place] = widest(types.get(place), column.type)
    _check_columns(types, wanted)
    names = _Names((*_TAKEN, CUSTOMER_ID))
    columns = tuple(_column(place, seen, wanted, names) for place, seen in types.items())
    properties = {column.source: column.name for column in reversed(columns)}
    return Schema(columns, properties[wanted.primary_key], properties[wanted.customer_id])


def _check_columns(types: Mapping[tuple[str, int], EdmType | None], wanted: Wanted) -> None:
    if len(types) > MOST_COLUMNS:
        raise UnusableOutput(
            f"the output has {len(types)} columns; an entity has at most {MOST_COLUMNS}: leave some out"
        )
    names = [source for source, _ in types]
    check_keys("the output", names, wanted)
    unknown = [name for name in wanted.declared if name not in names]
    if unknown:
        raise UnusableOutput(
            f"`columns` declares {_listed(unknown)}, which no file has; the columns are {_listed(names)}"
        )


def _column(place: tuple[str, int], seen: EdmType | None, wanted: Wanted, names: "_Names") -> Column:
    source, nth = place
    if source == wanted.customer_id and nth == 1 and source.casefold() == CUSTOMER_ID.casefold():
        return Column(CUSTOMER_ID, source, nth, EdmType.STRING)
    is_key = source in wanted.keys and nth == 1
    edm_type = EdmType.STRING if is_key else wanted.declared.get(source) or seen or EdmType.STRING
    return Column(names.take(source), source, nth, edm_type)


class _Names:
    """Hands out property names, none twice."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = {name.casefold() for name in taken}

    def take(self, source: str) -> str:
        plain = identifier(source)
        name, count = plain, 1
        while name.casefold() in self._taken:
            count += 1
            name = f"{plain[: _LONGEST_NAME - 4]}_{count}"
        self._taken.add(name.casefold())
        return name


def identifier(source: str) -> str:
    """An OData identifier as near to `source` as may be: letters, digits and `_`, no digit first, 128 at most."""
    plain = "".join(char if _is_plain(char) else "_" for char in unicodedata.normalize("NFC", source))
    if not plain.strip("_"):
        return "column"
    return re.sub(r"^(?=[^\W_])(?=\d)", "_", plain)[:_LONGEST_NAME]


def _is_plain(char: str) -> bool:
    return (char.isascii() and (char.isalnum() or char == "_")) or (
        "\x80" < char < "\uffff" and unicodedata.category(char) in ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd")
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:100]) for name in names[:50])
    return shown if len(names) <= 50 else f"{shown} and {len(names) - 50} more"
