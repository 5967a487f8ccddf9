"""Connections in Table storage: table `bridgeconnections`."""

from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.resources import NamedRows
from shared.storage.tables import Row
from shared.workflows.connections import Connection, Consent


class TableConnections(NamedRows[Connection]):
    def __init__(self, service: TableServiceClient) -> None:
        super().__init__(service, "bridgeconnections", "connection", write=_columns, read=_read)


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
