"""What became of each slot? One outcome each, and a mark up to which a workflow's slots are settled.

A tick claims a slot in the mark before it begins the slot's run, and moves the mark on when the outcome is written.
So a tick that dies in between leaves the slot's name behind, and a later one finds out what became of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.workflows.schedules import SlotOutcome


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the slots of a workflow are settled.

    It names no schedule: which slots are the present timetable's says the workflow (`schedule_since`), so a mark that
    an edited or deleted workflow left behind can only hold slots back that are over.
    """

    workflow: str
    """Its name in lower case."""
    settled: datetime | None = None
    """Neither this slot nor any before it is due any more."""
    claimed: datetime | None = None
    """The slot that a tick is at, or was when it failed."""
    claimed_at: datetime | None = None
    version: str = ""
    """The store's mark for a conditional write; empty for what is not stored yet."""


@dataclass(frozen=True, slots=True)
class SettledSlot:
    """A slot and its outcome, which stays."""

    slot: datetime
    outcome: SlotOutcome
    run: str | None
    """The run that it began or joined; None if it was superseded."""
    recorded_at: datetime


class SlotLedger(Protocol):
    """Where marks and outcomes lie. Workflows go by name, without regard to case. Every method raises
    StorageUnavailable."""

    async def marks(self) -> Mapping[str, Mark]:
        """All, by workflow in lower case."""

    async def move(self, mark: Mark) -> Mark | None:
        """Write a mark; as it is now stored, or None if it has changed since `mark.version`."""

    async def supersede(self, workflow: str, slots: Sequence[SettledSlot]) -> None:
        """Write the outcome of slots that the caller's claim has passed by; the same again changes nothing."""

    async def decide(self, workflow: str, slot: SettledSlot) -> SettledSlot:
        """Write a slot's outcome unless it has one; the one that holds."""

    async def outcome(self, workflow: str, slot: datetime) -> SettledSlot | None:
        """What became of a slot."""

    async def recent(self, workflow: str, count: int) -> Sequence[SettledSlot]:
        """The latest slots, the newest first."""

    async def drop_older(self, than: datetime) -> int:
        """Remove the outcomes of slots before `than`, which is past, and marks that no tick can need; how many
        outcomes."""
