"""Rows on their way into a snapshot's table: gathered by partition, written a hundred at a time, some at once.

Where a row's key is taken already, the origin of the stored row tells what to do: the same one is a replay, and nothing
happens; of two others the lower wins and the other has lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.entities.fitting import FittedRow
from shared.entities.keys import split_row_key
from shared.entities.row_columns import RowColumns
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

_HEAVIEST_TRANSACTION = 750_000
"""Bytes of rows from which on a transaction is sent: with one more row of up to 2.8 MB, and what stands around each, it is
below the 4 MiB that Table storage takes."""
_MOST_WAITING = 12_000_000
"""Bytes of rows that wait to fill transactions, together."""
_ENCODED_AT_ONCE = 2_000_000
"""Bytes that rows take of which only the columns are known, names included."""
_AROUND_VALUE = 40
"""Bytes beside a property's name and text."""
_IN_FLIGHT = 8
"""Transactions under way at once."""

type _Bodies = Mapping[str, bytes]
"""Rows by key, as their store encoded them."""


@dataclass(slots=True)
class _Bucket:
    """Rows of one partition that wait to be written together."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    large: dict[str, FittedRow] = field(default_factory=dict)
    """Those with large values, by key."""
    weight: int = 0
    """Bytes."""


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
        properties = table.schema.properties
        row = sum(map(len, properties)) + _AROUND_VALUE * len(properties)
        self._slice = max(_ENCODED_AT_ONCE // row, MOST_IN_TRANSACTION)

    async def add(self, rows: Sequence[FittedRow]) -> Sequence[Origin]:
        """Gives the origins of those whose keys were waiting already."""
        if not rows:
            return []
        partitions, keys = [fitted.row.partition for fitted in rows], [fitted.row.key for fitted in rows]
        bodies = self._rows.encode(self._table, [fitted.row for fitted in rows])
        large = {index: fitted for index, fitted in enumerate(rows) if fitted.large}
        return [rows[index].row.origin for index in await self._put(partitions, keys, bodies, large)]

    async def add_columns(self, rows: RowColumns) -> Sequence[Origin]:
        """As `add` does."""
        twice: list[Origin] = []
        for some in rows.slices(self._slice):
            bodies = self._rows.encode(self._table, some)
            twice += map(some.origin, await self._put(some.partitions, some.keys.to_pylist(), bodies, {}))
        return twice

    async def _put(
        self, partitions: Sequence[str], keys: Sequence[str], bodies: Sequence[bytes], large: Mapping[int, FittedRow]
    ) -> Sequence[int]:
        """Gives the indexes of those whose keys were waiting already."""
        twice: list[int] = []
        buckets = self._buckets
        for index, (partition, key, body) in enumerate(zip(partitions, keys, bodies, strict=True)):
            bucket = buckets.get(partition)
            if bucket is None:
                bucket = buckets[partition] = _Bucket()
            elif key in bucket.bodies:
                twice.append(index)
                continue
            elif len(bucket.bodies) == MOST_IN_TRANSACTION or bucket.weight > _HEAVIEST_TRANSACTION:
                await self._send(partition)
                bucket = buckets[partition] = _Bucket()
            bucket.bodies[key] = body
            bucket.weight += len(body)
            if index in large:
                bucket.large[key] = large[index]
        self._waiting += sum(map(len, bodies)) - sum(len(bodies[index]) for index in twice)
        if self._waiting > _MOST_WAITING:
            await self._relieve()
        return twice

    async def _relieve(self) -> None:
        """Send the fullest, until half of what may wait is left."""
        for partition in sorted(self._buckets, key=lambda name: self._buckets[name].weight, reverse=True):
            if self._waiting <= _MOST_WAITING // 2:
                return
            await self._send(partition)

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
        self._tasks.add(asyncio.create_task(self._write(partition, bucket)))

    async def _settle(self, when: str) -> None:
        done, self._tasks = await asyncio.wait(self._tasks, return_when=when)
        failures = [failure for task in done if (failure := task.exception())]
        if failures:
            raise failures[0]

    async def _write(self, partition: str, bucket: _Bucket) -> None:
        """Large values first: a row never names a blob that is not there."""
        bodies = await self._without_erased(bucket.bodies)
        for key, fitted in bucket.large.items():
            if key in bodies:
                await self._put_large(fitted)
        if bodies and not await self._rows.insert(self._table, list(bodies.values())):
            await self._write_beside(partition, bodies)

    async def _put_large(self, fitted: FittedRow) -> None:
        for column, text in fitted.large.items():
            name = large_name(self._table.name, fitted.row.origin, column)
            await self._large.put(name, text.encode("utf-8", "surrogatepass"))

    async def _write_beside(self, partition: str, bodies: _Bodies) -> None:
        """Where some of the keys are taken."""
        rows = [self._rows.decode(self._table, body) for body in bodies.values()]
        while True:
            found = await self._rows.find(self._table, partition, list(bodies))
            writes, losers = settle(rows, found)
            # Before a row that loses is overwritten: a process that dies in between has told the truth too early.
            await self._losers(losers)
            if not writes or await self._rows.write(self._table, writes):
                return

    async def _without_erased(self, bodies: _Bodies) -> _Bodies:
        """Asked at each writing, and not as the part begins: a customer may be erased in between."""
        erased = await self._erased()
        if not erased.tombstones:
            return bodies
        hidden = [key for key in bodies if erased.has(split_row_key(key)[0])]
        if hidden and self._leave_out is not None:
            await self._leave_out([self._rows.decode(self._table, bodies[key]) for key in hidden])
        return {key: body for key, body in bodies.items() if key not in hidden}


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
