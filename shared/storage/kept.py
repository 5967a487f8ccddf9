"""A row as it was read, and what of it a write keeps: the columns and members that a newer release of this app put there.

Old and new processes run side by side while a release is rolled out: what the new ones add must outlive the old ones' writes.
"""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

_OF_EVERY_ROW = frozenset({"PartitionKey", "RowKey", "Timestamp", "V"})
_DOCUMENT = re.compile(r"Document\d+")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class RowVersion(str):
    """A row's ETag, for a conditional write; and its columns as they were then."""

    __slots__ = ("columns",)

    columns: Mapping[str, Any]

    def __new__(cls, etag: str, columns: Mapping[str, Any] = _NOTHING) -> "RowVersion":
        version = super().__new__(cls, etag)
        version.columns = columns
        return version


class Row(dict[str, Any]):
    """A row's columns, and its `etag` for a conditional write."""

    def __init__(self, values: Mapping[str, Any], etag: str | None) -> None:
        super().__init__(values)
        self.etag = RowVersion(etag or "", self)


def columns_of(version: str | None) -> Mapping[str, Any]:
    """Of the row that a write replaces; empty where they are not known."""
    return version.columns if isinstance(version, RowVersion) else _NOTHING


def foreign_columns(version: str | None, optional: Collection[str]) -> dict[str, Any]:
    """Those that are not this release's. Its own it always writes but for the `optional` ones and a document's, which are
    meant to go where they are not written."""
    return {
        name: value
        for name, value in columns_of(version).items()
        if value is not None and name not in _OF_EVERY_ROW and name not in optional and not _DOCUMENT.fullmatch(name)
    }
