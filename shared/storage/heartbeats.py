"""When did each timer last end well? Table `bridgeoperations`, a row each."""

from collections.abc import Mapping
from datetime import UTC, datetime

from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Table

TABLE = "bridgeoperations"
_PARTITION = "timer"


class TableHeartbeats:
    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, TABLE)

    async def beat(self, timer: str, now: datetime) -> None:
        await self._table.upsert(_PARTITION, timer, {"At": now})

    async def last(self) -> Mapping[str, datetime]:
        return {
            row["RowKey"]: datetime.fromisoformat(str(row["At"])).astimezone(UTC)
            async for row in self._table.query(_PARTITION)
        }
