"""Stand-ins for the places that the room is handed: files, rows, large values, rejects, entities; all in memory."""

import json
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.entities.columnar_reader import Found, Plan
from shared.entities.files import Kept
from shared.entities.keys import KeyRange
from shared.entities.odata.evaluation import in_order, matches
from shared.entities.ordering import Mark
from shared.entities.outputs import Listed
from shared.entities.row_columns import RowColumns
from shared.entities.rows import Existing, Origin, Page, Reject, Row, SnapshotTable, Write
from shared.entities.snapshots import Entity, Snapshot
from shared.entities.tombstones import Tombstone
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
    deletes: int = 0
    dies_after_deletes: int | None = None
    before_write: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What happens before the transaction of a number, once."""

    async def create(self, table: SnapshotTable) -> None:
        self.tables.setdefault(table.name, {})

    def encode(self, table: SnapshotTable, rows: Sequence[Row] | RowColumns) -> Sequence[bytes]:
        return [pickle.dumps(row) for row in (rows.rows() if isinstance(rows, RowColumns) else rows)]

    def decode(self, table: SnapshotTable, body: bytes) -> Row:
        row: Row = pickle.loads(body)
        return row

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        return await self.write(table, [Write(self.decode(table, body)) for body in bodies])

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        assert 1 <= len(writes) <= 100
        assert len({write.row.partition for write in writes}) == 1
        assert len({write.row.key for write in writes}) == len(writes)
        if self.writes == self.dies_after:
            raise SystemError("killed")
        if happens := self.before_write.pop(self.writes, None):
            await happens()
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

    async def delete(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> bool:
        assert 1 <= len(keys) <= 100
        if self.deletes == self.dies_after_deletes:
            raise SystemError("killed")
        rows = self.tables[table.name]
        if any((partition, key) not in rows for key in keys):
            return False
        self.deletes += 1
        for key in keys:
            del rows[(partition, key)]
        return True

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
            if (after is None or origin > after.text) and not reject.is_erased:
                yield reject

    async def left_out(self, table: str) -> AsyncIterator[Origin]:
        for _, reject in sorted(self.rejects.get(table, {}).items()):
            if reject.is_duplicate or reject.is_erased:
                yield reject.origin

    async def count(self, table: str) -> int:
        return len(self.rejects.get(table, {}))

    async def count_erased(self, table: str) -> int:
        return sum(reject.is_erased for reject in self.rejects.get(table, {}).values())

    async def drop(self, table: str) -> None:
        self.rejects.pop(table, None)


@dataclass
class MemoryUpload:
    """Bytes for a path, unless another upload was faster."""

    store: "MemoryLarge"
    path: str
    before: bytes | None
    data: bytearray = field(default_factory=bytearray)

    async def add(self, data: bytes) -> None:
        self.data += data

    async def commit(self) -> bool:
        if self.store.values.get(self.path) is not self.before:
            return False
        if self.store.dies:
            raise SystemError("killed")
        self.store.values[self.path] = bytes(self.data)
        return True

    def again(self) -> "MemoryUpload":
        return MemoryUpload(self.store, self.path, self.before)


@dataclass
class MemoryLarge:
    """Large values and files by name."""

    values: dict[str, bytes] = field(default_factory=dict)
    dies: bool = False
    """Where a file would be committed."""
    read_bytes: int = 0
    written_at: datetime = datetime(2026, 11, 22, 6, tzinfo=UTC)
    """What its files say."""

    async def begin(self, path: str) -> MemoryUpload:
        return MemoryUpload(self, path, self.values.get(path))

    async def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        if path not in self.values:
            raise Gone(f"{path} is gone")
        data = self.values[path][start:end]
        self.read_bytes += len(data)
        return data

    async def list(self, prefix: str) -> AsyncIterator[Kept]:
        for name in sorted(self.values):
            if name.startswith(prefix):
                yield Kept(name, len(self.values[name]), self.written_at)

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
        former = self.snapshots.get((entity.lower(), snapshot.table))
        if former is not None and snapshot.published_at is None:
            snapshot = replace(snapshot, published_at=former.published_at)
        self.snapshots[(entity.lower(), snapshot.table)] = snapshot

    async def withdraw_snapshot(self, entity: str, snapshot: Snapshot) -> None:
        self.snapshots[(entity.lower(), snapshot.table)] = replace(snapshot, published_at=None)

    async def delete_snapshot(self, entity: str, table: str) -> None:
        self.snapshots.pop((entity.lower(), table), None)


@dataclass
class MemoryTombstones:
    """Tombstones by mark."""

    marks: dict[str, Tombstone] = field(default_factory=dict)
    changes: int = 0
    looks: int = 0

    async def secret(self) -> bytes:
        return b"of the installation"

    async def version(self) -> str:
        self.looks += 1
        return str(self.changes or "")

    async def list(self) -> Sequence[Tombstone]:
        return list(self.marks.values())

    async def add(self, tombstone: Tombstone) -> Tombstone:
        self.changes += 1
        return self.marks.setdefault(tombstone.mark, tombstone)

    async def remove(self, mark: str) -> bool:
        self.changes += 1
        return self.marks.pop(mark, None) is not None


@dataclass
class MemoryColumnar:
    """Answers queries of rows in memory: what a reader of columnar files has to give."""

    rows: MemoryRows
    plans: list[Plan] = field(default_factory=list)
    is_missing: bool = False
    """The snapshot has no files."""

    async def query(self, snapshot: Snapshot, plan: Plan) -> Found:
        self.plans.append(plan)
        if self.is_missing:
            raise Gone(f"the snapshot {snapshot.table} has no files")
        kept = sorted((row for row, _ in self.rows.tables[snapshot.table].values()), key=lambda row: row.key)
        found = [row.values for row in kept if plan.filter is None or matches(plan.filter, row.values)]
        start = (plan.start.passed if isinstance(plan.start, Mark) else plan.start) + plan.skip
        page = in_order(found, plan.orderby, lambda values: values)[start : start + plan.size]
        end = start + len(page)
        return Found(
            [{name: values.get(name) for name in plan.select} for values in page],
            end if page and end < len(found) else None,
            len(found) if plan.with_count else None,
        )
