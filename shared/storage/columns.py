"""A JSON document in the columns of a row: as many as it takes, `Document0`, `Document1`, …"""

import json
from collections.abc import Mapping
from typing import Any

from shared.wire import json_bytes

_CHUNK = 16_000
"""Characters in one column: a string property holds 32 K UTF-16 units, and a character may take two."""


def write_document(document: Mapping[str, Any]) -> dict[str, str]:
    return in_columns(json_bytes(document).decode())


def in_columns(text: str) -> dict[str, str]:
    """`text` is JSON."""
    return {f"Document{start // _CHUNK}": text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)}


def read_document(row: Mapping[str, Any]) -> dict[str, Any]:
    chunks: list[str] = []
    while (chunk := row.get(f"Document{len(chunks)}")) is not None:
        chunks.append(chunk)
    document: dict[str, Any] = json.loads("".join(chunks))
    return document
