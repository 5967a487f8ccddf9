"""A row as it is kept, and what an import needs of the places that keep rows, large values and rejects."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.entities.keys import KeyRange
from shared.entities.schema import Schema
from shared.entities.values import Value

if TYPE_CHECKING:
    from shared.entities.row_columns import RowColumns

MOST_IN_TRANSACTION = 100
"""Rows that Table storage writes in one transaction, all of one partition."""


@dataclass(frozen=True, slots=True)
class SnapshotTable:
    """The table that a snapshot's rows lie in."""

    name: str
    schema: Schema
    buckets: int


class Origin(NamedTuple):
    """Where a row came from. Of two rows with one key, the lower origin wins."""

    file: int
    """Index of the file among the run's files, by path."""
    line: int
    """Line, or number of the row where a file has no lines."""

    @property
    def text(self) -> str:
        """Of one width, so that texts sort as origins do."""
        return f"{str(self.file).zfill(6)}-{str(self.line).zfill(12)}"


def parse_origin(text: str) -> Origin:
    file, _, line = text.partition("-")
    return Origin(int(file), int(line))


class Row(NamedTuple):
    """One item of an entity."""

    partition: str
    key: str
    """RowKey."""
    origin: Origin
    values: Mapping[str, Value]
    """By property, without nulls and without large values."""
    large: tuple[int, ...] = ()
    """Indexes of the columns whose values lie in blobs, named by table, origin and column."""


class Write(NamedTuple):
    """A row to write."""

    row: Row
    replaces: str | None = None
    """The stored row's version, None where there must be no row."""


@dataclass(frozen=True, slots=True)
class Existing:
    """What is known of a row that is there."""

    origin: Origin
    version: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, in the order of their keys; a page may be empty and not the last."""

    rows: Sequence[Row]
    token: str | None
    """Where the next page starts, None after the last."""


class RowStore(Protocol):
    """Where rows lie. Every method raises StorageUnavailable; reading raises Gone where the table is no more."""

    async def create(self, table: SnapshotTable) -> None:
        """Make the table; no matter if it is there."""

    def encode(self, table: SnapshotTable, rows: "Sequence[Row] | RowColumns") -> Sequence[bytes]:
        """Each as it is kept, for `insert`."""

    def decode(self, table: SnapshotTable, body: bytes) -> Row:
        """What `encode` was given."""

    async def insert(self, table: SnapshotTable, bodies: Sequence[bytes]) -> bool:
        """All or none, at most 100 and of one partition; False if there is a row with the key of one of them."""

    async def write(self, table: SnapshotTable, writes: Sequence[Write]) -> bool:
        """All or none, at most 100 and of one partition; False if one of them found other than it expects."""

    async def find(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> Mapping[str, Existing]:
        """Of the rows with these keys, those that are there."""

    async def get(self, table: SnapshotTable, partition: str, key: str) -> Row | None: ...

    async def page(
        self,
        table: SnapshotTable,
        *,
        size: int,
        token: str | None = None,
        partition: str | None = None,
        keys: KeyRange | None = None,
    ) -> Page:
        """At most `size` (up to 1,000) rows: of the table, or of a range of keys in a partition."""

    async def delete(self, table: SnapshotTable, partition: str, keys: Sequence[str]) -> bool:
        """Remove rows, all or none, at most 100; False if one of them is not there."""

    async def drop(self, table: str) -> None:
        """Remove the table; no matter if it is gone."""


class LargeValues(Protocol):
    """Values too large for a property. Every method raises StorageUnavailable."""

    async def put(self, name: str, value: bytes) -> None: ...

    async def get(self, name: str) -> bytes | None: ...

    async def drop(self, prefix: str) -> None:
        """Remove all whose name begins with `prefix`."""


def large_name(table: str, origin: Origin, column: int) -> str:
    """A large value's blob; the same for a replay of the same row."""
    return f"{large_row_prefix(table, origin)}{column}"


def large_row_prefix(table: str, origin: Origin) -> str:
    """What the names of a row's large values begin with."""
    return f"{large_prefix(table)}{origin.text}/"


def large_prefix(table: str) -> str:
    """What the names of a snapshot's large values begin with."""
    return f"snapshots/{table}/large/"


@dataclass(frozen=True, slots=True)
class Reject:
    """A row of the output that did not become a row of the entity. It holds no value."""

    origin: Origin
    file: str
    reason: str
    is_duplicate: bool = False
    """Its key occurs more than once, and this is not the first occurrence."""
    is_erased: bool = False
    """Its customer was erased; it is no fault of the output, and is not listed."""


class RejectStore(Protocol):
    """Rejects by snapshot. Every method raises StorageUnavailable."""

    async def add(self, table: str, rejects: Sequence[Reject]) -> None:
        """Each once, whatever number of times it is added."""

    def list(self, table: str, after: Origin | None = None) -> AsyncIterator[Reject]:
        """By origin; those behind `after`, without those of erased customers."""

    def left_out(self, table: str) -> AsyncIterator[Origin]:
        """By origin: those that fit, and are no rows all the same, as duplicates or rows of erased customers."""

    async def count(self, table: str) -> int:
        """All, those of erased customers included."""

    async def count_erased(self, table: str) -> int: ...

    async def drop(self, table: str) -> None: ...
