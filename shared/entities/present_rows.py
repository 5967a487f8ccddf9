"""A store of rows for writing into a table most of whose rows may be there: which ones are is read by partitions, a
thousand rows a request, and not row by row."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.entities.keys import KeyRange
from shared.entities.rows import Existing, Origin, Page, Row, RowStore, SnapshotTable, Write

if TYPE_CHECKING:
    from shared.entities.row_columns import RowColumns

_PAGE = 1000
_UNREAD = ""
"""The version of a row that was seen on a page, which tells none."""


class PresentRows:
    """A RowStore, of one table. A partition is read once one of its rows was found to be there; holds its keys."""

    def __init__(self, rows: RowStore) -> None:
        self._rows = rows
        self._present: dict[str, asyncio.Task[dict[str, Origin]]] = {}
        """By partition: the rows there, by key."""

    def encode(self, table: SnapshotTable, rows: "Sequence[Row] | RowColumns") -> Sequence[bytes]:
        return self._rows.encode(table, rows)

    def decode(self, table: SnapshotTable, body: bytes) -> Row:
        return self._rows.decode(table, body)

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        partition = self._rows.decode(table, bodies[0]).partition
        present = self._present.get(partition)
        if present is None:
            return await self._rows.insert(table, bodies)
        keys = await asyncio.shield(present)
        if any(self._rows.decode(table, body).key in keys for body in bodies):
            return False
        is_done = await self._rows.insert(table, bodies)
        if not is_done:
            self._forget(partition, present)
        return is_done

    def _forget(self, partition: str, present: "asyncio.Task[dict[str, Origin]]") -> None:
        """Another writer was faster: what was read is no longer so."""
        if self._present.get(partition) is present:
            del self._present[partition]

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        partition = writes[0].row.partition
        present = self._present.get(partition)
        if present is None:
            return await self._rows.write(table, writes)
        keys = await asyncio.shield(present)
        if any(write.replaces is None and write.row.key in keys for write in writes):
            return False
        if await self._rows.write(table, await self._with_versions(table, writes)):
            return True
        self._forget(partition, present)
        return False

    async def _with_versions(self, table: SnapshotTable, writes: Sequence[Write]) -> Sequence[Write]:
        unread = [write.row.key for write in writes if write.replaces == _UNREAD]
        if not unread:
            return writes
        found = await self._rows.find(table, writes[0].row.partition, unread)
        versions = {key: existing.version for key, existing in found.items()}
        return [write._replace(replaces=versions.get(write.row.key, write.replaces or None)) for write in writes]

    async def find(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> Mapping[str, Existing]:
        reading = self._present.get(partition)
        if reading is None:
            reading = self._present[partition] = asyncio.create_task(self._read(table, partition))
        present = await asyncio.shield(reading)
        return {key: Existing(present[key], _UNREAD) for key in keys if key in present}

    async def _read(self, table: SnapshotTable, partition: str) -> dict[str, Origin]:
        found: dict[str, Origin] = {}
        token = None
        while True:
            page = await self._rows.page(table, size=_PAGE, token=token, partition=partition)
            found.update((row.key, row.origin) for row in page.rows)
            token = page.token
            if token is None:
                return found

    async def abandon(self) -> None:
        """No reading outlives its writing."""
        for reading in self._present.values():
            reading.cancel()
        await asyncio.gather(*self._present.values(), return_exceptions=True)

    async def create(self, table: SnapshotTable) -> None:
        await self._rows.create(table)

    async def get(self, table: SnapshotTable, partition: str, key: str) -> Row | None:
        return await self._rows.get(table, partition, key)

    async def page(
        self,
        table: SnapshotTable,
        *,
        size: int,
        token: str | None = None,
        partition: str | None = None,
        keys: KeyRange | None = None,
    ) -> Page:
        return await self._rows.page(table, size=size, token=token, partition=partition, keys=keys)

    async def delete(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> bool:
        return await self._rows.delete(table, partition, keys)

    async def drop(self, table: str) -> None:
        await self._rows.drop(table)
