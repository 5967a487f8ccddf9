"""The pointers of entities as a reader needs them: a second old at most, and new at once where this process moved them."""

from collections.abc import Callable, Sequence

from shared.entities.snapshots import Entity, EntityStore, Snapshot

_LIFETIME = 1.0
"""Seconds that a reader may still be led to the snapshot before a publish of another process."""
_MOST = 1_000


class RecentEntities:
    """EntityStore for reading: asks `store` for an entity once a second, however many readers there are."""

    def __init__(self, store: EntityStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, tuple[float, Entity | None]] = {}

    async def get(self, name: str) -> Entity | None:
        asked_at = self._clock()
        found = self._known.get(name.lower())
        if found is not None and found[1] is not None and asked_at - found[0] < _LIFETIME:
            return found[1]
        entity = await self._store.get(name)
        if entity is not None:
            self._keep(name, asked_at, entity)
        return entity

    def forget(self, name: str) -> None:
        """Its pointer has moved: what was asked for until now is old."""
        self._keep(name, self._clock(), None)

    def _keep(self, name: str, at: float, entity: Entity | None) -> None:
        known = self._known.get(name.lower())
        if known is not None and known[1] is not None and entity is not None and known[1].version == entity.version:
            entity = known[1]  # the same object, by which others find what they have made of its schema
        if known is None or known[0] < at or entity is None:
            self._known[name.lower()] = (at, entity)
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    async def list(self) -> Sequence[Entity]:
        return await self._store.list()

    async def save(self, entity: Entity) -> bool:
        self.forget(entity.name)
        return await self._store.save(entity)

    async def delete(self, entity: Entity) -> bool:
        self.forget(entity.name)
        return await self._store.delete(entity)

    async def get_snapshot(self, entity: str, table: str) -> Snapshot | None:
        return await self._store.get_snapshot(entity, table)

    async def list_snapshots(self, entity: str) -> Sequence[Snapshot]:
        return await self._store.list_snapshots(entity)

    async def save_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        await self._store.save_snapshot(entity, snapshot)

    async def withdraw_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        await self._store.withdraw_snapshot(entity, snapshot)

    async def delete_snapshot(self, entity: str, table: str) -> None:
        await self._store.delete_snapshot(entity, table)
