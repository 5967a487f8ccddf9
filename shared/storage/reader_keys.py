"""Reader keys in Table storage: table `bridgereaderkeys`, one partition.

| row | holds |
|---|---|
| `key\\|` and the start of the key's SHA-256 | the key: its hash, never itself |
| `name\\|` and the name in lower case | which key has the name |
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.entities.reader_keys import ReaderKey
from shared.storage.tables import Row, Table, Write

_PARTITION = "readerkey"
_KEYS = ("key|", "key}")


class TableReaderKeys:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgereaderkeys", optional=("ExpiresAt", "LastUsedAt"))

    async def find(self, key_id: str) -> ReaderKey | None:
        row = await self._table.get(_PARTITION, f"key|{key_id}")
        return None if row is None else _read(row)

    async def get(self, name: str) -> ReaderKey | None:
        named = await self._table.get(_PARTITION, f"name|{name.lower()}")
        return None if named is None else await self.find(named["Key"])

    async def list(self) -> Sequence[ReaderKey]:
        found = [_read(row) async for row in self._table.query(_PARTITION, keys=_KEYS)]
        return sorted(found, key=lambda key: key.name.lower())

    async def add(self, key: ReaderKey) -> bool:
        """Name and key together or not at all."""
        named = Write(_name_row(key), {"Key": key.id}, is_new=True)
        return await self._table.transact(_PARTITION, [named, Write(_key_row(key), _columns(key), is_new=True)])

    async def remove(self, key: ReaderKey) -> bool:
        return await self._table.transact(_PARTITION, [Write(_name_row(key), None), Write(_key_row(key), None)])

    async def mark_used(self, key: ReaderKey, at: datetime) -> None:
        await self._table.replace(_PARTITION, _key_row(key), _columns(key) | {"LastUsedAt": at}, key.version)


def _key_row(key: ReaderKey) -> str:
    return f"key|{key.id}"


def _name_row(key: ReaderKey) -> str:
    return f"name|{key.name.lower()}"


def _columns(key: ReaderKey) -> dict[str, str | datetime]:
    moments = {"CreatedAt": key.created_at, "ExpiresAt": key.expires_at, "LastUsedAt": key.last_used_at}
    set_moments = {name: moment for name, moment in moments.items() if moment is not None}
    return {"Name": key.name, "Hash": key.digest, "CreatedBy": key.created_by, **set_moments}


def _read(row: Row) -> ReaderKey:
    return ReaderKey(
        name=row["Name"],
        digest=row["Hash"],
        created_at=_moment(row["CreatedAt"]),
        created_by=row["CreatedBy"],
        expires_at=_moment(row["ExpiresAt"]) if "ExpiresAt" in row else None,
        last_used_at=_moment(row["LastUsedAt"]) if "LastUsedAt" in row else None,
        version=row.etag,
    )


def _moment(value: object) -> datetime:
    return datetime.fromisoformat(str(value)).astimezone(UTC)
