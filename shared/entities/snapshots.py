"""Which generation of an entity do readers see? Publishing and rollback, as one pointer that moves at once.

Every change of the pointer is one conditional write, so a reader sees the snapshot before or the one after.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from shared.conditions import Conditions, etag_of
from shared.entities.keys import MOST_BUCKETS
from shared.entities.quality import Contents
from shared.entities.rows import SnapshotTable
from shared.entities.schema import Schema
from shared.errors import Conflict, Gone, InvalidName, NotFound, there_are

FEWEST_BUCKETS = 64
"""Table storage takes 2,000 rows a second in a partition, and 20,000 in an account."""
_ROWS_IN_BUCKET = 50_000
_REMEMBERED = 50
"""Published snapshots that an entity remembers by name, dropped ones included."""
_GIVEN_UP = 2 * _REMEMBERED
"""Of those too that nobody saw."""
_ROLLBACKS = 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One full generation of an entity, written by one run."""

    table: str
    """Its name, by which it is known."""
    run: str
    schema: Schema
    buckets: int
    rows: int
    rejected: int
    created_at: datetime
    published_at: datetime | None = None
    erased: int = 0
    """Rows of the output that are none here, because their customers were erased."""

    @property
    def is_counted(self) -> bool:
        """Its import has ended: its numbers are known."""
        return self.rows + self.rejected + self.erased > 0

    def with_erased(self, erased: int) -> "Snapshot":
        """The same output with so many rows of it erased."""
        return replace(self, rows=self.rows + self.erased - erased, erased=erased)

    @property
    def contents(self) -> Contents:
        return Contents(self.rows, self.rejected, self.schema)

    @property
    def place(self) -> SnapshotTable:
        return SnapshotTable(self.table, self.schema, self.buckets)


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot that readers have seen."""

    table: str
    until: datetime | None = None
    """When another took its place, None for the current one."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A workflow's output entity: the pointer to what readers see."""

    name: str
    workflow: str
    """The one that writes it."""
    buckets: int = FEWEST_BUCKETS
    """For the next snapshot; it only doubles."""
    current: Snapshot | None = None
    is_pinned: bool = False
    """Since a rollback: runs are held, not published."""
    published: tuple[Published, ...] = ()
    """What was ever published, the newest first."""
    dropped: tuple[str, ...] = ()
    """Tables that are going or gone, the latest first: from then on no reader is led to one."""
    rollbacks: tuple[str, ...] = ()
    """Marks of the last requests for one, the latest first: a repeated request changes nothing."""
    version: str = ""
    """The store's own mark for a conditional write; empty for what is not stored yet."""

    @property
    def etag(self) -> str:
        """Another one whenever readers are led elsewhere, or the pin comes or goes."""
        current = self.current.table if self.current else None
        return etag_of([self.name, current, self.is_pinned, [known.table for known in self.published], self.rollbacks])


class EntityStore(Protocol):
    """Where pointers and snapshots lie. Every method raises StorageUnavailable."""

    async def get(self, name: str) -> Entity | None:
        """By name, without regard to case."""

    async def list(self) -> Sequence[Entity]:
        """All, by name."""

    async def save(self, entity: Entity) -> bool:
        """Write; False if what it replaces (by its version, empty: nothing) is no longer so."""

    async def delete(self, entity: Entity) -> bool:
        """Remove; False if it has changed meanwhile."""

    async def get_snapshot(self, entity: str, table: str) -> Snapshot | None: ...

    async def list_snapshots(self, entity: str) -> Sequence[Snapshot]:
        """Whose rows may be read: published or not."""

    async def save_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        """Write, whatever is there; but what has been published stays so: a step done twice, of which one is late, saves
        what it read before."""

    async def withdraw_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        """Write a snapshot that was not published after all."""

    async def delete_snapshot(self, entity: str, table: str) -> None: ...


def check_name(name: str) -> str:
    """Raises InvalidName."""
    if not _NAME.fullmatch(name):
        raise InvalidName(
            f"{name[:100]!r} is not an entity's name: it has 1 to 63 letters, digits and _, and starts with a letter",
            target="outputEntity",
        )
    return name


def snapshot_table(entity: str, run: str, started_at: datetime) -> str:
    """The table of the snapshot that `run` writes, the same at each call: entity, time, four characters."""
    plain = re.sub("[^A-Za-z0-9]", "", entity)[:40]
    mark = hashlib.sha256(f"{entity.lower()}/{run}".encode()).hexdigest()[:4]
    return f"{plain}{started_at:%Y%m%dT%H%M%S}{mark}"


def created_at_of(table: str) -> datetime:
    """When the run began that wrote this table, to the second. Raises ValueError for a name of another kind."""
    found = re.search(r"(\d{8}T\d{6})[0-9a-f]{4}$", table)
    if found is None:
        raise ValueError(f"{table[:100]!r} is no snapshot's table")
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def enough_buckets(buckets: int, rows: int) -> int:
    """Doubled until `rows` spread well."""
    while rows > buckets * _ROWS_IN_BUCKET and buckets < MOST_BUCKETS:
        buckets *= 2
    return buckets


