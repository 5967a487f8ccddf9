"""Stand-ins for the places that the room is handed: files, rows, large values, rejects, entities; all in memory."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.entities.keys import KeyRange
from shared.entities.outputs import Listed
from shared.entities.rows import Existing, Origin, Page, Reject, Row, SnapshotTable, Write
from shared.entities.snapshots import Entity, Snapshot
from shared.errors import Gone, UnusableOutput


async def chunked(data: bytes, size: int = 1 << 20) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@dataclass
class MemoryOutput:
    """A datastore's files."""

    files: dict[str, bytes]
    chunk: int = 1 << 20
    read_bytes: int = 0

    async def list(self, path: str) -> AsyncIterator[Listed]:
        for name in sorted(self.files):
            if name.startswith(path):
                yield self.listed(name)

    def listed(self, name: str) -> Listed:
        return Listed(name, len(self.files[name]), str(hash(self.files[name])))

    async def read(self, file: Listed, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        if file.path not in self.files or self.listed(file.path) != file:
            raise UnusableOutput(f"{file.path} has changed")
        data = self.files[file.path][start:end]
        self.read_bytes += len(data)
        async for chunk in chunked(data, self.chunk):
            yield chunk


@dataclass
class MemoryRows:
    """Tables as Table storage keeps them: sorted by PartitionKey and RowKey."""

    tables: dict[str, dict[tuple[str, str], tuple[Row, str]]] = field(default_factory=dict)
    page_size: int = 1000
    writes: int = 0
    dies_after: int | None = None
    """Transactions after which the process dies."""

    async def create(self, table: SnapshotTable) -> None:
        self.tables.setdefault(table.name, {})

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        assert 1 <= len(writes) <= 100
        assert len({write.row.partition for write in writes}) == 1
        assert len({write.row.key for write in writes}) == len(writes)
        if self.writes == self.dies_after:
            raise SystemError("killed")
        rows = self.tables[table.name]
        for write in writes:
            stored = rows.get((write.row.partition, write.row.key))
            if (stored[1] if stored else None) != write.replaces:
                return False
        self.writes += 1
        for index, write in enumerate(writes):
            rows[(write.row.partition, write.row.key)] = (write.row, f"{self.writes}-{index}")
        return True

    async def find(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> Mapping[str, Existing]:
        rows = self.tables[table.name]
        found = {key: rows[(partition, key)] for key in keys if (partition, key) in rows}
        return {key: Existing(row.origin, version) for key, (row, version) in found.items()}

    async def get(self, table: SnapshotTable, partition: str, key: str) -> Row | None:
        self._check(table)
        stored = self.tables[table.name].get((partition, key))
        return stored[0] if stored else None

    async def page(
        self,
        table: SnapshotTable,
        *,
        size: int,
        token: str | None = None,
        partition: str | None = None,
        keys: KeyRange | None = None,
    ) -> Page:
        """Also gives empty pages that are not the last, as the service may."""
        self._check(table)
        places = sorted(self.tables[table.name], key=lambda place: [part.encode("utf-16-be") for part in place])
        after = tuple(json.loads(token)) if token else None
        start = places.index(after) + 1 if after in places else 0
        some = places[start : start + min(size, self.page_size)]
        rows = [
            self.tables[table.name][place][0]
            for place in some
            if (partition is None or place[0] == partition) and (keys is None or keys.low <= place[1] < keys.high)
        ]
        is_last = start + len(some) >= len(places)
        return Page(rows, None if is_last else json.dumps(some[-1]))

    async def drop(self, table: str) -> None:
        self.tables.pop(table, None)

    def _check(self, table: SnapshotTable) -> None:
        if table.name not in self.tables:
            raise Gone(f"{table.name} is gone")

    def contents(self, table: SnapshotTable) -> dict[tuple[str, str], Row]:
        return {place: row for place, (row, _) in self.tables[table.name].items()}


@dataclass
class MemoryRejects:
    """Rejects by snapshot and origin."""

    rejects: dict[str, dict[str, Reject]] = field(default_factory=dict)

    async def add(self, table: str, rejects: Sequence[Reject]) -> None:
        self.rejects.setdefault(table, {}).update({reject.origin.text: reject for reject in rejects})

    async def list(self, table: str, after: Origin | None = None) -> AsyncIterator[Reject]:
        for origin, reject in sorted(self.rejects.get(table, {}).items()):
            if after is None or origin > after.text:
                yield reject

    async def count(self, table: str) -> int:
        return len(self.rejects.get(table, {}))

    async def drop(self, table: str) -> None:
        self.rejects.pop(table, None)


@dataclass
class MemoryLarge:
    """Large values by name."""

    values: dict[str, bytes] = field(default_factory=dict)

    async def put(self, name: str, value: bytes) -> None:
        self.values[name] = value

    async def get(self, name: str) -> bytes | None:
        return self.values.get(name)

    async def drop(self, prefix: str) -> None:
        self.values = {name: value for name, value in self.values.items() if not name.startswith(prefix)}


@dataclass
class MemoryEntities:
    """Pointers and snapshots."""

    entities: dict[str, Entity] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], Snapshot] = field(default_factory=dict)
    saves: int = 0

    async def get(self, name: str) -> Entity | None:
        return self.entities.get(name.lower())

    async def list(self) -> Sequence[Entity]:
        return [entity for _, entity in sorted(self.entities.items())]

    async def save(self, entity: Entity) -> bool:
        stored = self.entities.get(entity.name.lower())
        if (stored.version if stored else "") != entity.version:
            return False
        self.saves += 1
        self.entities[entity.name.lower()] = replace(entity, version=str(self.saves))
        return True

    async def delete(self, entity: Entity) -> bool:
        return self.entities.pop(entity.name.lower(), None) is not None

    async def get_snapshot(self, entity: str, table: str) -> Snapshot | None:
        return self.snapshots.get((entity.lower(), table))

    async def list_snapshots(self, entity: str) -> Sequence[Snapshot]:
        return [snapshot for (name, _), snapshot in self.snapshots.items() if name == entity.lower()]

    async def save_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        self.snapshots[(entity.lower(), snapshot.table)] = snapshot

    async def delete_snapshot(self, entity: str, table: str) -> None:
        self.snapshots.pop((entity.lower(), table), None)
