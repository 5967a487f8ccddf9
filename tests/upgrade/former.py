"""The account as a release before this one would have left it: without what this one added to rows, messages and documents."""

import json
from collections.abc import Callable
from typing import Any

from tests.upgrade.account import Account

_ADDED_COLUMNS = {"bridgeworkflows": ("ScheduledAt",), "bridgerejects": ("IsErased",)}
_ADDED_MEMBERS = ("announcing", "by_hand", "wake_at", "erased")


def as_the_release_before(account: Account) -> Account:
    """Nothing has a version, and nothing the younger members."""
    del account["tables"]["bridgeprocesses"]
    rejects = account["tables"]["bridgerejects"]
    account["tables"]["bridgerejects"] = [row for row in rejects if not row["IsErased"]]  # there were none such
    for table, rows in account["tables"].items():
        for row in rows if table.startswith("bridge") else ():
            row.pop("V", None)
            for column in _ADDED_COLUMNS.get(table, ()):
                row.pop(column, None)
            if table in ("bridgeruns", "bridgeentities"):
                _rewrite_document(row)
    account["queues"] = {
        queue: [_rewritten(message, _unversioned) for message in messages]
        for queue, messages in account["queues"].items()
        if queue != "run-events"
    }
    account["blobs"] = {
        path: _rewritten(data.decode(), _unversioned).encode() if path.endswith(".json") else data
        for path, data in account["blobs"].items()
    }
    return account


def _rewrite_document(row: dict[str, Any]) -> None:
    chunks = sorted((column for column in row if column.startswith("Document")), key=lambda name: int(name[8:]))
    if not chunks:
        return
    text = _rewritten("".join(row.pop(column) for column in chunks), _without_added)
    row.update(
        {f"Document{index}": text[start : start + 16_000] for index, start in enumerate(range(0, len(text), 16_000))}
    )


def _rewritten(text: str, change: Callable[[Any], Any]) -> str:
    return json.dumps(change(json.loads(text)))


def _without_added(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _without_added(value) for name, value in document.items() if name not in _ADDED_MEMBERS}
    return document


def _unversioned(document: Any) -> Any:
    """Version 0, which is what came before the first; at every depth."""
    if isinstance(document, dict):
        return {name: 0 if name == "v" else _unversioned(value) for name, value in document.items()}
    return [_unversioned(item) for item in document] if isinstance(document, list) else document
