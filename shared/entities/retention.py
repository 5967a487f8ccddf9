"""How long is a snapshot kept, and how does it go?

The entity's row says first which ones go, in one conditional write: a publish or rollback comes before it, and keeps what
readers see, or after it, and takes none of them. So nobody is led to a snapshot of which a part is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.entities.files import SnapshotFiles, exports_prefix, manifest_path, snapshot_prefix
from shared.entities.manifests import tell_current
from shared.entities.rows import RejectStore, RowStore
from shared.entities.snapshots import Entity, EntityStore, Snapshot, change_entity, give_up
from shared.errors import NotFound


@dataclass(frozen=True, slots=True)
class SnapshotStores:
    """Wherever a snapshot has left something."""

    entities: EntityStore
    rows: RowStore
    large: SnapshotFiles
    rejects: RejectStore


def dropped(
    entity: Entity, snapshots: Sequence[Snapshot], now: datetime, *, keep: int, grace: timedelta
) -> list[Snapshot]:
    """The snapshots that retention drops: published, neither current, nor among the newest `keep`, nor seen by readers
    within the grace time, who may still be on their pages; and what is left of those given up before."""
    kept = {snapshot.table for snapshot in snapshots}
    remembered = [known for known in entity.published if known.table in kept]
    current = entity.current.table if entity.current else ""
    safe = {current, *(known.table for known in remembered[:keep])}
    seen = {known.table: known.until for known in remembered}
    return [
        snapshot
        for snapshot in snapshots
        if snapshot.table in entity.dropped
        or (
            snapshot.published_at
            and snapshot.table not in safe
            # One that the pointer does not know is about to be published, or was forgotten long ago.
            and now - (seen.get(snapshot.table) or snapshot.published_at) > grace
        )
    ]


async def drop_snapshot(entity: str, table: str, stores: SnapshotStores) -> None:
    """Remove what a snapshot has left, published or not. May be repeated; its own row goes last, so that a process
    that dies in between leaves something to find. Raises StorageUnavailable."""
    await stores.rows.drop(table)
    await stores.large.drop(manifest_path(table))  # first: who finds it finds the files
    await stores.large.drop(exports_prefix(table))
    await stores.large.drop(snapshot_prefix(table))
    await stores.rejects.drop(table)
    await stores.entities.delete_snapshot(entity, table)


async def sweep_entity(name: str, stores: SnapshotStores, now: datetime, *, keep: int, grace: timedelta) -> list[str]:
    """Drop what retention drops; the tables that went. Raises NotFound, StorageUnavailable."""
    snapshots = await stores.entities.list_snapshots(name)

    def mark(entity: Entity) -> Entity:
        return give_up(entity, [each.table for each in dropped(entity, snapshots, now, keep=keep, grace=grace)])

    entity = await change_entity(stores.entities, name, mark)
    gone = [snapshot.table for snapshot in snapshots if snapshot.table in entity.dropped]
    for table in gone:
        await drop_snapshot(name, table, stores)
    await tell_current(name, stores.entities, stores.large)  # in case a process died before it told a rollback
    return gone


async def drop_unpublished(name: str, table: str, stores: SnapshotStores) -> None:
    """Remove what a run has left that did not succeed. What readers saw all the same, as it failed after its publish,
    is left to retention. Raises StorageUnavailable."""

    def mark(entity: Entity) -> Entity:
        was_seen = any(known.table == table for known in entity.published)
        return entity if was_seen else give_up(entity, [table])

    if await stores.entities.get_snapshot(name, table) is not None:
        try:
            entity = await change_entity(stores.entities, name, mark)
        except NotFound:  # nothing leads a reader there
            pass
        else:
            if table not in entity.dropped:
                return
    await drop_snapshot(name, table, stores)
