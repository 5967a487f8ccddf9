"""Who is at which part of an import? A row a part: leased while somebody is at it, done once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from shared.tracing import current
from shared.workflows.runs import RunError

LEASE = timedelta(seconds=60)
"""Renewed by whoever is at the part; past it, the part is anybody's."""


class PartState(StrEnum):
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PartEntry:
    """What is known of a part that somebody has begun."""

    number: int
    state: PartState
    by: str
    """The process that is or was at it."""
    leased_until: datetime
    attempts: int = 1
    records: int = 0
    misfits: int = 0
    error: RunError | None = None
    trace: str = ""
    """The span of its first attempt, as a W3C `traceparent`."""
    version: str = ""
    """The store's mark for a conditional write; empty for what is not stored yet."""

    def is_held(self, now: datetime) -> bool:
        return self.state is PartState.WORKING and now < self.leased_until

    def is_over(self) -> bool:
        return self.state is not PartState.WORKING


class PartLedger(Protocol):
    """Where entries lie, by run. Every method raises StorageUnavailable."""

    async def get(self, run: str, number: int) -> PartEntry | None: ...

    async def list(self, run: str) -> Sequence[PartEntry]: ...

    async def save(self, run: str, entry: PartEntry) -> PartEntry | None:
        """Write; the entry with its new version, or None if what it replaces (by its version, empty: nothing) is no
        longer so."""

    async def drop(self, run: str) -> None:
        """Remove all of a run's entries."""


async def take(ledger: PartLedger, run: str, number: int, by: str, now: datetime) -> PartEntry | None:
    """Lease a part that is nobody's. None where it is done, or somebody else is at it. Raises StorageUnavailable."""
    known = await ledger.get(run, number)
    if known is None:
        trace = current().traceparent or ""
        return await ledger.save(run, PartEntry(number, PartState.WORKING, by, now + LEASE, trace=trace))
    if known.is_over() or known.is_held(now):
        return None
    return await ledger.save(run, replace(known, by=by, leased_until=now + LEASE, attempts=known.attempts + 1))


def renewed(entry: PartEntry, now: datetime) -> PartEntry:
    return replace(entry, leased_until=now + LEASE)


def given_up(entry: PartEntry, until: datetime) -> PartEntry:
    """For now: from then on the part is anybody's again."""
    return replace(entry, leased_until=until)


def to_send_again(entries: Sequence[PartEntry], parts: int, sent_at: datetime, now: datetime) -> list[int]:
    """The parts whose message is lost: their lease ran out since; or nobody is at any, and the messages are old."""
    known = {entry.number: entry for entry in entries}
    is_old = now - sent_at >= LEASE
    free = [entry for entry in entries if not entry.is_over() and not entry.is_held(now)]
    lapsed = [entry.number for entry in free if is_old or sent_at < entry.leased_until]
    if any(entry.is_held(now) for entry in entries) or not is_old:
        return lapsed
    return sorted([*lapsed, *(number for number in range(parts) if number not in known)])
