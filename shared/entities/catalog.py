"""Which entities are there, with which snapshots, and what may be done to one: roll back, unpin, delete; and what did
its import reject?"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.conditions import Conditions
from shared.entities.files import CONTAINER, entity_prefix, rows_prefix
from shared.entities.manifests import tell_current
from shared.entities.rebuilding import Rebuilt, rebuild_from
from shared.entities.retention import SnapshotStores, drop_snapshot
from shared.entities.rows import Origin, Reject, RejectStore, parse_origin
from shared.entities.snapshots import (
    Entity,
    EntityStore,
    Snapshot,
    change_entity,
    find_entity,
    roll_back_entity,
    unpin,
)
from shared.entities.tombstones import ErasedNow
from shared.errors import BadRequest, Conflict, NotFound, there_are
from shared.times import rfc3339

REJECTS_PAGE = 1000
"""Rejects of a page."""
_GROUP = re.compile(r"[0-9]{1,9}")
_ORIGIN = re.compile(r"[0-9]{6}-[0-9]{12}")


@dataclass(frozen=True, slots=True)
class KeptEntity:
    """An entity and what is kept of it."""

    entity: Entity
    snapshots: Sequence[Snapshot]
    """The newest first, published or held."""

    def render(self, max_age: timedelta | None, now: datetime) -> dict[str, Any]:
        """`max_age`: after which its workflow calls what is published stale."""
        current = self.entity.current
        published_at = current.published_at if current else None
        is_stale = max_age is not None and (published_at is None or now - published_at > max_age)
        return {
            "name": self.entity.name,
            "workflow": self.entity.workflow,
            "pinned": self.entity.is_pinned,
            "stale": is_stale,
            "current": None if current is None else _rendered(current),
            "snapshots": [_rendered(snapshot) for snapshot in self.snapshots],
        }


def _rendered(snapshot: Snapshot) -> dict[str, Any]:
    schema = snapshot.schema
    return {
        "table": snapshot.table,
        "parquet": f"{CONTAINER}/{rows_prefix(snapshot.table)}",
        "run": snapshot.run,
        "rows": snapshot.rows,
        "rejected": snapshot.rejected,
        "createdAt": rfc3339(snapshot.created_at),
        "publishedAt": None if snapshot.published_at is None else rfc3339(snapshot.published_at),
        "buckets": snapshot.buckets,
        "columns": [
            {"name": column.name, "source": column.source, "type": column.type.value} for column in schema.columns
        ],
        "primaryKey": schema.primary_key,
        "customerId": schema.customer_id,
    }


async def list_entities(store: EntityStore) -> list[KeptEntity]:
    """All, by name. Raises StorageUnavailable."""
    return await asyncio.gather(*(_with_snapshots(store, entity) for entity in await store.list()))


async def read_entity(store: EntityStore, name: str) -> KeptEntity:
    """Raises NotFound, with the names there are; StorageUnavailable."""
    return await _with_snapshots(store, await find_entity(store, name))


async def roll_back(
    stores: SnapshotStores,
    name: str,
    now: datetime,
    *,
    operation_id: str | None = None,
    conditions: Conditions | None = None,
) -> KeptEntity:
    """Readers see the snapshot before the current one; later runs are held. With an `operation_id` it may be repeated.

    Raises NotFound, Conflict, PreconditionFailed, StorageUnavailable.
    """
    entity = await roll_back_entity(stores.entities, name, now, operation_id=operation_id, conditions=conditions)
    await tell_current(entity.name, stores.entities, stores.large)
    return await _with_snapshots(stores.entities, entity)


@dataclass(frozen=True, slots=True)
class RebuiltTable:
    """How far the rebuilding of an entity's table came."""

    entity: str
    snapshot: str
    rebuilt: Rebuilt

    def next(self, base: str) -> str | None:
        """Where to go on; `base`: the app's address, without a slash at its end."""
        if self.rebuilt.next is None:
            return None
        return f"{base}/api/entities/{self.entity}/rebuild?snapshot={self.snapshot}&from={self.rebuilt.next}"

    def render(self, base: str) -> dict[str, Any]:
        more = {} if self.rebuilt.next is None else {"nextLink": self.next(base)}
        return {"entity": self.entity, "snapshot": self.snapshot, "rows": self.rebuilt.rows, **more}


async def rebuild(
    stores: SnapshotStores,
    name: str,
    erased: ErasedNow,
    *,
    start: str | None,
    table: str | None,
    is_over: Callable[[], bool],
) -> RebuiltTable:
    """Write the table that readers see anew from its Parquet, from row group `start` on until `is_over`; rows that are
    there stay as they are. Raises NotFound, BadRequest, Gone, StorageUnavailable; Conflict where `table` is not current
    any more."""
    if start is not None and not _GROUP.fullmatch(start):
        raise BadRequest("from is not one that this service gave out: follow the nextLink", target="from")
    entity = await find_entity(stores.entities, name)
    current = entity.current
    if current is None:
        raise NotFound(f"{entity.name} has no rows yet: no run of its workflow has been published", target="entity")
    if table is not None and table != current.table:
        raise Conflict(f"{entity.name} has another snapshot by now, {current.table}: begin anew, without from")
    rebuilt = await rebuild_from(current, stores.rows, stores.large, erased, start=int(start or 0), is_over=is_over)
    return RebuiltTable(entity.name, current.table, rebuilt)