def publish(entity: Entity, snapshot: Snapshot, now: datetime, *, by_hand: bool = False) -> Entity:
    """The entity with `snapshot` as what readers see; unchanged if it has been published before: a late repetition
    does not bring back what was replaced or rolled back. Raises Conflict where it is pinned, unless done `by_hand`;
    Gone for one that is being dropped."""
    if any(known.table == snapshot.table for known in entity.published):
        return entity
    if snapshot.table in entity.dropped:
        raise Gone(f"the rows of the run {snapshot.run} have been dropped; refresh the workflow")
    if entity.is_pinned and not by_hand:
        raise Conflict(f"{entity.name} is pinned since a rollback: unpin it, or publish the run by hand")
    published = (Published(snapshot.table), *_retired(entity, now))
    return replace(
        entity,
        current=replace(snapshot, published_at=now),
        published=published[:_REMEMBERED],
        buckets=max(entity.buckets, snapshot.buckets),
    )


def roll_back(entity: Entity, kept: Sequence[Snapshot], now: datetime) -> Entity:
    """The entity with the snapshot published before the current one, and pinned. Raises Conflict without one."""
    former = _former(entity, kept)
    usable = next((snapshot for snapshot in former if snapshot.table not in entity.dropped), None)
    if usable is None:
        going = f" ({former[0].table} is past its retention, and is being dropped)" if former else ""
        raise Conflict(f"{entity.name} has no former snapshot that is still kept{going}; run its workflow anew")
    return replace(entity, current=usable, is_pinned=True, published=_retired(entity, now))


def _former(entity: Entity, kept: Sequence[Snapshot]) -> list[Snapshot]:
    """What was published before the current one, the newest first."""
    tables = [known.table for known in entity.published]
    if entity.current is None or entity.current.table not in tables:
        return []
    by_table = {snapshot.table: snapshot for snapshot in kept}
    before = tables[tables.index(entity.current.table) + 1 :]
    return [by_table[table] for table in before if table in by_table]


def give_up(entity: Entity, tables: Sequence[str]) -> Entity:
    """The entity whose readers are led to none of `tables` any more, but for the one that they see now."""
    current = entity.current.table if entity.current else ""
    fresh = [table for table in tables if table != current and table not in entity.dropped]
    return replace(entity, dropped=(*fresh, *entity.dropped)[:_GIVEN_UP]) if fresh else entity


def _retired(entity: Entity, now: datetime) -> tuple[Published, ...]:
    """What was published, the current one until now."""
    current = entity.current.table if entity.current else ""
    return tuple(replace(known, until=now) if known.table == current else known for known in entity.published)


def unpin(entity: Entity) -> Entity:
    return replace(entity, is_pinned=False)


async def find_entity(store: EntityStore, name: str) -> Entity:
    """Raises NotFound, with the names there are."""
    entity = await store.get(name) if _NAME.fullmatch(name) else None
    if entity is None:
        names = [known.name for known in await store.list()]
        known = there_are(names, "there is none yet; save a workflow")
        raise NotFound(f"no entity is called {name[:100]!r}; {known}", target="entity")
    return entity


type StillWrites = Callable[[str, str], Awaitable[bool]]
"""Whether a workflow, by name, still writes an entity: one that was deleted or edited has left it behind."""


async def claim_entity(store: EntityStore, name: str, workflow: str, still_writes: StillWrites | None = None) -> Entity:
    """The entity for `workflow` to write: made if there is none, taken over if its writer has left it behind.

    Raises InvalidName; Conflict if it is another's.
    """
    check_name(name)
    while True:
        entity = await store.get(name)
        if entity is None:
            await store.save(Entity(name, workflow))
        elif entity.workflow.lower() == workflow.lower():
            return entity
        elif still_writes is None or await still_writes(entity.workflow, name):
            raise Conflict(
                f"the entity {entity.name} is written by the workflow {entity.workflow}; choose another outputEntity",
                target="outputEntity",
            )
        else:
            await store.save(replace(entity, workflow=workflow))


async def change_entity(store: EntityStore, name: str, change: Callable[[Entity], Entity]) -> Entity:
    """Apply a change to what is stored, again if others were faster. Raises NotFound, and what `change` raises."""
    while True:
        entity = await find_entity(store, name)
        changed = change(entity)
        if changed == entity or await store.save(changed):
            return changed


async def publish_snapshot(
    store: EntityStore, name: str, snapshot: Snapshot, now: datetime, *, by_hand: bool = False
) -> Entity:
    """Make readers see `snapshot`. May be repeated. The snapshot's own row comes first: who finds the pointer finds it.

    Raises NotFound, Gone, StorageUnavailable; Conflict where a rollback came first, unless done `by_hand`.
    """
    entity = await find_entity(store, name)
    if publish(entity, snapshot, now, by_hand=by_hand) != entity:
        await store.save_snapshot(name, replace(snapshot, published_at=now))
    try:
        return await change_entity(store, name, lambda current: publish(current, snapshot, now, by_hand=by_hand))
    except Conflict:
        await store.withdraw_snapshot(name, snapshot)  # it is held now, and no retention of published ones may drop it
        raise


async def roll_back_entity(
    store: EntityStore,
    name: str,
    now: datetime,
    *,
    operation_id: str | None = None,
    conditions: Conditions | None = None,
) -> Entity:
    """Once for an `operation_id`, however often it is asked for. Raises NotFound, Conflict, PreconditionFailed,
    StorageUnavailable."""
    kept = [snapshot for snapshot in await store.list_snapshots(name) if snapshot.published_at]
    mark = None if operation_id is None else hashlib.sha256(operation_id.encode()).hexdigest()[:32]

    def change(entity: Entity) -> Entity:
        if mark in entity.rollbacks:
            return entity
        if conditions is not None:
            conditions.check(entity.etag)
        back = roll_back(entity, kept, now)
        return back if mark is None else replace(back, rollbacks=(mark, *entity.rollbacks)[:_ROLLBACKS])

    return await change_entity(store, name, change)
