"""How is a customer taken out of the snapshots that are kept? Large values first, then rows, in every one of them.

Each row that goes leaves a mark among the rejects: its origin alone. So a snapshot's count stays right however often an
erasure is repeated, and wherever it died.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Protocol

from shared.entities.keys import KeyRange, customer_range, partition_key
from shared.entities.retention import SnapshotStores
from shared.entities.rows import (
    MOST_IN_TRANSACTION,
    LargeValues,
    Reject,
    RejectStore,
    Row,
    SnapshotTable,
    large_row_prefix,
)
from shared.entities.snapshots import Entity, Snapshot, change_entity
from shared.entities.tombstones import Erased
from shared.errors import Gone, NotFound

ERASED = "belongs to a customer who was erased"
_AT_ONCE = 8
"""Snapshots under way at once."""
_PAGE = 1000


class ErasableCopies(Protocol):
    """Copies of a snapshot's rows that lie beside its table."""

    async def erase(self, entity: str, snapshot: Snapshot, customer_id: str) -> int:
        """How many of the customer's rows went from them. May be repeated. Raises StorageUnavailable."""

    async def erase_again(self, entity: str, snapshot: Snapshot, erased: Erased) -> int:
        """Rows of all erased customers; how many went. May be repeated. Raises StorageUnavailable."""


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What went from one snapshot."""

    entity: str
    snapshot: str
    rows: int
    values: int
    """Large ones, which lay in blobs."""
    copies: int = 0

    def render(self) -> dict[str, Any]:
        return {
            "entity": self.entity,
            "snapshot": self.snapshot,
            "rows": self.rows,
            "values": self.values,
            "copies": self.copies,
        }


async def erase_customer(
    customer_id: str, stores: SnapshotStores, copies: Sequence[ErasableCopies]
) -> Sequence[ErasedRows]:
    """From every snapshot there is: published, held or on its way in. Names those that had something.

    May be repeated. Raises StorageUnavailable.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(entity: str, snapshot: Snapshot) -> ErasedRows:
        async with turns:
            gone = await _erase_from(entity, snapshot, customer_id, stores)
            return replace(gone, copies=sum([await copy.erase(entity, snapshot, customer_id) for copy in copies]))

    kept = [
        (entity.name, snapshot)
        for entity in await stores.entities.list()
        for snapshot in await stores.entities.list_snapshots(entity.name)
    ]
    found = await asyncio.gather(*(one(entity, snapshot) for entity, snapshot in kept), return_exceptions=True)
    failures = [failure for failure in found if isinstance(failure, BaseException)]
    if failures:
        raise failures[0]  # the others are done by now
    return [gone for gone in found if isinstance(gone, ErasedRows) and (gone.rows or gone.copies)]


async def _erase_from(entity: str, snapshot: Snapshot, customer_id: str, stores: SnapshotStores) -> ErasedRows:
    table = snapshot.place
    keys = customer_range(customer_id, is_one_column=table.schema.is_one_column)
    rows = values = 0
    with suppress(Gone):
        async for some in _pages(table, stores, partition_key(customer_id, table.buckets), keys):
            await _remove(some, table, stores)
            rows += len(some)
            values += sum(len(row.large) for row in some)
    await recount(entity, snapshot, stores)
    return ErasedRows(entity, snapshot.table, rows, values)


async def erase_again(
    entity: str, snapshot: Snapshot, erased: Erased, stores: SnapshotStores, copies: Sequence[ErasableCopies]
) -> int:
    """The rows of erased customers that a part wrote which had begun before; how many went, of the table or of copies.
    Reads the whole snapshot.

    Raises StorageUnavailable.
    """
    gone = 0
    with suppress(Gone):
        async for page in _pages(snapshot.place, stores):
            hidden = [row for row in page if erased.hides(row)]
            for _, some in groupby(hidden, key=lambda row: row.partition):
                await _remove(list(some), snapshot.place, stores)
            gone += len(hidden)
    await recount(entity, snapshot, stores)
    return gone + sum([await copy.erase_again(entity, snapshot, erased) for copy in copies])


async def _pages(
    table: SnapshotTable, stores: SnapshotStores, partition: str | None = None, keys: KeyRange | None = None
) -> AsyncIterator[Sequence[Row]]:
    """Raises Gone where the table is not there: not made yet, or dropped meanwhile."""
    token = None
    while True:
        page = await stores.rows.page(table, size=_PAGE, token=token, partition=partition, keys=keys)
        yield page.rows
        token = page.token
        if token is None:
            return


async def _remove(rows: Sequence[Row], table: SnapshotTable, stores: SnapshotStores) -> None:
    """Of one partition."""
    for start in range(0, len(rows), MOST_IN_TRANSACTION):
        some = rows[start : start + MOST_IN_TRANSACTION]
        await leave_out(some, table, stores.large, stores.rejects)
        partition, keys = some[0].partition, [row.key for row in some]
        while keys and not await stores.rows.delete(table, partition, keys):
            keys = list(await stores.rows.find(table, partition, keys))  # another erasure was faster


async def leave_out(rows: Iterable[Row], table: SnapshotTable, large: LargeValues, rejects: RejectStore) -> None:
    """Say that these rows are none of the snapshot's, for their customers were erased; their large values go.

    Raises StorageUnavailable.
    """
    marks = [Reject(row.origin, "", ERASED, is_erased=True) for row in rows]
    for row in rows:
        if row.large:
            await large.drop(large_row_prefix(table.name, row.origin))
    await rejects.add(table.name, marks)


async def recount(entity: str, snapshot: Snapshot, stores: SnapshotStores) -> None:
    """Take the erased rows out of what is told of the snapshot. Raises StorageUnavailable."""
    erased = await stores.rejects.count_erased(snapshot.table)
    stored = await stores.entities.get_snapshot(entity, snapshot.table)
    if stored is None or erased == stored.erased or not stored.is_counted:
        return

    def counted(known: Entity) -> Entity:
        current = known.current
        is_current = current is not None and current.table == snapshot.table
        return replace(known, current=current.with_erased(erased)) if current and is_current else known

    try:
        pointer = await change_entity(stores.entities, entity, counted)
    except NotFound:
        return  # deleted meanwhile
    is_current = pointer.current is not None and pointer.current.table == snapshot.table
    told = pointer.current if pointer.current is not None and is_current else stored.with_erased(erased)
    await stores.entities.save_snapshot(entity, told)
