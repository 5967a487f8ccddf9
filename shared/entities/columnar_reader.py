"""Who answers what is asked of all rows: any filter, any order? The port of a snapshot's columnar files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.entities.odata.filters import Filter
from shared.entities.ordering import Mark
from shared.entities.snapshots import Snapshot
from shared.entities.values import Value


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read of a snapshot. The same plan finds the same rows in the same order, page after page."""

    filter: Filter | None
    """None for all rows."""
    select: tuple[str, ...]
    """The properties to give, in this order."""
    orderby: tuple[tuple[str, bool], ...]
    """Properties, each with whether it descends; what is equal, and all rows without any: as the rows lie, if that is
    always the same, else by RowKey."""
    size: int
    """At most so many rows; 0 where only the count is asked for."""
    start: int | Mark = 0
    """Where the page begins: 0, or the `next` of the page before."""
    skip: int = 0
    """Rows to pass over from there; 0 where `start` is not."""
    with_count: bool = False
    """Whether to count all rows that match, whatever the page."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows."""

    rows: Sequence[Mapping[str, Value | None]]
    """By property: those selected, large values whole; a null may be absent."""
    next: int | Mark | None
    """Where the next page starts, more than 0; None after the last. In an order also the number of rows passed will do."""
    count: int | None = None
    """Of all rows that match, where the plan asks for it."""


class ColumnarReader(Protocol):
    async def query(self, snapshot: Snapshot, plan: Plan) -> Found:
        """Raises Gone where the snapshot's files are no more, NotSupported where it has none, StorageUnavailable."""
