"""Erasing a customer: a tombstone, the rows in every snapshot, and what was exported for models.

The tombstone comes first, and everything after it may be repeated: who dies in between is called again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import WARNING, getLogger
from typing import Any

from shared.entities.erasure import ErasableCopies, ErasedRows, erase_again, erase_customer
from shared.entities.retention import SnapshotStores
from shared.entities.snapshots import Snapshot
from shared.entities.tombstones import LIFETIME, Erased, Tombstone, Tombstones
from shared.errors import BridgeError
from shared.logs import log_event
from shared.workflows.erased_exports import ErasedExports, RunExports
from shared.workflows.runs import rfc3339

LOOKED_AFTER = timedelta(days=2)
"""For so long the daily sweep looks for what was under way as a customer was erased; no part lives as long."""

_OUTSIDE = (
    "what Azure Machine Learning keeps of jobs: inputs, outputs, logs, models that learned from them",
    "the data that the pipelines read",
    "versions, soft-deleted blobs and backups of the storage accounts",
    "what readers have fetched",
)

logger = getLogger("bridge.erasing")


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What one call did; a repetition tells what it found."""

    tombstone: Tombstone
    rows: Sequence[ErasedRows]
    exports: ErasedExports

    def render(self) -> dict[str, Any]:
        return {
            "tombstoneSince": rfc3339(self.tombstone.at),
            "erased": [gone.render() for gone in self.rows],
            "exports": list(self.exports.gone),
            "outsideOurReach": [*self.exports.left, *_OUTSIDE],
        }


class Erasure:
    def __init__(
        self,
        tombstones: Tombstones,
        stores: SnapshotStores,
        exports: RunExports,
        copies: Sequence[ErasableCopies],
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._tombstones = tombstones
        self._stores = stores
        self._exports = exports
        self._copies = copies
        self._now = now
        self._sleep = sleep

    async def erase(self, customer_id: str) -> ErasureReport:
        """May be repeated, and finishes what died. Raises StorageUnavailable, WorkspaceUnavailable."""
        tombstone = await self._tombstones.set(customer_id, self._now())
        await self._until_all_know(tombstone)
        rows = await erase_customer(customer_id, self._stores, self._copies)
        log_event(logger, "customer_erased", rows=sum(gone.rows for gone in rows), snapshots=len(rows))
        return ErasureReport(tombstone, rows, await self._exports.erase(tombstone.at))

    async def lift(self, customer_id: str) -> bool:
        """The customer's rows are imported again from now on; False where there is no tombstone.

        Raises StorageUnavailable.
        """
        return await self._tombstones.lift(customer_id)

    async def again(self) -> int:
        """Once more what was under way as a customer was erased; how many rows went. Raises StorageUnavailable,
        WorkspaceUnavailable."""
        erased = await self._tombstones.erased()
        fresh = [known.at for known in erased.tombstones.values() if self._now() - known.at < LOOKED_AFTER]
        if not fresh:
            return 0
        gone = 0
        async for entity, snapshot in self._kept():
            if any(was_under_way(snapshot, at) for at in fresh):
                gone += await self._erase_again(entity, snapshot, erased)
        await self._exports.erase(max(fresh))
        return gone

    async def _erase_again(self, entity: str, snapshot: Snapshot, erased: Erased) -> int:
        """One that fails is left for the next day."""
        try:
            return await erase_again(entity, snapshot, erased, self._stores, self._copies)
        except BridgeError as error:
            log_event(logger, "erase_again_failed", WARNING, snapshot=snapshot.table, code=error.code)
            return 0

    async def _until_all_know(self, tombstone: Tombstone) -> None:
        """Whoever still writes rows must know of the tombstone before rows are looked for."""
        wait = LIFETIME - (self._now() - tombstone.at).total_seconds()
        if wait > 0:
            await self._sleep(min(wait, LIFETIME))

    async def _kept(self) -> AsyncIterator[tuple[str, Snapshot]]:
        for entity in await self._stores.entities.list():
            for snapshot in await self._stores.entities.list_snapshots(entity.name):
                yield entity.name, snapshot


def was_under_way(snapshot: Snapshot, at: datetime) -> bool:
    """Parts of its import may have been at work: it had begun, and was not published long before."""
    ended_at = snapshot.published_at
    return snapshot.created_at <= at and (ended_at is None or ended_at > at - LOOKED_AFTER)
