"""A JSON document in the columns of a row: as many as it takes, `Document0`, `Document1`, …"""

import json
from collections.abc import Mapping
from typing import Any

from shared.storage.kept import columns_of
from shared.wire import json_bytes

_CHUNK = 16_000
"""Characters in one column: a string property holds 32 K UTF-16 units, and a character may take two."""


def write_document(document: Mapping[str, Any], replaces: str | None = None) -> dict[str, str]:
    """`replaces`: the version of the row whose document this one replaces, if it names all members that this release knows:
    those that it does not name are a newer release's, and stay."""
    return in_columns(json_bytes({**kept_members(replaces), **document}).decode())


def kept_members(version: str | None) -> dict[str, Any]:
    """All that the row's document held."""
    columns = columns_of(version)
    return read_document(columns) if "Document0" in columns else {}


def in_columns(text: str) -> dict[str, str]:
    """`text` is JSON."""
    return {f"Document{start // _CHUNK}": text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)}


def read_document(row: Mapping[str, Any]) -> dict[str, Any]:
    chunks: list[str] = []
    while (chunk := row.get(f"Document{len(chunks)}")) is not None:
        chunks.append(chunk)
    document: dict[str, Any] = json.loads("".join(chunks))
    return document
