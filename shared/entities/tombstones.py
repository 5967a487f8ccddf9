"""Who was erased? A tombstone each: a keyed hash of the customer id, never the id, honoured until it is lifted.

Usually there are none, and then nothing is hashed. A process looks for new ones every two seconds while it reads or
imports; an erasure waits as long before it begins, so that whoever writes rows knows of it by then.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from shared.entities.keys import KeyRange
from shared.entities.rows import Existing, Page, Row, RowStore, SnapshotTable, Write
from shared.entities.schema import CUSTOMER_ID

if TYPE_CHECKING:
    from shared.entities.row_columns import RowColumns

LIFETIME = 2.0
"""Seconds for which a process goes on with the tombstones that it knows."""

_DOUBT = timedelta(days=1)
"""Between the clocks of processes, by far."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    mark: str
    """HMAC-SHA256 of the customer id under the installation's secret, as hex."""
    at: datetime


class TombstoneStore(Protocol):
    """Where tombstones lie. Every method raises StorageUnavailable."""

    async def secret(self) -> bytes:
        """The installation's own: made at first use, and the same ever after."""

    async def version(self) -> str:
        """Another one after each change."""

    async def list(self) -> Sequence[Tombstone]: ...

    async def add(self, tombstone: Tombstone) -> Tombstone:
        """Set it; the one that stands, which is the first with its mark."""

    async def remove(self, mark: str) -> bool:
        """False if there is none."""


@dataclass(frozen=True, slots=True)
class Erased:
    """The erased customers, as known at one time."""

    secret: bytes = b""
    tombstones: Mapping[str, Tombstone] = field(default_factory=dict)
    """By mark."""

    def has(self, customer_id: str) -> bool:
        return bool(self.tombstones) and mark_of(customer_id, self.secret) in self.tombstones

    def hides(self, row: Row) -> bool:
        return bool(self.tombstones) and self.has(str(row.values[CUSTOMER_ID]))

    def missed_by(self, began_at: datetime) -> "Erased":
        """Those whose rows a snapshot may have whose import began then: its parts knew of all that are older."""
        missed = {mark: known for mark, known in self.tombstones.items() if known.at > began_at - _DOUBT}
        return Erased(self.secret, missed)


type ErasedNow = Callable[[], Awaitable[Erased]]
"""Raises StorageUnavailable."""


def mark_of(customer_id: str, secret: bytes) -> str:
    return hmac.digest(secret, customer_id.encode("utf-8", "surrogatepass"), "sha256").hex()


async def nobody() -> Erased:
    """Where nobody was erased."""
    return Erased()


class Tombstones:
    """The tombstones as a process knows them."""

    def __init__(self, store: TombstoneStore, clock: Callable[[], float]) -> None:
        """`clock`: seconds that only go forward."""
        self._store = store
        self._clock = clock
        self._erased = Erased()
        self._version = ""
        self._known_at = float("-inf")
        self._changes = 0
        """Of this process's own."""
        self._changes_seen = 0
        self._looking: asyncio.Task[None] | None = None

    async def erased(self) -> Erased:
        """At most `LIFETIME` old, and never older than this process's own changes. Raises StorageUnavailable."""
        changes = self._changes
        if self._changes_seen < changes or self._clock() - self._known_at >= LIFETIME:
            await self._join()
            if self._changes_seen < changes:
                await self._join()  # the first look had begun before the change
        return self._erased

    async def set(self, customer_id: str, now: datetime) -> Tombstone:
        """The customer's tombstone, an older one if there is. Raises StorageUnavailable."""
        mark = mark_of(customer_id, await self._store.secret())
        tombstone = await self._store.add(Tombstone(mark, now))
        self._changes += 1
        return tombstone

    async def lift(self, customer_id: str) -> bool:
        """False if there is none. Raises StorageUnavailable."""
        removed = await self._store.remove(mark_of(customer_id, await self._store.secret()))
        self._changes += 1
        return removed

    async def _join(self) -> None:
        """One look for all who wait; none of them ends it for the others."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        """The version first: what changes after it is seen the next time."""
        began, changes = self._clock(), self._changes
        version = await self._store.version()
        if version != self._version:
            tombstones = await self._store.list()
            secret = await self._store.secret() if tombstones else b""
            self._erased = Erased(secret, {tombstone.mark: tombstone for tombstone in tombstones})
            self._version = version
        self._known_at, self._changes_seen = began, changes


class VisibleRows:
    """A store of rows whose readers find nothing of erased customers."""

    def __init__(self, rows: RowStore, erased: ErasedNow) -> None:
        self._rows = rows
        self._erased = erased

    async def get(self, table: SnapshotTable, partition: str, key: str) -> Row | None:
        row = await self._rows.get(table, partition, key)
        return None if row is None or (await self._erased()).hides(row) else row

    async def page(
        self,
        table: SnapshotTable,
        *,
        size: int,
        token: str | None = None,
        partition: str | None = None,
        keys: KeyRange | None = None,
    ) -> Page:
        page = await self._rows.page(table, size=size, token=token, partition=partition, keys=keys)
        erased = await self._erased()
        return Page([row for row in page.rows if not erased.hides(row)], page.token) if erased.tombstones else page

    async def create(self, table: SnapshotTable) -> None:
        await self._rows.create(table)

    def encode(self, table: SnapshotTable, rows: "Sequence[Row] | RowColumns") -> Sequence[bytes]:
        return self._rows.encode(table, rows)

    def decode(self, table: SnapshotTable, body: bytes) -> Row:
        return self._rows.decode(table, body)

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        return await self._rows.insert(table, bodies)

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        return await self._rows.write(table, writes)

    async def find(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> Mapping[str, Existing]:
        return await self._rows.find(table, partition, keys)

    async def delete(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> bool:
        return await self._rows.delete(table, partition, keys)

    async def drop(self, table: str) -> None:
        await self._rows.drop(table)
