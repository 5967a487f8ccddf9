"""One part of a run's output becomes rows of a snapshot: streamed, idempotent, the same in any order of parts.

Each row keeps its origin, file and line. Where its key is taken already, the origin of the stored row tells what to do:
the same one is a replay of this part, and nothing happens; of two others the lower wins and the other is a reject.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.entities.fitting import FittedRow, Misfit, RowFitter
from shared.entities.outputs import OutputFile, OutputFiles
from shared.entities.parts import Part, Plan
from shared.entities.quality import Contents
from shared.entities.records import Record, read_records
from shared.entities.rows import (
    MOST_IN_TRANSACTION,
    Existing,
    LargeValues,
    Origin,
    Reject,
    RejectStore,
    Row,
    RowStore,
    SnapshotTable,
    Write,
    large_name,
)

_HEAVIEST_TRANSACTION = 1_000_000
"""Of our weights; Table storage takes 4 MiB, and control characters weigh three times what we count."""
_MOST_WAITING = 24_000_000
"""Of our weights: what waits to fill transactions, together."""
_IN_FLIGHT = 8
"""Transactions under way at once."""
_TWICE = "has a key that occurs more than once; the first occurrence is kept"


@dataclass(frozen=True, slots=True)
class ImportStores:
    """Where an import reads and writes."""

    output: OutputFiles
    rows: RowStore
    rejects: RejectStore
    large: LargeValues


@dataclass(frozen=True, slots=True)
class PartResult:
    """What a part held; the same for every replay."""

    records: int
    misfits: int
    """Rejects but for keys that occur more than once, which only the store of rejects can count across parts."""


async def import_part(part: Part, plan: Plan, table: SnapshotTable, stores: ImportStores) -> PartResult:
    """Write the part's rows. May be repeated, at any point and beside others.

    Raises UnusableOutput with file and line, StorageUnavailable.
    """
    file = plan.files[part.file]
    loading = _Loading(table, file, [file.path for file in plan.files], stores)
    try:
        async for records in read_records(stores.output, file, part):
            await loading.take(records)
        await loading.finish()
    finally:
        await loading.abandon()
    return PartResult(loading.records, loading.misfits)


async def imported(plan: Plan, table: SnapshotTable, rejects: RejectStore) -> Contents:
    """What the table holds once all parts are done: each record of the output is a row or a reject, and never both.

    Raises StorageUnavailable.
    """
    rejected = await rejects.count(table.name)
    return Contents(plan.records - rejected, rejected, plan.schema)


@dataclass(slots=True)
class _Bucket:
    """Rows of one partition that wait to be written together, by key."""

    rows: dict[str, FittedRow] = field(default_factory=dict)
    weight: int = 0

    def has_room(self, fitted: FittedRow) -> bool:
        return len(self.rows) < MOST_IN_TRANSACTION and self.weight + fitted.weight <= _HEAVIEST_TRANSACTION

    def add(self, fitted: FittedRow) -> None:
        self.rows[fitted.row.key] = fitted
        self.weight += fitted.weight


class _Loading:
    """One part on its way in."""

    def __init__(self, table: SnapshotTable, file: OutputFile, paths: Sequence[str], stores: ImportStores) -> None:
        self.records = 0
        self.misfits = 0
        self._table = table
        self._file = file
        self._paths = paths
        self._stores = stores
        self._fitter = RowFitter(table, file)
        self._buckets: dict[str, _Bucket] = {}
        self._waiting = 0
        self._rejects: list[Reject] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, records: Sequence[Record]) -> None:
        for record in records:
            self.records += 1
            try:
                fitted = self._fitter.fit(record)
            except Misfit as misfit:
                self.misfits += 1
                origin = Origin(self._file.index, record.number)
                self._rejects.append(Reject(origin, self._file.path, str(misfit)))
            else:
                await self._add(fitted)
        await self._write_rejects(at_least=MOST_IN_TRANSACTION)

    async def finish(self) -> None:
        for partition in list(self._buckets):
            await self._send(partition)
        while self._tasks:
            await self._settle(asyncio.ALL_COMPLETED)
        await self._write_rejects(at_least=1)

    async def abandon(self) -> None:
        """No task outlives its part."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _add(self, fitted: FittedRow) -> None:
        partition = fitted.row.partition
        bucket = self._buckets.setdefault(partition, _Bucket())
        if fitted.row.key in bucket.rows:
            self._rejects.append(self._duplicate(fitted.row.origin))
            return
        if not bucket.has_room(fitted):
            await self._send(partition)
            bucket = self._buckets.setdefault(partition, _Bucket())
        bucket.add(fitted)
        self._waiting += fitted.weight
        if self._waiting > _MOST_WAITING:
            await self._send(max(self._buckets, key=lambda name: self._buckets[name].weight))

    async def _send(self, partition: str) -> None:
        bucket = self._buckets.pop(partition)
        self._waiting -= bucket.weight
        while len(self._tasks) >= _IN_FLIGHT:
            await self._settle(asyncio.FIRST_COMPLETED)
        self._tasks.add(asyncio.create_task(self._write(partition, bucket.rows)))

    async def _settle(self, when: str) -> None:
        done, self._tasks = await asyncio.wait(self._tasks, return_when=when)
        failures = [failure for task in done if (failure := task.exception())]
        if failures:
            raise failures[0]

    async def _write(self, partition: str, rows: Mapping[str, FittedRow]) -> None:
        """Large values first: a row never names a blob that is not there."""
        for fitted in rows.values():
            for column, text in fitted.large.items():
                name = large_name(self._table.name, fitted.row.origin, column)
                await self._stores.large.put(name, text.encode("utf-8", "surrogatepass"))
        writes = [Write(fitted.row) for fitted in rows.values()]
        while writes and not await self._stores.rows.write(self._table, writes):
            found = await self._stores.rows.find(self._table, partition, list(rows))
            writes, losers = settle([fitted.row for fitted in rows.values()], found)
            # Before a row that loses is overwritten: a process that dies in between has told the truth too early.
            await self._stores.rejects.add(self._table.name, [self._duplicate(origin) for origin in losers])

    def _duplicate(self, origin: Origin) -> Reject:
        return Reject(origin, self._paths[origin.file], _TWICE, is_duplicate=True)

    async def _write_rejects(self, at_least: int) -> None:
        if len(self._rejects) >= at_least:
            rejects, self._rejects = self._rejects, []
            await self._stores.rejects.add(self._table.name, rejects)


def settle(rows: Sequence[Row], found: Mapping[str, Existing]) -> tuple[list[Write], list[Origin]]:
    """Which of `rows` are to be written, given those that lie under their keys; and the origins that lose a key."""
    writes: list[Write] = []
    losers: list[Origin] = []
    for row in rows:
        stored = found.get(row.key)
        if stored is None:
            writes.append(Write(row))
        elif row.origin < stored.origin:
            writes.append(Write(row, replaces=stored.version))
            losers.append(stored.origin)
        elif row.origin > stored.origin:
            losers.append(row.origin)
    return writes, losers
