"""Whose the data account is: a row in table `bridgeprocesses`, partition `owner`."""

import json
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.operations.ownership import Ownership
from shared.storage.tables import Row, Table, Values

_PLACE = ("owner", "account")


class TableOwnership:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgeprocesses")

    async def get(self) -> Ownership | None:
        row = await self._table.get(*_PLACE)
        return None if row is None else _read(row)

    async def save(self, ownership: Ownership) -> bool:
        columns: Values = {
            "Owner": ownership.owner,
            "Since": ownership.since,
            "Former": ownership.former or "",
            "Took": json.dumps(ownership.took),
        }
        return await self._table.swap(*_PLACE, columns, ownership.version) is not None


def _read(row: Row) -> Ownership:
    since = datetime.fromisoformat(str(row["Since"])).astimezone(UTC)
    return Ownership(row["Owner"], since, row["Former"] or None, tuple(json.loads(row["Took"])), row.etag)
