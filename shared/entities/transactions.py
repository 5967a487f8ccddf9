"""Rows on their way into a snapshot's table: gathered by partition, written a hundred at a time, some at once.

Where a row's key is taken already, the origin of the stored row tells what to do: the same one is a replay, and nothing
happens; of two others the lower wins and the other has lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.entities.fitting import FittedRow
from shared.entities.rows import (
    MOST_IN_TRANSACTION,
    Existing,
    LargeValues,
    Origin,
    Row,
    RowStore,
    SnapshotTable,
    Write,
    large_name,
)
from shared.entities.tombstones import ErasedNow, nobody

type Losers = Callable[[Sequence[Origin]], Awaitable[None]]
"""Told of rows that have lost their key, before one of them is overwritten."""
type LeaveOut = Callable[[Sequence[Row]], Awaitable[None]]
"""Told of rows whose customers were erased: they are not written."""

_HEAVIEST_TRANSACTION = 1_000_000
"""Of our weights; Table storage takes 4 MiB, and control characters weigh three times what we count."""
_MOST_WAITING = 24_000_000
"""Of our weights: what waits to fill transactions, together."""
_IN_FLIGHT = 8
"""Transactions under way at once."""


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


class Transactions:
    """Writes rows of one table. May be repeated, and run beside others. Raises StorageUnavailable."""

    def __init__(
        self,
        table: SnapshotTable,
        rows: RowStore,
        large: LargeValues,
        losers: Losers,
        *,
        erased: ErasedNow = nobody,
        leave_out: LeaveOut | None = None,
    ) -> None:
        self._table = table
        self._rows = rows
        self._large = large
        self._losers = losers
        self._erased = erased
        self._leave_out = leave_out
        self._buckets: dict[str, _Bucket] = {}
        self._waiting = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def add(self, fitted: FittedRow) -> bool:
        """False if a row with its key is waiting already."""
        partition = fitted.row.partition
        bucket = self._buckets.get(partition)
        if bucket is not None and fitted.row.key in bucket.rows:
            return False
        if bucket is not None and not bucket.has_room(fitted):
            await self._send(partition)
            bucket = self._buckets.get(partition)
        if bucket is None:
            bucket = self._buckets[partition] = _Bucket()
        bucket.add(fitted)
        self._waiting += fitted.weight
        if self._waiting > _MOST_WAITING:
            await self._send(max(self._buckets, key=lambda name: self._buckets[name].weight))
        return True

    async def finish(self) -> None:
        for partition in list(self._buckets):
            await self._send(partition)
        while self._tasks:
            await self._settle(asyncio.ALL_COMPLETED)

    async def abandon(self) -> None:
        """No task outlives its part."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        rows = await self._without_erased(rows)
        for fitted in rows.values():
            for column, text in fitted.large.items():
                name = large_name(self._table.name, fitted.row.origin, column)
                await self._large.put(name, text.encode("utf-8", "surrogatepass"))
        writes = [Write(fitted.row) for fitted in rows.values()]
        while writes and not await self._rows.write(self._table, writes):
            found = await self._rows.find(self._table, partition, list(rows))
            writes, losers = settle([fitted.row for fitted in rows.values()], found)
            # Before a row that loses is overwritten: a process that dies in between has told the truth too early.
            await self._losers(losers)

    async def _without_erased(self, rows: Mapping[str, FittedRow]) -> Mapping[str, FittedRow]:
        """Asked at each writing, and not as the part begins: a customer may be erased in between."""
        erased = await self._erased()
        if not erased.tombstones:
            return rows
        hidden = {key: fitted.row for key, fitted in rows.items() if erased.hides(fitted.row)}
        if hidden and self._leave_out is not None:
            await self._leave_out(list(hidden.values()))
        return {key: fitted for key, fitted in rows.items() if key not in hidden}


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
