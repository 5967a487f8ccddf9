"""Entities, their snapshots and their rejects in Table storage: tables `bridgeentities` and `bridgerejects`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from azure.data.tables.aio import TableServiceClient

from shared.entities.rows import Origin, Reject, parse_origin
from shared.entities.schema import parse_schema
from shared.entities.snapshots import Entity, Published, Snapshot
from shared.storage.columns import read_document, write_document
from shared.storage.tables import Row, Table

_POINTERS = "entity"


class TableEntities:
    """An entity is one row of partition `entity`, with the whole of its current snapshot; each of its snapshots is one
    of partition `snapshot-<entity>`. Names are in lower case."""

    def __init__(self, service: TableServiceClient, moved: Callable[[str], None] = lambda name: None) -> None:
        """`moved` is told of each pointer that is written here, by its entity's name."""
        self._table = Table(service, "bridgeentities")
        self._moved = moved

    async def get(self, name: str) -> Entity | None:
        row = await self._table.get(_POINTERS, name.lower())
        return None if row is None else _read_entity(row)

    async def list(self) -> Sequence[Entity]:
        return [_read_entity(row) async for row in self._table.query(_POINTERS)]

    async def save(self, entity: Entity) -> bool:
        columns = {"Name": entity.name, **write_document(_entity_document(entity), entity.version)}
        key = entity.name.lower()
        try:
            if entity.version:
                return await self._table.replace(_POINTERS, key, columns, entity.version)
            return await self._table.insert(_POINTERS, key, columns)
        finally:
            self._moved(entity.name)

    async def delete(self, entity: Entity) -> bool:
        try:
            return await self._table.delete(_POINTERS, entity.name.lower(), entity.version)
        finally:
            self._moved(entity.name)

    async def get_snapshot(self, entity: str, table: str) -> Snapshot | None:
        row = await self._table.get(_snapshots(entity), table)
        return None if row is None else _read_snapshot(read_document(row))

    async def list_snapshots(self, entity: str) -> Sequence[Snapshot]:
        return [_read_snapshot(read_document(row)) async for row in self._table.query(_snapshots(entity))]

    async def save_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        """As in `EntityStore`; a race with another writer is run again."""
        partition = _snapshots(entity)
        while True:
            former = await self._table.get(partition, snapshot.table)
            if former is not None and snapshot.published_at is None:
                snapshot = replace(snapshot, published_at=_read_snapshot(read_document(former)).published_at)
            version = former.etag if former else ""
            columns = write_document(_snapshot_document(snapshot), version)
            if await self._table.swap(partition, snapshot.table, columns, version) is not None:
                return

    async def withdraw_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        partition = _snapshots(entity)
        former = await self._table.get(partition, snapshot.table)
        version = former.etag if former else None
        columns = write_document(_snapshot_document(replace(snapshot, published_at=None)), version)
        await self._table.upsert(partition, snapshot.table, columns, version)

    async def delete_snapshot(self, entity: str, table: str) -> None:
        await self._table.delete(_snapshots(entity), table)


class TableRejects:
    """A reject is one row: partition the snapshot's table, `RowKey` its origin."""

    def __init__(self, service: TableServiceClient) -> None:
        self._table = Table(service, "bridgerejects")

    async def add(self, table: str, rejects: Sequence[Reject]) -> None:
        rows: dict[str, dict[str, str | int | float | bool | datetime]] = {
            reject.origin.text: {
                "File": reject.file,
                "Reason": reject.reason,
                "IsDuplicate": reject.is_duplicate,
                "IsErased": reject.is_erased,
            }
            for reject in rejects
        }
        await self._table.upsert_all(table, rows)

    async def list(self, table: str, after: Origin | None = None) -> AsyncIterator[Reject]:
        async for row in self._table.query(table, after=after.text if after else None):
            if not row.get("IsErased"):
                yield Reject(parse_origin(row["RowKey"]), row["File"], row["Reason"], row["IsDuplicate"])

    async def left_out(self, table: str) -> AsyncIterator[Origin]:
        async for row in self._table.query(table):
            if row.get("IsErased") or row["IsDuplicate"]:
                yield parse_origin(row["RowKey"])

    async def count(self, table: str) -> int:
        return sum([1 async for _ in self._table.query(table)])

    async def count_erased(self, table: str) -> int:
        return sum([1 async for _ in self._table.query(table, where={"IsErased": True})])

    async def drop(self, table: str) -> None:
        keys = [row["RowKey"] async for row in self._table.query(table)]
        await self._table.delete_all(table, keys)


def _snapshots(entity: str) -> str:
    return f"snapshot-{entity.lower()}"


def _entity_document(entity: Entity) -> dict[str, Any]:
    return {
        "workflow": entity.workflow,
        "buckets": entity.buckets,
        "current": entity.current and _snapshot_document(entity.current),
        "pinned": entity.is_pinned,
        "published": [[known.table, _text(known.until)] for known in entity.published],
        "dropped": list(entity.dropped),
        "rollbacks": list(entity.rollbacks),
    }


def _read_entity(row: Row) -> Entity:
    document = read_document(row)
    return Entity(
        name=row["Name"],
        workflow=document["workflow"],
        buckets=document["buckets"],
        current=_read_snapshot(document["current"]) if document["current"] else None,
        is_pinned=document["pinned"],
        published=tuple(Published(table, _time(until)) for table, until in document["published"]),
        dropped=tuple(document.get("dropped", ())),
        rollbacks=tuple(document.get("rollbacks", ())),
        version=row.etag,
    )


def _snapshot_document(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "table": snapshot.table,
        "run": snapshot.run,
        "schema": snapshot.schema.document(),
        "buckets": snapshot.buckets,
        "rows": snapshot.rows,
        "rejected": snapshot.rejected,
        "createdAt": _text(snapshot.created_at),
        "publishedAt": _text(snapshot.published_at),
        "erased": snapshot.erased,
    }


def _read_snapshot(document: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        table=document["table"],
        run=document["run"],
        schema=parse_schema(document["schema"]),
        buckets=document["buckets"],
        rows=document["rows"],
        rejected=document["rejected"],
        created_at=datetime.fromisoformat(document["createdAt"]),
        published_at=_time(document["publishedAt"]),
        erased=document.get("erased", 0),
    )


def _text(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
