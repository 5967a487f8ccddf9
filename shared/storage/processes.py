"""Which processes are alive? A heartbeat row each, in table `bridgeprocesses`."""

from datetime import datetime, timedelta

from azure.data.tables.aio import TableServiceClient

from shared.storage.tables import Table

_PARTITION = "scoring"
_ALIVE = timedelta(seconds=45)
_GONE = timedelta(hours=1)


class TableProcesses:
    """Heartbeats of the processes that score."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgeprocesses")

    async def beat(self, process_id: str, now: datetime) -> int:
        """Write this process's heartbeat; how many were alive in the last 45 s, this one included."""
        await self._table.upsert(_PARTITION, process_id, {"BeatAt": now})
        alive = {process_id}
        async for row in self._table.query(_PARTITION):
            age = now - datetime.fromisoformat(str(row["BeatAt"]))
            if age < _ALIVE:
                alive.add(row["RowKey"])
            elif age > _GONE:
                await self._table.delete(_PARTITION, row["RowKey"], row.etag)
        return len(alive)

    async def alive(self, now: datetime) -> int:
        """How many have beaten in the last 45 s."""
        found = [row async for row in self._table.query(_PARTITION)]
        return sum(now - datetime.fromisoformat(str(row["BeatAt"])) < _ALIVE for row in found)
