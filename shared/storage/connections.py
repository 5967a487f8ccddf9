"""Connections in Table storage: table `bridgeconnections`; and who uses them, from `bridgeworkflows`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Row, Table
from shared.workflows.connections import Connection, Consent

_PARTITION = "connection"
_WORKFLOWS = "workflow"


class TableConnections:
    """A connection is one row: `RowKey` its name in lower case."""

    def __init__(self, service: TableServiceClient) -> None:
        self._connections = Table(service, "bridgeconnections")
        self._workflows = Table(service, "bridgeworkflows")

    async def get(self, name: str) -> Connection | None:
        row = await self._connections.get(_PARTITION, name.lower())
        return None if row is None else _read(row)

    async def list(self) -> Sequence[Connection]:
        return [_read(row) async for row in self._connections.query(_PARTITION)]

    async def save(self, connection: Connection, *, replaces: Connection | None) -> bool:
        key, columns = connection.name.lower(), _columns(connection)
        if replaces is None:
            return await self._connections.insert(_PARTITION, key, columns)
        return await self._connections.replace(_PARTITION, key, columns, replaces.version)

    async def delete(self, connection: Connection) -> bool:
        return await self._connections.delete(_PARTITION, connection.name.lower(), connection.version)

    async def workflows_of(self, connection: str) -> Sequence[str]:
        rows = [row async for row in self._workflows.query(_WORKFLOWS)]
        return [str(row["Name"]) for row in rows if str(row.get("Connection", "")).lower() == connection.lower()]


def _columns(connection: Connection) -> dict[str, str | datetime]:
    return {
        "Name": connection.name,
        "Tenant": connection.tenant,
        "Workspace": connection.workspace,
        "Location": connection.location,
        "ConsentBy": connection.consent.by,
        "ConsentAt": connection.consent.at,
        "ConsentVersion": connection.consent.version,
        "ETag": connection.etag,
    }


def _read(row: Row) -> Connection:
    at = datetime.fromisoformat(str(row["ConsentAt"])).astimezone(UTC)
    return Connection(
        name=row["Name"],
        tenant=row["Tenant"],
        workspace=row["Workspace"],
        location=row["Location"],
        consent=Consent(row["ConsentBy"], at, row["ConsentVersion"]),
        etag=row["ETag"],
        version=row.etag,
    )
