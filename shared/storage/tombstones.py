"""Tombstones of erased customers in Table storage: table `bridgeerased`; the secret of their hashes in `bridgesecrets`.

Partition `erased`: a row `mark|{hash}` each, and a row `version`, which changes with them in one transaction.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from azure.data.tables.aio import TableServiceClient

from shared.entities.tombstones import Tombstone
from shared.storage.tables import Row, Table, Write

_PARTITION = "erased"
_MARKS = ("mark|", "mark}")
_SECRET = ("installation", "erasure")


class TableTombstones:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgeerased")
        self._secrets = Table(service, "bridgesecrets")

    async def secret(self) -> bytes:
        while True:
            row = await self._secrets.get(*_SECRET)
            if row is not None:
                return bytes.fromhex(row["Value"])
            await self._secrets.insert(*_SECRET, {"Value": secrets.token_hex(32)})

    async def adopt(self, secret: bytes) -> bool:
        """Take over another installation's secret; False where marks were made with another one."""
        values = {"Value": secret.hex()}
        while True:
            row = await self._secrets.get(*_SECRET)
            if row is not None and row["Value"] == values["Value"]:
                return True
            if row is None:
                await self._secrets.insert(*_SECRET, values)
            elif await self.list():
                return False
            else:
                await self._secrets.replace(*_SECRET, values, row.etag)

    async def version(self) -> str:
        row = await self._table.get(_PARTITION, "version")
        return "" if row is None else str(row["Value"])

    async def list(self) -> Sequence[Tombstone]:
        return [_read(row) async for row in self._table.query(_PARTITION, keys=_MARKS)]

    async def add(self, tombstone: Tombstone) -> Tombstone:
        key = _key(tombstone.mark)
        write = Write(key, {"At": tombstone.at}, is_new=True)
        while not await self._table.transact(_PARTITION, [write, _new_version()]):
            row = await self._table.get(_PARTITION, key)
            if row is not None:
                return _read(row)
        return tombstone

    async def remove(self, mark: str) -> bool:
        return await self._table.transact(_PARTITION, [Write(_key(mark), None), _new_version()])


def _new_version() -> Write:
    return Write("version", {"Value": uuid4().hex})


def _key(mark: str) -> str:
    return f"{_MARKS[0]}{mark}"


def _read(row: Row) -> Tombstone:
    return Tombstone(row["RowKey"].removeprefix(_MARKS[0]), datetime.fromisoformat(str(row["At"])).astimezone(UTC))
