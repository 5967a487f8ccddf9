"""Named resources in Table storage: a row each, `RowKey` its name in lower case, written conditionally."""

from collections.abc import Callable, Sequence
from typing import Protocol

from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Row, Table, Values


class Resource(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """The row's own mark for a conditional write; empty for what is not stored yet."""


class NamedRows[T: Resource]:
    """What skills, connections and workflows have in common: one partition of one table."""

    def __init__(
        self,
        service: TableServiceClient,
        table: str,
        partition: str,
        *,
        write: Callable[[T], Values],
        read: Callable[[Row], T],
        optional: Sequence[str] = (),
    ) -> None:
        """`optional`: columns that a row may lack."""
        self._table = Table(service, table, optional=optional)
        self._partition = partition
        self._write = write
        self._read = read

    async def get(self, name: str) -> T | None:
        row = await self._table.get(self._partition, name.lower())
        return None if row is None else self._read(row)

    async def list(self) -> Sequence[T]:
        return [self._read(row) async for row in self._table.query(self._partition)]

    async def save(self, resource: T, *, replaces: T | None) -> bool:
        key, values = resource.name.lower(), self._write(resource)
        if replaces is None:
            return await self._table.insert(self._partition, key, values)
        return await self._table.replace(self._partition, key, values, replaces.version)

    async def delete(self, resource: T) -> bool:
        return await self._table.delete(self._partition, resource.name.lower(), resource.version)
