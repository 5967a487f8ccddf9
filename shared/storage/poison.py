"""Messages that became poison, and why: table `bridgepoison`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.errors import StorageUnavailable
from shared.storage.columns import in_columns, kept_members, read_document
from shared.storage.tables import Row, Table
from shared.workflows.poison import Cause, PoisonMessage, poison_id

_MESSAGES = "message"
_CAUSES = "cause"
_MOST_RACES = 20


class TablePoison:
    """A message is one row of partition `message`, the cause that its attempts left one of partition `cause`, both
    under the message's id."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgepoison")

    async def note_cause(self, queue: str, body: str, cause: Cause) -> None:
        columns = {"Queue": queue, **_columns(_cause_document(cause))}
        await self._table.upsert(_CAUSES, poison_id(queue, body), columns)

    async def cause_of(self, queue: str, body: str) -> Cause | None:
        row = await self._table.get(_CAUSES, poison_id(queue, body))
        return None if row is None else _read_cause(read_document(row))

    async def add(self, message: PoisonMessage) -> None:
        for _ in range(_MOST_RACES):
            row = await self._table.get(_MESSAGES, message.id)
            if await self._save(message if row is None else _read_message(row).again(message), row):
                return
        raise StorageUnavailable(f"the poison message {message.id} changes all the time; try again")

    async def _save(self, message: PoisonMessage, replaces: Row | None) -> bool:
        kept = kept_members(replaces.etag) if replaces else {}
        columns = {"Queue": message.queue, **_columns(kept | _message_document(message))}
        if replaces is None:
            return await self._table.insert(_MESSAGES, message.id, columns)
        return await self._table.replace(_MESSAGES, message.id, columns, replaces.etag)

    async def list(self) -> Sequence[PoisonMessage]:
        found = [_read_message(row) async for row in self._table.query(_MESSAGES)]
        return sorted(found, key=lambda message: message.last_at, reverse=True)

    async def get(self, message_id: str) -> PoisonMessage | None:
        row = await self._table.get(_MESSAGES, message_id)
        return None if row is None else _read_message(row)

    async def delete(self, message_id: str) -> None:
        await self._table.delete(_CAUSES, message_id)
        await self._table.delete(_MESSAGES, message_id)

    async def drop_before(self, moment: datetime) -> int:
        old = [row async for row in self._table.query(_MESSAGES) if _read_message(row).last_at < moment]
        old += [row async for row in self._table.query(_CAUSES) if _read_cause(read_document(row)).at < moment]
        # Conditionally: one that came again in the meantime stays.
        return sum([await self._table.delete(row["PartitionKey"], row["RowKey"], row.etag) for row in old])


def _columns(document: dict[str, Any]) -> dict[str, str]:
    """In ASCII: Table storage takes neither lone surrogates nor every control character. 64 KiB of body are at most
    393,216 characters so, which a row holds."""
    return in_columns(json.dumps(document))


def _cause_document(cause: Cause) -> dict[str, Any]:
    return {"code": cause.code, "message": cause.message, "at": _text(cause.at)}


def _read_cause(document: dict[str, Any]) -> Cause:
    return Cause(document["code"], document["message"], datetime.fromisoformat(document["at"]))


def _message_document(message: PoisonMessage) -> dict[str, Any]:
    return {
        "body": message.body,
        "cause": message.cause and _cause_document(message.cause),
        "firstAt": _text(message.first_at),
        "lastAt": _text(message.last_at),
        "count": message.count,
    }


def _read_message(row: Row) -> PoisonMessage:
    document = read_document(row)
    return PoisonMessage(
        id=row["RowKey"],
        queue=row["Queue"],
        body=document["body"],
        cause=_read_cause(document["cause"]) if document["cause"] else None,
        first_at=datetime.fromisoformat(document["firstAt"]),
        last_at=datetime.fromisoformat(document["lastAt"]),
        count=document["count"],
    )


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()