async def release(store: EntityStore, name: str) -> KeptEntity:
    """Unpin: the next run is published again. Raises NotFound, StorageUnavailable."""
    return await _with_snapshots(store, await change_entity(store, name, unpin))


async def _with_snapshots(store: EntityStore, entity: Entity) -> KeptEntity:
    return KeptEntity(entity, await _kept(store, entity))


async def _kept(store: EntityStore, entity: Entity) -> list[Snapshot]:
    """Without those of which a part is gone."""
    listed = await store.list_snapshots(entity.name)
    return _newest_first([snapshot for snapshot in listed if snapshot.table not in entity.dropped])


def _newest_first(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    return sorted(snapshots, key=lambda snapshot: (snapshot.created_at, snapshot.table), reverse=True)


async def delete_entity(name: str, stores: SnapshotStores, writer: str | None) -> None:
    """Remove an entity with all its snapshots; `writer` is the workflow that writes it. The pointer goes last, so that
    a repetition finds what is left. Raises NotFound, StorageUnavailable; Conflict while a workflow writes it."""
    entity = await find_entity(stores.entities, name)
    if writer is not None:
        raise Conflict(
            f"the workflow {writer} writes the entity {entity.name}; delete the workflow first", target="entity"
        )
    while True:
        for snapshot in await stores.entities.list_snapshots(entity.name):
            await drop_snapshot(entity.name, snapshot.table, stores)
        await stores.large.drop(entity_prefix(entity.name))
        if await stores.entities.delete(entity):
            return
        entity = await find_entity(stores.entities, name)  # published or rolled back meanwhile


@dataclass(frozen=True, slots=True)
class RejectPage:
    """Some rejects of a snapshot, by file and line."""

    entity: str
    snapshot: Snapshot
    rejects: Sequence[Reject]
    is_last: bool

    def render(self, base: str) -> dict[str, Any]:
        """`base`: the app's address, without a slash at its end."""
        value = [{"file": reject.file, "line": reject.origin.line, "reason": reject.reason} for reject in self.rejects]
        body: dict[str, Any] = {"snapshot": self.snapshot.table, "run": self.snapshot.run, "value": value}
        if not self.is_last:
            after = self.rejects[-1].origin.text
            query = f"snapshot={self.snapshot.table}&after={after}"
            body["nextLink"] = f"{base}/api/entities/{self.entity}/rejects?{query}"
        return body


async def read_rejects(
    name: str, stores: SnapshotStores, *, run: str | None = None, table: str | None = None, after: str | None = None
) -> RejectPage:
    """What the import of a snapshot rejected: the current one, or the one of `run`, or `table`; behind `after`, which
    a page's link has. Raises NotFound, BadRequest, StorageUnavailable."""
    behind = _behind(after)
    entity = await find_entity(stores.entities, name)
    snapshot = await _chosen(entity, stores.entities, run, table)
    rejects = await _first_rejects(stores.rejects, snapshot.table, behind)
    return RejectPage(entity.name, snapshot, rejects[:REJECTS_PAGE], len(rejects) <= REJECTS_PAGE)


def _behind(after: str | None) -> Origin | None:
    if after is None:
        return None
    if not _ORIGIN.fullmatch(after):
        raise BadRequest("after is not one that this service gave out: follow the nextLink", target="after")
    return parse_origin(after)


async def _chosen(entity: Entity, store: EntityStore, run: str | None, table: str | None) -> Snapshot:
    if run is not None and table is not None:
        raise BadRequest("give either run or snapshot, not both", target="snapshot")
    if run is None and table is None:
        if entity.current is None:
            raise NotFound(
                f"{entity.name} has no rows yet: no run of its workflow has been published; name a run with ?run=",
                target="entity",
            )
        return entity.current
    kept = await _kept(store, entity)
    found = next((snapshot for snapshot in kept if snapshot.table == table or snapshot.run == run), None)
    if found is None:
        asked, member = (
            (f"of the run {run[:100]!r}", "run") if run is not None else (f"{(table or '')[:100]!r}", "snapshot")
        )
        names = [snapshot.run if run is not None else snapshot.table for snapshot in kept]
        known = there_are(names, "it has none")
        raise NotFound(f"{entity.name} keeps no snapshot {asked}; {known}", target=member)
    return found


async def _first_rejects(store: RejectStore, table: str, after: Origin | None) -> list[Reject]:
    """A page, and one more if there is one."""
    found: list[Reject] = []
    async for reject in store.list(table, after):
        found.append(reject)
        if len(found) > REJECTS_PAGE:
            break
    return found
